"""E-mail and webhook: what surely did not arrive is told from what may have arrived."""

import json
import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from loopback import free_port
from stores import NOON

from cidp import notification_channels
from cidp.alert_desk import Alert
from cidp.errors import NotConfirmed, NotDelivered
from cidp.notification_channels import EmailSender, WebhookSender
from cidp.settings import NotificationSettings

ALERT = Alert(
    7,
    "real",
    "LOCO_001",
    "vibration",
    "new",
    NOON,
    "kafka",
    {"flow_rate": 500, "pressure": 5, "vibration": 9.25, "temperature": 45},
    0.9312,
    0.95,
    "v1",
    None,
    None,
    None,
    [],
)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for servers of this process for minutes: it may be kept from answering."""
    monkeypatch.setattr(notification_channels, "TIMEOUT_S", 240.0)


class Mailbox:
    """A mail server that keeps what it gets, and answers the body of a message with `answer`."""

    def __init__(self) -> None:
        self.answer = "250 OK"
        self.messages: list[Message] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.messages.append(message_from_bytes(envelope.content or b"", policy=default))  # type: ignore[arg-type]
        return self.answer


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, NotificationSettings]]:
    box, port = Mailbox(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port, ready_timeout=120)
    controller.start()
    yield box, mail_settings(port)
    controller.stop()


def mail_settings(port: int, **changes: Any) -> NotificationSettings:
    return NotificationSettings(
        smtp_host="127.0.0.1",
        smtp_port=port,
        smtp_starttls=False,
        email_from="camrail@example.org",
        email_to="chef@example.org, astreinte@example.org",
        **changes,
    )


def test_an_email_says_what_happened(mailbox: tuple[Mailbox, NotificationSettings]) -> None:
    box, settings = mailbox
    EmailSender(settings, "")(ALERT)
    (message,) = box.messages
    assert message["Subject"] == "[CAMRAIL] Alerte LOCO_001 : vibration"
    assert message["To"] == "chef@example.org, astreinte@example.org"
    text = message.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert text.decode().splitlines() == [
        "Alerte 7 : LOCO_001",
        "Cause principale : vibration 9,25 mm/s",
        "Risque : 93,1 %",
        "Lecture du 2026-03-01T12:00:00.000000Z (UTC), modèle v1",
    ]


@pytest.mark.parametrize("answer", ["451 later", "554 no"])
def test_an_email_that_is_refused_did_not_arrive(
    mailbox: tuple[Mailbox, NotificationSettings], answer: str
) -> None:
    box, settings = mailbox
    box.answer = answer
    with pytest.raises(NotDelivered, match=answer[:3]):
        EmailSender(settings, "")(ALERT)


def test_a_mail_server_that_is_away_got_nothing() -> None:
    with pytest.raises(NotDelivered, match="injoignable"):
        EmailSender(mail_settings(free_port()), "")(ALERT)


def test_no_password_is_sent_to_a_server_that_cannot_encrypt(
    mailbox: tuple[Mailbox, NotificationSettings],
) -> None:
    box, settings = mailbox
    careful = settings.model_copy(update={"smtp_starttls": True, "smtp_user": "camrail"})
    with pytest.raises(NotDelivered):
        EmailSender(careful, "hidden")(ALERT)
    assert box.messages == []


class Hook(BaseHTTPRequestHandler):
    """Keeps what it is posted and answers with the server's `status`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.headers["Idempotency-Key"], json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[Any]:
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.status, server.received = 204, []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def sender_to(server: Any) -> WebhookSender:
    return WebhookSender(f"http://127.0.0.1:{server.server_port}/hook?token=hidden")


def test_a_webhook_gets_the_alert_and_a_key_of_its_own(hook: Any) -> None:
    sender_to(hook)(ALERT)
    ((key, body),) = hook.received
    assert key == "camrail-alert-7"
    assert (body["loco_id"], body["cause"], body["risk_probability"]) == (
        "LOCO_001",
        "vibration",
        0.9312,
    )


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_webhook_that_is_overloaded_is_tried_again(hook: Any, status: int) -> None:
    hook.status = status
    with pytest.raises(NotDelivered, match=str(status)):
        sender_to(hook)(ALERT)


@pytest.mark.parametrize("status", [302, 400, 404])
def test_a_webhook_that_refuses_is_not_tried_again(hook: Any, status: int) -> None:
    hook.status = status
    with pytest.raises(NotConfirmed, match=str(status)):
        sender_to(hook)(ALERT)
    assert len(hook.received) == 1


def test_a_webhook_that_is_away_got_nothing_and_its_address_stays_secret() -> None:
    with pytest.raises(NotDelivered) as refused:
        WebhookSender(f"http://127.0.0.1:{free_port()}/?token=hidden")(ALERT)
    assert "hidden" not in str(refused.value)


def test_a_connection_that_breaks_leaves_the_question_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(65_536)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(NotConfirmed) as refused:
            WebhookSender(f"http://127.0.0.1:{listener.getsockname()[1]}/?token=hidden")(ALERT)
        thread.join()
    assert "hidden" not in str(refused.value)
