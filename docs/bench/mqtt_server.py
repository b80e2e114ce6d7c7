"""A Mosquitto of our own on a free loopback port."""

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from broker_server import BrokerServer
from loopback import free_port

_SETTINGS: Final = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
max_queued_messages 0
max_inflight_messages {inflight}
user {user}
log_dest none
"""
START_S: Final = 240.0


def why_absent() -> str | None:
    """Tell what is missing to run Mosquitto here, or None."""
    return None if program() else "no mosquitto on the PATH"


def program() -> str | None:
    """Find Mosquitto, which Debian keeps among the programs of administrators."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class MqttServer(BrokerServer):
    """Keeps its sessions in `folder`; may be stopped and started again on the same port."""

    def __init__(self, folder: Path, inflight: int = 20) -> None:
        super().__init__()
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._config = folder / "mosquitto.conf"
        user = folder.owner()
        self._config.write_text(
            _SETTINGS.format(port=self.port, folder=folder, inflight=inflight, user=user),
            encoding="utf-8",
        )

    def start(self) -> None:
        """Start and wait until it listens."""
        self._process = subprocess.Popen(
            [program() or "mosquitto", "-c", str(self._config)], stderr=subprocess.DEVNULL
        )
        deadline_s = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    raise RuntimeError("Mosquitto does not start") from None
                time.sleep(0.05)
            else:
                return
