"""Measures the dashboard in a browser, and writes dashboard.md.

Needs the root requirements and a Chromium: on the PATH, or its path in CHROMIUM.
"""

import argparse
import datetime as dt
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

import psutil
import requests
from bench_page import Target, machine, targets_table
from measuring import HERE, PLATFORM, environment, say
from playwright.sync_api import Browser, Page, expect, sync_playwright

Found = dict[str, Any]
KEY: Final = {"X-API-KEY": "cle-du-banc-d-essai"}
PACKAGES: Final = ("streamlit", "altair", "playwright")
NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS: Final = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
PAGES: Final = ("", "flotte", "alertes", "logistique", "modele", "systeme")
PATIENCE_MS: Final = 60_000
REFRESHES: Final = 2_000
NOMINAL, DANGER = "OPÉRATION NOMINALE", "DANGER DÉTECTÉ"
INTRODUCTION: Final = """# The dashboard in a browser

Made by `docs/bench/dashboard.py`; raw figures in `dashboard.json`. API, dashboard and Chromium
share the machine's cores.

- *Move*: a key moves the vibrations slider from one end to the other; the clock stops when the
  banner has changed. Every move asks `/predict?explain=1`, and once the banner stands the risk
  map's 441 readings.
- *Page ready*: a new browser session opens a page; the clock stops when it is drawn, without a
  placeholder left.
- *Soak*: one browser keeps the fleet page open while every locomotive sends readings; the page
  renews itself every 0.2 s instead of 2 s, to have its renewals sooner. Growth is from a tenth of
  the way on, when everything has been loaded."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--openings", type=int, default=5)
    parser.add_argument("--refreshes", type=int, default=REFRESHES)
    parser.add_argument("--locomotives", type=int, default=200)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--only", default="moves,openings,soak", help="sections, by commas")
    chosen = parser.parse_args(argv)
    results = chosen.out / "dashboard.json"
    found: Found = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    with platform() as (api, process, url), a_browser() as browser:
        send(api, chosen.locomotives)
        for name in chosen.only.split(","):
            say(name)
            load = psutil.getloadavg()[1]
            if name == "moves":
                found[name] = {"ms": measured_moves(browser, url, chosen.moves)}
            elif name == "openings":
                found[name] = {"s": measured_openings(browser, url, chosen.openings)}
            else:
                found[name] = soak(browser, url, api, process, chosen.refreshes, chosen.locomotives)
            found[name]["load"] = load
            results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (chosen.out / "dashboard.md").write_text(page(found), encoding="utf-8")
    return 0


@contextmanager
def platform() -> Iterator[tuple[str, psutil.Process, str]]:
    """Run an API with a model and the dashboard; give the API's address, and the dashboard."""
    api, port = free_port(), free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        places = {
            "MODELS_DIR": "models",
            "EVENT_STORE": "e.sqlite",
            "LOGS_DIR": "l",
            "JOBS_DIR": "j",
        }
        environ = environment() | {
            f"CAMRAIL_{name}": str(Path(folder, place)) for name, place in places.items()
        }
        environ |= {"API_PORT": str(api), "API_KEY": KEY["X-API-KEY"]}
        say("bootstrap")
        command = [sys.executable, "bootstrap_local.py", "--slot", "instant"]
        subprocess.run(command, cwd=PLATFORM, env=environ, check=True, capture_output=True)
        app = str(HERE / "peers" / "fast_dashboard.py")
        flags = ["--server.headless", "true", "--server.port", str(port)]
        dashboard = ["-m", "streamlit", "run", app, *flags]
        with (
            child(["api/api.py"], environ, f"http://127.0.0.1:{api}/ready"),
            child(dashboard, environ, f"http://127.0.0.1:{port}/_stcore/health") as process,
        ):
            yield f"http://127.0.0.1:{api}", process, f"http://127.0.0.1:{port}"


@contextmanager
def child(command: list[str], environ: dict[str, str], health: str) -> Iterator[psutil.Process]:
    """Run one of our programs until the block ends."""
    say(command[-1])
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        [sys.executable, *command], cwd=PLATFORM, env=environ, stdout=quiet, stderr=quiet
    ) as process:
        try:
            wait_until(lambda: answers(health))
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def answers(url: str) -> bool:
    """Tell whether an address answers with a success."""
    with suppress(requests.RequestException):
        return requests.get(url, timeout=2).ok
    return False


def wait_until(reached: Callable[[], bool], timeout_s: float = 240) -> None:
    """Look again and again until something is so."""
    deadline_s = time.monotonic() + timeout_s
    while not reached():
        if time.monotonic() > deadline_s:
            raise SystemExit("never reached")
        time.sleep(0.05)


@contextmanager
def a_browser() -> Iterator[Browser]:
    """Start a Chromium."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


def opened(browser: Browser, url: str) -> Page:
    """Open a page in a session of its own, and wait until it is drawn."""
    tab = browser.new_context(viewport={"width": 1280, "height": 900}, locale="fr-FR").new_page()
    tab.goto(url)
    expect(tab.get_by_text("heure de Douala").first).to_be_visible()
    expect(tab.get_by_test_id("stSkeleton")).to_have_count(0)
    return tab


def send(api: str, locomotives: int) -> None:
    """Send one reading of every locomotive."""
    now = dt.datetime.now(dt.UTC).isoformat()
    events = [
        {
            "loco_id": f"LOCO_{n:03}", "timestamp": now, "flow_rate": 500.0, "pressure": 5.0,
            "vibration": round(1.5 + n % 7 / 5, 2), "temperature": 40.0 + time.monotonic() % 10,
        }
        for n in range(locomotives)
    ]  # fmt: skip
    requests.post(f"{api}/telemetry", json=events, headers=KEY, timeout=30).raise_for_status()


def measured_moves(browser: Browser, url: str, moves: int) -> list[float]:
    """Move the slider to and fro; give the milliseconds of each move."""
    tab = opened(browser, url)
    slider = tab.get_by_role("slider", name="Vibrations")
    expect(tab.get_by_text(NOMINAL)).to_be_visible()
    took = []
    for number in range(moves):
        key, said = ("Home", NOMINAL) if number % 2 else ("End", DANGER)
        slider.focus()
        began_s = time.perf_counter()
        tab.keyboard.press(key)
        tab.wait_for_function(
            "said => document.querySelector('[data-testid=stAlert]')?.innerText.includes(said)",
            arg=said,
        )
        took.append(1000 * (time.perf_counter() - began_s))
        expect(tab.locator("[data-testid=stApp]")).to_have_attribute(
            "data-test-script-state", "notRunning"
        )
    tab.context.close()
    return took


def measured_openings(browser: Browser, url: str, openings: int) -> dict[str, list[float]]:
    """Open each page as often; give the seconds until it is drawn."""
    took: dict[str, list[float]] = {name: [] for name in PAGES}
    for _ in range(openings):
        for name in PAGES:
            began_s = time.perf_counter()
            tab = opened(browser, f"{url}/{name}")
            took[name].append(time.perf_counter() - began_s)
            tab.context.close()
    return took


def soak(
    browser: Browser, url: str, api: str, process: psutil.Process, refreshes: int, locomotives: int
) -> Found:
    """Keep the fleet page open for a number of renewals, while every locomotive goes on sending."""
    over = threading.Event()

    def feed() -> None:
        while not over.wait(5):
            send(api, locomotives)

    sender = threading.Thread(target=feed)
    sender.start()
    try:
        tab = opened(browser, f"{url}/flotte")
        first, began_s = served(api), time.monotonic()
        memory: list[list[float]] = []
        while (done := served(api) - first) < refreshes:
            memory.append([done, process.memory_info().rss / 2**20])
            tab.wait_for_timeout(2_000)
        memory.append([done, process.memory_info().rss / 2**20])
        exceptions = tab.get_by_test_id("stException").count()
        rows = tab.get_by_test_id("stMetricValue").first.inner_text()
        tab.context.close()
    finally:
        over.set()
        sender.join()
    settled = next(mb for done, mb in memory if done >= refreshes / 10)
    return {
        "refreshes": done,
        "seconds": time.monotonic() - began_s,
        "locomotives": int(rows),
        "exceptions": exceptions,
        "settled_mb": settled,
        "last_mb": memory[-1][1],
        "peak_mb": max(mb for _, mb in memory),
        "memory": memory[:: max(1, len(memory) // 50)],
    }


def served(api: str) -> int:
    """Count the answers to GET /fleet."""
    text = requests.get(f"{api}/metrics", timeout=10).text
    start = 'api_requests_total{method="GET",route="/fleet",status="200"} '
    return int(
        sum(float(line[len(start) :]) for line in text.splitlines() if line.startswith(start))
    )


def free_port() -> int:
    """Return a port that nobody listens to now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def page(found: Found) -> str:
    """Write the whole page, once every section has been measured."""
    moves, openings, soaked = found["moves"]["ms"], found["openings"]["s"], found["soak"]
    centre, p95 = median(moves), quantiles(moves, n=20, method="inclusive")[-1]
    growth = soaked["last_mb"] - soaked["settled_mb"]
    targets = [
        Target("memory growth of the soak", growth, 50, True, "MB"),
        Target("renewals of the soak", soaked["refreshes"], REFRESHES, False, ""),
        Target("exceptions on the page", soaked["exceptions"], 0, True, ""),
    ]
    loads = ", ".join(f"{name} {found[name]['load']:.1f}" for name in ("moves", "openings", "soak"))
    rows = "\n".join(
        f"| `/{name}` | **{median(took):.2f}** ({min(took):.2f} to {max(took):.2f}) | {len(took)} |"
        for name, took in openings.items()
    )
    return f"""{INTRODUCTION}

{machine(PACKAGES)}

Programs that wanted one of these cores in the five minutes before each section: {loads}.

{targets_table(targets)}

## Slider to banner

{len(moves)} moves: median **{centre:.0f} ms**, p95 **{p95:.0f} ms**, most {max(moves):.0f} ms.

## Page ready

| page | seconds: median (least to most) | openings |
| --- | --- | --- |
{rows}

## Soak

{soaked["refreshes"]:,} renewals with {soaked["locomotives"]} locomotives in
{soaked["seconds"]:.0f} s: {soaked["settled_mb"]:.0f} MB once settled, {soaked["last_mb"]:.0f} MB at
the end, {soaked["peak_mb"]:.0f} MB at most.
"""


if __name__ == "__main__":
    sys.exit(main())
