"""Take the dashboard's pictures of the documentation: python docs/screenshots/take_screenshots.py.

Starts the whole platform on free ports, with everything it writes in a temporary folder, and a
second dashboard whose API never answers. Needs a Chromium: on the PATH, or its path in CHROMIUM.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

PICTURES = Path(__file__).parent
SERVICE = PICTURES.parents[1] / "Camrail-Industrial-Data-Platform"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
WIDTH, HEIGHT = 1280, 800


def main() -> int:
    """Take every picture; return the exit code."""
    program = chromium()
    if program is None:
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        with platform() as url:
            take_working(browser, url)
        with silent_api() as api, dashboard(api) as url:
            take_timeout(browser, url)
        browser.close()
    return 0


def chromium() -> str | None:
    """Find a Chromium; say so when there is none."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        sys.stderr.write("Aucun Chromium : donnez son chemin dans la variable CHROMIUM.\n")
    return found


def take_working(browser: Browser, url: str) -> None:
    """Picture the starting position, then the danger of the piloting scenario."""
    page = open_page(browser, url)
    expect(page.get_by_text("OPÉRATION NOMINALE")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("À jour")).to_be_visible(timeout=30_000)
    save(page, "01_cidp_dashboard_vue_generale.png")
    for label, presses in (("Vibrations", 50), ("Température", 40)):
        for _ in range(presses):
            page.get_by_role("slider", name=label).press("ArrowRight")
    expect(page.get_by_text("DANGER DÉTECTÉ")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("85 °C")).to_be_visible(timeout=30_000)
    save(page, "02_cidp_dashboard_alerte_danger.png")


def take_timeout(browser: Browser, url: str) -> None:
    """Picture what stands on the screen when the API does not answer in time."""
    page = open_page(browser, url)
    expect(page.get_by_role("heading", name="API trop lente")).to_be_visible(timeout=30_000)
    save(page, "09_cidp_dashboard_error_timeout.png")


def open_page(browser: Browser, url: str) -> Page:
    """Open the dashboard as a French operator sees it."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, locale="fr-FR")
    page.goto(url)
    return page


def save(page: Page, name: str) -> None:
    """Write one picture beside this script, once the page has come to rest."""
    page.mouse.move(0, 0)
    expect(page.get_by_role("slider")).to_have_count(4, timeout=10_000)
    expect(page.get_by_text("500 L/min")).to_be_visible(timeout=10_000)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=10_000)
    page.screenshot(path=PICTURES / name, animations="disabled")
    sys.stdout.write(f"{name}\n")


@contextlib.contextmanager
def platform() -> Iterator[str]:
    """Run the platform and yield the dashboard's address once all of it is up."""
    api, port = free_port(), free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        written = {
            "CAMRAIL_MODELS_DIR": "models",
            "CAMRAIL_EVENT_STORE": "events.sqlite",
            "CAMRAIL_LOGS_DIR": "logs",
            "DPA_DWH": "dwh.sqlite",
            "DPA_REPORT": "rapport.xlsx",
            "DPA_LOG_DIR": "logs",
        }
        environ = {name: str(Path(folder, value)) for name, value in written.items()}
        environ |= {"API_PORT": str(api), "DASHBOARD_PORT": str(port), "PYTHONUTF8": "1"}
        with child(["run_platform.py"], environ) as process:
            wait_for_line(process, "Journaux")
            yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def dashboard(api: str) -> Iterator[str]:
    """Run a dashboard alone, in front of the API at `api`."""
    port = free_port()
    flags = ["--server.headless", "true", "--server.port", str(port)]
    command = ["-m", "streamlit", "run", "dashboard/app.py", *flags]
    with child(command, {"API_URL": api, "PYTHONUNBUFFERED": "1"}) as process:
        wait_for_line(process, "URL:")
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def silent_api() -> Iterator[str]:
    """Listen, and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def child(command: list[str], environ: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Run one of the service's programs until the block ends."""
    with subprocess.Popen(  # noqa: S603 - our own programs
        [sys.executable, *command],
        cwd=SERVICE,
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=30)


def wait_for_line(process: "subprocess.Popen[str]", part: str) -> None:
    """Read what a child prints until a line holds `part`."""
    if not process.stdout or not any(part in line for line in process.stdout):
        raise SystemExit(f"« {part} » attendu : le programme s'est arrêté avant.")


def free_port() -> int:
    """Return a port that nobody listens to now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
