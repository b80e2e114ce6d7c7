"""How MQTT is spoken to: the broker's address, its clients, and whether it answers."""

import socket
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from cidp.errors import SettingsError, StreamError
from cidp.settings import MQTT_PASSWORD, Settings

KEEPALIVE_S = 30
_REMEDY = "écrivez mqtt://compte@hôte:1883, ou mqtts:// pour TLS, le mot de passe dans"


class MqttAddress(NamedTuple):
    """Where a broker listens, whether with TLS, and as whom to log in."""

    host: str
    port: int
    tls: bool
    user: str | None

    @classmethod
    def parse(cls, url: str) -> "MqttAddress":
        """Read `mqtt://account@host:port` or `mqtts://…`; raises `SettingsError`."""
        wrong = SettingsError(f"CAMRAIL_MQTT : adresse illisible ; {_REMEDY} {MQTT_PASSWORD}.")
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError:
            raise wrong from None
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.password:
            raise wrong
        tls = parts.scheme == "mqtts"
        user = unquote(parts.username) if parts.username else None
        return cls(parts.hostname, port or (8883 if tls else 1883), tls, user)

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def mqtt_address(settings: Settings) -> MqttAddress:
    """Return the broker's address; raises `SettingsError` where there is none."""
    if not settings.mqtt.url.strip():
        raise SettingsError("MQTT n'est pas réglé : posez CAMRAIL_MQTT=mqtt://hôte:1883.")
    return MqttAddress.parse(settings.mqtt.url)


def persistent_client(settings: Settings) -> Client:
    """Return a client whose session the broker keeps, and that acknowledges by hand.

    Raises `SettingsError` without a password, `StreamError` for a certificate that cannot be read.
    """
    address, mqtt = mqtt_address(settings), settings.mqtt
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=mqtt.client_id,
        clean_session=False,
        manual_ack=True,
    )
    if address.user:
        if MQTT_PASSWORD not in settings.secrets:
            raise SettingsError(f"MQTT : le compte {address.user} demande {MQTT_PASSWORD}.")
        client.username_pw_set(address.user, settings.secrets[MQTT_PASSWORD])
    if address.tls:
        try:
            client.tls_set(str(mqtt.ca_file) if mqtt.ca_file else None)
        except OSError as error:
            raise StreamError(f"mqtt.ca_file inutilisable ({error.strerror}).") from error
    client.reconnect_delay_set(1, 5)
    client.connect_async(address.host, address.port, KEEPALIVE_S)
    return client


def mqtt_answers(settings: Settings, timeout_s: float) -> bool:
    """Tell whether something listens at the broker's address."""
    address = mqtt_address(settings)
    try:
        with socket.create_connection((address.host, address.port), timeout_s):
            return True
    except OSError:
        return False
