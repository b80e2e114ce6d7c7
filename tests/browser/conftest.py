"""A real API and a real dashboard on free ports, and a Chromium in front of them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from launched import SERVICE, Server
from loopback import free_port
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of a platform that leaves nothing in the work tree."""
    folder = tmp_path_factory.mktemp("platform")
    return os.environ | {
        "API_PORT": str(free_port()),
        "CAMRAIL_MODELS_DIR": str(folder / "models"),
        "CAMRAIL_EVENT_STORE": str(folder / "events.sqlite"),
        "CAMRAIL_LOGS_DIR": str(folder / "logs"),
    }


@pytest.fixture(scope="session")
def bootstrapped(environ: dict[str, str]) -> dict[str, str]:
    """The same settings, once the real trainer has made the model."""
    command = [sys.executable, str(SERVICE / "bootstrap_local.py"), "--slot", "instant"]
    subprocess.run(command, env=environ, check=True, capture_output=True, timeout=300)
    return environ


@pytest.fixture
def api(bootstrapped: dict[str, str]) -> Iterator[Server]:
    port = bootstrapped["API_PORT"]
    server = Server(["api/api.py"], bootstrapped, f"http://127.0.0.1:{port}/ready")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def dashboard_url(environ: dict[str, str]) -> Iterator[str]:
    """Address of a dashboard started as the user guide says."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    flags = ["--server.headless", "true", "--server.port", str(port)]
    command = ["-m", "streamlit", "run", "dashboard/app.py", *flags]
    server = Server(command, environ, f"{url}/_stcore/health")
    server.start()
    yield url
    server.stop()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium: CHROMIUM, or one on the PATH."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    return found or pytest.skip("aucun Chromium : donnez son chemin dans CHROMIUM")


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, api: Server, dashboard_url: str) -> Page:
    """The dashboard in an English browser, once it shows a result."""
    page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-US")
    page.goto(dashboard_url)
    page.get_by_text("OPÉRATION NOMINALE").wait_for(timeout=30_000)
    return page


@pytest.fixture
def move(page: Page) -> Callable[[str, str, int], None]:
    """Press a key on a slider, found by the start of its label, a number of times."""

    def press(label: str, key: str, times: int) -> None:
        slider = page.get_by_role("slider", name=label)
        for _ in range(times):
            slider.press(key)

    return press
