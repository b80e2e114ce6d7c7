"""An API and a dashboard beside a stream, asked without end while something is away."""

import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import requests
from loopback import free_port
from measuring import PLATFORM
from stream_desk import PATIENCE_S, end

POLL_S: Final = 0.5
SLOWEST_S: Final = 30.0
UNAVAILABLE: Final = "Base d’événements indisponible"
"""What the strip of the dashboard says of a store that is away."""
STALE: Final = "PÉRIMÉ"
"""What it says of a store that answers and gets no more events."""

_STRIP: Final = """
import sys
from streamlit.testing.v1 import AppTest
screen = AppTest.from_file("dashboard/app.py", default_timeout=60).run()
sys.stdout.write("\\n".join(str(text.value) for text in screen.markdown))
sys.stdout.write("\\nEXCEPTIONS %d" % len(screen.exception))
"""


class Witness:
    """Runs both with the variables of a desk; what each answers is counted until the block ends."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        api, dashboard = free_port(), free_port()
        self._api, self._dashboard = f"http://127.0.0.1:{api}", f"http://127.0.0.1:{dashboard}"
        self._environ = dict(environ) | {
            "API_PORT": str(api),
            "API_URL": self._api,
            "STREAMLIT_SERVER_ADDRESS": "127.0.0.1",
            "STREAMLIT_SERVER_PORT": str(dashboard),
            "STREAMLIT_SERVER_HEADLESS": "true",
        }
        self._environ.pop("API_KEY", None)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._over = threading.Event()
        self._asking = threading.Thread(target=self._ask)
        self.asked = 0
        self.unanswered: list[str] = []
        self.told_missing = 0

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _start(self) -> None:
        for program in (["api/api.py"], ["-m", "streamlit", "run", "dashboard/app.py"]):
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, *program],
                    cwd=PLATFORM,
                    env=self._environ,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        began_s = time.monotonic()
        while not (self._in_order() and self._is_up()):
            if time.monotonic() - began_s > PATIENCE_S:
                raise TimeoutError("the API or the dashboard never answered")
            time.sleep(0.2)
        self._asking.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._asking.ident:
            self._asking.join()
        for process in self._processes:
            end(process)

    @property
    def lives(self) -> bool:
        """Whether neither of them has ended."""
        return all(process.poll() is None for process in self._processes)

    def says(self, text: str, seconds: float = PATIENCE_S) -> bool:
        """Draw the first page of the dashboard until its strip holds a text."""
        until_s = time.monotonic() + seconds
        while not self._draws(text):
            if time.monotonic() > until_s:
                return False
        return True

    def _draws(self, text: str) -> bool:
        drawn = subprocess.run(
            [sys.executable, "-c", _STRIP],
            cwd=PLATFORM,
            env=self._environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        return text in drawn.stdout and drawn.stdout.endswith("EXCEPTIONS 0")

    def recovers(self, seconds: float = PATIENCE_S) -> bool:
        """Wait until the API is ready again."""
        until_s = time.monotonic() + seconds
        while not self._in_order():
            if time.monotonic() > until_s:
                return False
            time.sleep(0.2)
        return True

    def found(self) -> dict[str, Any]:
        """Tell what was asked and answered."""
        return {
            "asked": self.asked,
            "unanswered": len(self.unanswered),
            "told_missing": self.told_missing,
        }

    def _ask(self) -> None:
        while not self._over.wait(POLL_S):
            try:
                if requests.get(f"{self._api}/health", timeout=SLOWEST_S).status_code != 200:
                    self.unanswered.append("/health")
                answer = self._ready()
                if answer is None:
                    self.unanswered.append("/ready")
                else:
                    self.told_missing += answer["status"] != "ready" or answer["source"]["stale"]
                if not self._is_up():
                    self.unanswered.append("dashboard")
            except requests.RequestException as error:
                self.unanswered.append(str(error))
            self.asked += 1

    def _in_order(self) -> bool:
        answer = self._ready()
        return answer is not None and answer["status"] == "ready"

    def _ready(self) -> dict[str, Any] | None:
        """What `/ready` says, whatever its code; None where nobody answers."""
        try:
            answer = requests.get(f"{self._api}/ready", timeout=SLOWEST_S)
            said: dict[str, Any] = answer.json()
        except (requests.ConnectionError, requests.Timeout, ValueError):
            return None
        return said if answer.ok == (said["status"] == "ready") else None

    def _is_up(self) -> bool:
        try:
            return requests.get(f"{self._dashboard}/_stcore/health", timeout=SLOWEST_S).ok
        except (requests.ConnectionError, requests.Timeout):
            return False
