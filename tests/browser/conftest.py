"""A real API and a real dashboard on free ports, and a Chromium in front of them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from launched import PATIENCE_S, SERVICE, Server, running
from loopback import free_port
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

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
PATIENCE_MS = 1000 * PATIENCE_S

Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of a platform that leaves nothing in the work tree."""
    folder = tmp_path_factory.mktemp("platform")
    written = {
        "CAMRAIL_MODELS_DIR": "models",
        "CAMRAIL_EVENT_STORE": "events.sqlite",
        "CAMRAIL_LOGS_DIR": "logs",
        "CAMRAIL_JOBS_DIR": "jobs",
        "DPA_DWH": "dwh.sqlite",
        "DPA_REPORT": "reports/rapport_supply_chain.xlsx",
        "DPA_LOG_DIR": "logs",
    }
    places = {name: str(folder / place) for name, place in written.items()}
    return os.environ | places | {"API_PORT": str(free_port())}


@pytest.fixture(scope="session")
def api(environ: dict[str, str]) -> Iterator[Server]:
    """The API with a model that the real trainer has made; who stops it starts it again."""
    command = [sys.executable, str(SERVICE / "bootstrap_local.py"), "--slot", "instant"]
    subprocess.run(command, env=environ, check=True, capture_output=True, timeout=900)
    url = f"http://127.0.0.1:{environ['API_PORT']}/ready"
    with running(Server(["api/api.py"], environ, url)) as server:
        yield server


@pytest.fixture(scope="session")
def dashboard_url(environ: dict[str, str], api: Server) -> Iterator[str]:
    """Address of a dashboard started as the user guide says."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    flags = ["--server.headless", "true", "--server.port", str(port)]
    command = ["-m", "streamlit", "run", "dashboard/app.py", *flags]
    with running(Server(command, environ, f"{url}/_stcore/health")):
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium: CHROMIUM, or one on the PATH.

    Playwright keeps an event loop running meanwhile, beside which later modules could run no other.
    """
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("aucun Chromium : donnez son chemin dans CHROMIUM")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS, timeout=PATIENCE_MS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, dashboard_url: str) -> Iterator[Visit]:
    """Open a page of the dashboard, in an English browser of its own, once it has been drawn."""
    contexts: list[BrowserContext] = []

    def go(path: str = "") -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(f"{dashboard_url}/{path}")
        drawn(page)
        return page

    yield go
    for context in contexts:
        context.close()


def drawn(page: Page) -> None:
    """Wait until the strip is there and nothing is still to be drawn."""
    expect(
        page.get_by_text("heure de Douala").or_(page.get_by_text("Démarrez le")).first
    ).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
