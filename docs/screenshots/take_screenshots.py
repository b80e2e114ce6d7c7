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
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright

PICTURES = Path(__file__).parent
SERVICE = PICTURES.parents[1] / "Camrail-Industrial-Data-Platform"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
WIDTH, HEIGHT = 1280, 800
PATIENCE_MS = 120_000
KEY = os.environ.get("API_KEY") or "entreprise_secret_key_2026"
PAGES = {
    "cidp_flotte.png": "flotte?loco=LOCO_007&serie=R%C3%A9elle&periode=15+min",
    "cidp_alertes.png": "alertes?alerte=1",
    "cidp_logistique.png": "logistique",
    "cidp_modele.png": "modele",
    "cidp_systeme.png": "systeme",
}
# The same size and drawings for a second: charts and tables have been drawn to the new size.
SETTLED = """() => {
  const now = document.querySelector("[data-testid=stMain]").scrollHeight
    + ":" + document.querySelectorAll("canvas, svg").length;
  if (window.seen !== now) { window.seen = now; window.since = performance.now(); }
  const pale = document.querySelector("[data-stale=true]");
  return performance.now() - window.since > 1000 && !pale;
}"""


def main() -> int:
    """Take every picture; return the exit code."""
    program = chromium()
    if program is None:
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        with platform() as (api, url):
            take_working(browser, url)
            take_pages(browser, api, url)
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
    expect(page.get_by_text("OPÉRATION NOMINALE")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("À jour")).to_be_visible(timeout=PATIENCE_MS)
    save(page, "01_cidp_dashboard_vue_generale.png")
    page = open_page(browser, f"{url}/?vibration=7.0&temperature=85.0")
    expect(page.get_by_text("DANGER DÉTECTÉ")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("À jour")).to_be_visible(timeout=PATIENCE_MS)
    save(page, "02_cidp_dashboard_alerte_danger.png")


def take_timeout(browser: Browser, url: str) -> None:
    """Picture what stands on the screen when the API does not answer in time."""
    page = open_page(browser, url)
    expect(page.get_by_role("heading", name="API trop lente")).to_be_visible(timeout=PATIENCE_MS)
    save(page, "09_cidp_dashboard_error_timeout.png")


def take_pages(browser: Browser, api: str, url: str) -> None:
    """Picture every other page, with two locomotives in danger."""
    for loco_id, vibration, temperature in (("LOCO_007", 9.5, 88.0), ("LOCO_012", 3.4, 97.0)):
        send_danger(api, loco_id, vibration, temperature)
    for name, path in PAGES.items():
        page = open_page(browser, f"{url}/{path}")
        expect(page.get_by_text("heure de Douala").first).to_be_visible(timeout=PATIENCE_MS)
        save(page, name)


def send_danger(api: str, loco_id: str, vibration: float, temperature: float) -> None:
    """Send five readings of a locomotive that is about to fail, the last of them now."""
    now = datetime.now(UTC)
    events = [
        {
            "loco_id": loco_id,
            "timestamp": (now - timedelta(seconds=10 * (4 - n))).isoformat(),
            "flow_rate": 470.0 - n,
            "pressure": 4.8,
            "vibration": vibration + n / 10,
            "temperature": temperature + n,
        }
        for n in range(5)
    ]
    headers = {"X-API-KEY": KEY}
    requests.post(f"{api}/telemetry", json=events, headers=headers, timeout=10).raise_for_status()


def open_page(browser: Browser, url: str) -> Page:
    """Open the dashboard as a French operator sees it."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, locale="fr-FR")
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    return page


def save(page: Page, name: str) -> None:
    """Write one picture beside this script, whole, once the page has come to rest."""
    page.mouse.move(0, 0)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=PATIENCE_MS)
    height = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight")
    page.set_viewport_size({"width": WIDTH, "height": max(HEIGHT, int(height) + 1)})
    page.wait_for_function(SETTLED, timeout=PATIENCE_MS)
    page.screenshot(path=PICTURES / name, animations="disabled")
    sys.stdout.write(f"{name}\n")


@contextlib.contextmanager
def platform() -> Iterator[tuple[str, str]]:
    """Run the platform and yield the addresses of API and dashboard once all of it is up."""
    api, port = free_port(), free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        written = {
            "CAMRAIL_MODELS_DIR": "models",
            "CAMRAIL_EVENT_STORE": "events.sqlite",
            "CAMRAIL_LOGS_DIR": "logs",
            "CAMRAIL_JOBS_DIR": "jobs",
            "DPA_DWH": "dwh.sqlite",
            "DPA_REPORT": "reports/rapport_supply_chain.xlsx",
            "DPA_LOG_DIR": "logs",
        }
        environ = {name: str(Path(folder, value)) for name, value in written.items()}
        environ |= {"API_PORT": str(api), "DASHBOARD_PORT": str(port), "PYTHONUTF8": "1"}
        with child(["run_platform.py"], environ) as process:
            wait_for_line(process, "Journaux")
            yield f"http://127.0.0.1:{api}", f"http://127.0.0.1:{port}"


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
