"""The errors of the service, each with a French message for the person who must act.

CidpError
├── SettingsError            a setting, a key file or config.yaml cannot be used
├── RequestRefused           what a client sent cannot be used, field by field
│   ├── TelemetryRefused     bytes that are not valid telemetry
│   └── ParametersRefused    what a request asks for cannot be answered
├── BatchTooLong             more rows than one request may carry
├── ModelError
│   ├── BundleRefused        a bundle is damaged or is not what its manifest says
│   ├── PromotionFailed      a good bundle cannot be made the one that serves
│   └── NoModel              no bundle is promoted, or none could be loaded yet
├── StoreError
│   ├── StoreUnavailable     locked, full, unreadable: try again later
│   └── StoreIncompatible    the file is not a store of this program
├── DeadLetterError          dead letters cannot be written out or read back
├── StreamError              Kafka or MQTT refuses what was asked of it
├── AlertError
│   ├── UnknownAlert         no alert has this number
│   └── AlertClosed          a closed alert does not change any more
├── NotificationError
│   ├── NotDelivered         the message surely did not arrive: it may be sent again
│   └── NotConfirmed         the message may have arrived: it is not sent again
├── NothingToLearn           recorded readings, or work orders, from which no model can be trained
├── ChildError
│   ├── ChildFailed          a child program ended badly or did not say what it should
│   └── ChildTimedOut        a child program did not end in time
├── JobError
│   ├── JobUnknown           no such job, or one that is forgotten
│   ├── JobBusy              the same work is going on already
│   └── JobsUnavailable      the state of the jobs cannot be read or written
├── WarehouseError           the warehouse cannot be read
├── BackupError              a backup cannot be made, is damaged, or would overwrite data
├── ServerError              the server cannot start
└── ApiError                 what the dashboard gets from the API; its tree is in api_client.py
"""

from typing import TypedDict


class CidpError(Exception):
    """Base of every error that this service raises on purpose."""


class SettingsError(CidpError):
    """A setting cannot be used; the message names it, its value and the remedy."""


class FieldError(TypedDict):
    """One refused field, as `POST /predict` and `POST /telemetry` answer it."""

    field: str
    message: str


class RequestRefused(CidpError):
    """What a client sent cannot be used; `details` has one entry per refused field."""

    def __init__(self, details: list[FieldError]) -> None:
        super().__init__(" ; ".join(f"{d['field']} : {d['message']}" for d in details))
        self.details = details


class TelemetryRefused(RequestRefused):
    """The bytes are not valid telemetry."""


class ParametersRefused(RequestRefused):
    """A request asks for what cannot be answered; `details` has one entry per refused field."""


class BatchTooLong(CidpError):
    """A body holds more rows than one request may carry."""


class ModelError(CidpError):
    """The model cannot be used."""


class BundleRefused(ModelError):
    """A bundle is damaged, incomplete, or not what its manifest says."""


class PromotionFailed(ModelError):
    """The registry cannot be written; the same version serves as before."""


class NoModel(ModelError):
    """No bundle is promoted, or the promoted one is not loaded."""


class StoreError(CidpError):
    """The event store cannot be used."""


class StoreUnavailable(StoreError):
    """The event store does not answer now; the same call may succeed later."""


class StoreIncompatible(StoreError):
    """The file at the store's path was not made by this program, or by a newer one."""


class DeadLetterError(CidpError):
    """Dead letters cannot be written out, or what corrects them cannot be read."""


class StreamError(CidpError):
    """Kafka or MQTT refuses for good: an account, a certificate, a topic."""


class AlertError(CidpError):
    """What was asked of an alert cannot be done."""


class UnknownAlert(AlertError):
    """No alert has this number."""


class AlertClosed(AlertError):
    """The alert is closed, and was to be acknowledged or closed."""


class NotificationError(CidpError):
    """An alert could not be told."""


class NotDelivered(NotificationError):
    """The message surely did not arrive."""


class NotConfirmed(NotificationError):
    """Nobody knows whether the message arrived."""


class NothingToLearn(CidpError):
    """The recorded readings, or what is known of failures, cannot train a model."""


class ChildError(CidpError):
    """A child program did not do its work."""


class ChildFailed(ChildError):
    """A child program ended badly, or printed something else than its document."""


class ChildTimedOut(ChildError):
    """A child program did not end in time and was stopped."""


class JobError(CidpError):
    """A job cannot be started or followed."""


class JobUnknown(JobError):
    """There is no such job, or it is too old to be remembered."""


class JobBusy(JobError):
    """The same work is going on already, as job `job_id`."""

    def __init__(self, message: str, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class JobsUnavailable(JobError):
    """The state of the jobs cannot be read or written now."""


class WarehouseError(CidpError):
    """The warehouse cannot be read; the message says what to do."""


class BackupError(CidpError):
    """A backup cannot be made, is damaged, or would overwrite data."""


class ServerError(CidpError):
    """The HTTP server cannot start: its address or its certificate cannot be used."""
