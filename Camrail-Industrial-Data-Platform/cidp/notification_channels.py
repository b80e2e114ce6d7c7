"""The ways to tell people of an alert: e-mail and webhook."""

import smtplib
import ssl
from email.message import EmailMessage
from typing import Protocol

import requests
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import RequestException
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from cidp.alert_desk import Alert
from cidp.errors import NotConfirmed, NotDelivered, NotificationError
from cidp.event_store import utc_text
from cidp.settings import NotificationSettings
from cidp.telemetry import LABELS, UNITS

TIMEOUT_S = 10.0
_TRY_AGAIN = frozenset({408, 425, 429})


class Sender(Protocol):
    """Tells one alert.

    Raises `NotDelivered` when the message surely did not arrive, `NotConfirmed` when nobody knows
    or when trying again would not help.
    """

    def __call__(self, alert: Alert) -> None: ...


def alert_text(alert: Alert) -> str:
    """Say in French, on a few lines, what an alert is about."""
    simulated = " (données simulées)" if alert.series == "simulated" else ""
    unit, label = UNITS[alert.cause], LABELS[alert.cause]
    value = f"{alert.readings[alert.cause]:.6g}".replace(".", ",")
    risk = f"{100 * alert.probability:.1f}".replace(".", ",")
    return (
        f"Alerte {alert.id} : {alert.loco_id}{simulated}\n"
        f"Cause principale : {label} {value} {unit}\n"
        f"Risque : {risk} %\n"
        f"Lecture du {utc_text(alert.opened_at)} (UTC), modèle {alert.model_version}\n"
    )


class EmailSender:
    """Sends by the SMTP server of the settings; a refused recipient is a message not delivered."""

    def __init__(self, settings: NotificationSettings, password: str) -> None:
        self._settings = settings
        self._password = password

    def __call__(self, alert: Alert) -> None:
        settings = self._settings
        message = EmailMessage()
        message["Subject"] = f"[CAMRAIL] Alerte {alert.loco_id} : {LABELS[alert.cause]}"
        message["From"] = settings.email_from
        message["To"] = settings.email_to
        message["Message-ID"] = f"<alerte-{alert.id}@camrail>"
        message.set_content(alert_text(alert))
        try:
            server = self._connected()
        except (OSError, smtplib.SMTPException) as error:
            raise NotDelivered(f"serveur de courriel injoignable : {_told(error)}") from error
        with server:
            _hand_over(server, message)

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_S)
        try:
            if settings.smtp_starttls:
                server.starttls(context=ssl.create_default_context())
            if settings.smtp_user:
                server.login(settings.smtp_user, self._password)
        except (OSError, smtplib.SMTPException):
            server.close()
            raise
        return server


def _hand_over(server: smtplib.SMTP, message: EmailMessage) -> None:
    try:
        server.send_message(message)
    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as error:
        raise NotDelivered(f"courriel refusé : {_told(error)}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise NotConfirmed(f"envoi du courriel interrompu : {_told(error)}") from error


class WebhookSender:
    """Posts JSON to an address, with a key by which a receiver may tell a repetition."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, alert: Alert) -> None:
        try:
            answer = requests.post(
                self._url,
                json=webhook_body(alert),
                headers={"Idempotency-Key": f"camrail-alert-{alert.id}"},
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
        except RequestException as error:
            raise _webhook_failure(error) from error
        if answer.status_code >= 500 or answer.status_code in _TRY_AGAIN:
            raise NotDelivered(f"le webhook répond {answer.status_code}")
        if not answer.ok or answer.is_redirect:
            raise NotConfirmed(f"le webhook refuse ({answer.status_code}) : vérifiez son adresse")


def webhook_body(alert: Alert) -> dict[str, object]:
    """What a webhook gets."""
    return {
        "event": "alert_opened",
        "text": alert_text(alert),
        "alert_id": alert.id,
        "series": alert.series,
        "loco_id": alert.loco_id,
        "cause": alert.cause,
        "opened_at": utc_text(alert.opened_at),
        "risk_probability": round(alert.probability, 4),
        "readings": alert.readings,
    }


def _webhook_failure(error: RequestException) -> NotificationError:
    """Tell a connection that never was from one that broke; the address may hold a secret."""
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    if isinstance(error, NoConnection) and isinstance(
        reason, NewConnectionError | NameResolutionError
    ):
        return NotDelivered("webhook injoignable")
    return NotConfirmed(f"appel du webhook interrompu ({type(error).__name__})")


def _told(error: Exception) -> str:
    """Repeat what a mail server said, on one short line."""
    return " ".join(str(error).split())[:200]
