"""The errors of the service, each with a French message for the person who must act.

CidpError
├── SettingsError            a setting, a key file or config.yaml cannot be used
├── TelemetryRefused         bytes that are not valid telemetry, field by field
├── BatchTooLong             more rows than one request may carry
├── ModelError
│   ├── BundleRefused        a bundle is damaged or is not what its manifest says
│   ├── PromotionFailed      a good bundle cannot be made the one that serves
│   └── NoModel              no bundle is promoted, or none could be loaded yet
├── StoreError
│   ├── StoreUnavailable     locked, full, unreadable: try again later
│   └── StoreIncompatible    the file is not a store of this program
├── ChildError
│   ├── ChildFailed          a child program ended badly or did not say what it should
│   └── ChildTimedOut        a child program did not end in time
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


class TelemetryRefused(CidpError):
    """The bytes are not valid telemetry; `details` has one entry per refused field."""

    def __init__(self, details: list[FieldError]) -> None:
        super().__init__(" ; ".join(f"{d['field']} : {d['message']}" for d in details))
        self.details = details


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


class ChildError(CidpError):
    """A child program did not do its work."""


class ChildFailed(ChildError):
    """A child program ended badly, or printed something else than its document."""


class ChildTimedOut(ChildError):
    """A child program did not end in time and was stopped."""


class ServerError(CidpError):
    """The HTTP server cannot start."""
