"""Measures the dashboard in a browser, and writes dashboard.md.

Needs the root requirements and a Chromium: on the PATH, or its path in CHROMIUM.
"""

import argparse
import datetime as dt
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import psutil
import requests
from bench_page import Target
from loopback import free_port
from measuring import HERE, PLATFORM, environment, say
from playwright.sync_api import Browser, Locator, expect, sync_playwright
from playwright.sync_api import Page as Tab
from sections import Found, Page, Section

KEY: Final = {"X-API-KEY": "cle-du-banc-d-essai"}
PACKAGES: Final = ("streamlit", "altair", "playwright")
NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS: Final = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
PAGES: Final = ("", "flotte", "alertes", "logistique", "modele", "systeme")
PATIENCE_MS: Final = 60_000
HELD_PRESSES: Final = 60
HELD_EVERY_MS: Final = 30
NOMINAL, DANGER = "OPÉRATION NOMINALE", "DANGER DÉTECTÉ"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the chosen sections, and write the page."""
    parser = PAGE.parser()
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--refreshes", type=int, default=2_000)
    parser.add_argument("--locomotives", type=int, default=200)
    return PAGE.run(parser.parse_args(argv))


@contextmanager
def platform(chosen: argparse.Namespace) -> Iterator[tuple[str, psutil.Process, str]]:
    """Run an API with a fleet and the dashboard; give the API's address, and the dashboard."""
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
            send(f"http://127.0.0.1:{api}", chosen.locomotives)
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


def opened(browser: Browser, url: str) -> Tab:
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


@contextmanager
def vibrations(chosen: argparse.Namespace) -> Iterator[tuple[Tab, Locator]]:
    """Open the first page at its nominal start; give the tab and the slider of the vibrations."""
    with platform(chosen) as (_, _, url), a_browser() as browser:
        tab = opened(browser, url)
        expect(tab.get_by_text(NOMINAL)).to_be_visible()
        yield tab, tab.get_by_role("slider", name="Vibrations")


def measured_moves(chosen: argparse.Namespace) -> Found:
    """Move the slider to and fro; give the milliseconds of each move."""
    took = []
    with vibrations(chosen) as (tab, slider):
        for number in range(chosen.moves):
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
    return {"ms": took}


def measured_held(chosen: argparse.Namespace) -> Found:
    """Hold an arrow key; give the milliseconds from its release until the figure has followed."""
    took = []
    with vibrations(chosen) as (tab, slider):
        slider.focus()
        for number in range(chosen.rounds):
            for _ in range(HELD_PRESSES):
                tab.keyboard.press("ArrowLeft" if number % 2 else "ArrowRight")
                tab.wait_for_timeout(HELD_EVERY_MS)
            began_s = time.perf_counter()
            tab.wait_for_function(
                "said => [...document.querySelectorAll('[data-testid=stMetric]')]"
                ".some(tile => tile.innerText.includes(said))",
                arg=f"{float(slider.input_value()):.1f}".replace(".", ",")
                + "\N{NO-BREAK SPACE}mm/s",
            )
            took.append(1000 * (time.perf_counter() - began_s))
            tab.wait_for_timeout(1_000)
    return {"ms": took}


def measured_openings(chosen: argparse.Namespace) -> Found:
    """Open each page as often; give the seconds until it is drawn."""
    took: dict[str, list[float]] = {name: [] for name in PAGES}
    with platform(chosen) as (_, _, url), a_browser() as browser:
        for _ in range(chosen.rounds):
            for name in PAGES:
                began_s = time.perf_counter()
                tab = opened(browser, f"{url}/{name}")
                took[name].append(time.perf_counter() - began_s)
                tab.context.close()
    return {"s": took}


def soak(chosen: argparse.Namespace) -> Found:
    """Keep the fleet page open for a number of renewals, while every locomotive goes on sending."""
    over = threading.Event()
    with platform(chosen) as (api, process, url), a_browser() as browser:

        def feed() -> None:
            while not over.wait(5):
                send(api, chosen.locomotives)

        sender = threading.Thread(target=feed)
        sender.start()
        try:
            tab = opened(browser, f"{url}/flotte")
            first, began_s = served(api), time.monotonic()
            memory: list[list[float]] = []
            done = 0
            while done < chosen.refreshes:
                tab.wait_for_timeout(2_000)
                done = served(api) - first
                memory.append([done, process.memory_info().rss / 2**20])
            seconds = time.monotonic() - began_s
            exceptions = tab.get_by_test_id("stException").count()
            rows = tab.get_by_test_id("stMetricValue").first.inner_text()
            tab.context.close()
        finally:
            over.set()
            sender.join()
    settled = next(mb for count, mb in memory if count >= chosen.refreshes / 10)
    return {
        "refreshes": done,
        "seconds": seconds,
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


def shown_moves(found: Found) -> str:
    """Sum up the moves."""
    took = found["ms"]
    p95 = quantiles(took, n=20, method="inclusive")[-1]
    return (
        f"{len(took)} moves: median **{median(took):.0f} ms**, p95 **{p95:.0f} ms**, most "
        f"{max(took):.0f} ms."
    )


def shown_held(found: Found) -> str:
    """Sum up the held keys."""
    took = found["ms"]
    return f"{len(took)} times: median **{median(took):.0f} ms**, most {max(took):.0f} ms."


def shown_openings(found: Found) -> str:
    """Tabulate the openings."""
    rows = [
        f"| `/{name}` | **{median(took):.2f}** ({min(took):.2f} to {max(took):.2f}) | {len(took)} |"
        for name, took in found["s"].items()
    ]
    head = ["| page | seconds: median (least to most) | openings |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows])


def shown_soak(found: Found) -> str:
    """Tell how the memory went."""
    return (
        f"{found['refreshes']:,} renewals with {found['locomotives']} locomotives in "
        f"{found['seconds']:.0f} s: {found['settled_mb']:.0f} MB once settled, "
        f"{found['last_mb']:.0f} MB at the end, {found['peak_mb']:.0f} MB at most."
    )


def held_targets(found: Found) -> list[Target]:
    """Give what a person still takes for at once (a second: Nielsen 1993)."""
    return [Target("figure behind a held key, at most", max(found["ms"]), 1_000, True, "ms")]


def soak_targets(found: Found) -> list[Target]:
    """Give what the soak must show."""
    growth = found["last_mb"] - found["settled_mb"]
    return [
        Target("memory growth of the soak", growth, 50, True, "MB"),
        Target("exceptions on the page", found["exceptions"], 0, True, ""),
    ]


PAGE: Final = Page(
    "dashboard",
    """# The dashboard in a browser

Made by `docs/bench/dashboard.py`; raw figures in `dashboard.json`. API, dashboard and Chromium
share the machine's cores.
""",
    PACKAGES,
    {
        "moves": Section(
            "Slider to banner",
            "A key moves the vibrations slider from one end to the other; the clock stops when the "
            "banner has changed. Every move asks `/predict?explain=1`, and once the banner stands "
            "the risk map's 441 readings.",
            measured_moves,
            shown_moves,
        ),
        "held": Section(
            "A key held down",
            f"{HELD_PRESSES} presses of an arrow key, {HELD_EVERY_MS} ms apart as a keyboard "
            "repeats them; the clock runs from the last one until the figure above the sliders "
            "shows where the slider stands.",
            measured_held,
            shown_held,
            held_targets,
        ),
        "openings": Section(
            "Page ready",
            "A new browser session opens a page; the clock stops when it is drawn, without a "
            "placeholder left.",
            measured_openings,
            shown_openings,
        ),
        "soak": Section(
            "Soak",
            "One browser keeps the fleet page open while every locomotive sends readings; the page "
            "renews itself every 0.2 s instead of 2 s, to have its renewals sooner. Growth is from "
            "a tenth of the way on, when everything has been loaded.",
            soak,
            shown_soak,
            soak_targets,
        ),
    },
)


if __name__ == "__main__":
    sys.exit(main())
