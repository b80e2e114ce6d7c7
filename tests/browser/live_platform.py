"""What tests send to a running API and ask of it, and what axe finds on a page."""

import datetime as dt
from typing import Any

import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from cidp.auth import DEMO_KEY

KEY = {"X-API-KEY": DEMO_KEY}


def send(api: str, loco_id: str, vibration: float, temperature: float, count: int = 1) -> None:
    """Send `count` readings of a locomotive, a second apart, the last of them now."""
    now = dt.datetime.now(dt.UTC)
    readings = [
        {
            "loco_id": loco_id,
            "timestamp": (now - dt.timedelta(seconds=ago)).isoformat(),
            "flow_rate": 500.0,
            "pressure": 5.0,
            "vibration": vibration,
            "temperature": temperature,
        }
        for ago in reversed(range(count))
    ]
    url = f"{api}/telemetry"
    requests.post(url, json=readings, headers=KEY, timeout=240).raise_for_status()


def send_danger(api: str, loco_id: str) -> None:
    """Send enough readings for an alert to open."""
    send(api, loco_id, 12.0, 110.0, count=5)


def alert_of(api: str, loco_id: str) -> dict[str, Any]:
    """Return the newest alert of a locomotive."""
    query = {"loco_id": loco_id, "limit": "1"}
    answer = requests.get(f"{api}/alerts", query, headers=KEY, timeout=240)
    answer.raise_for_status()
    (alert,) = answer.json()["alerts"]
    found: dict[str, Any] = alert
    return found


def obstacles(page: Page) -> list[tuple[str, Any, str]]:
    """Return what seriously hinders assistive technology and lasts: rule, place and code.

    Streamlit fades what it is about to draw anew: a busy machine shows pale text for a while.
    """
    for _ in range(10):
        expect(page.locator("[data-stale=true]")).to_have_count(0)
        if not (found := _obstacles(page)):
            break
        page.wait_for_timeout(1000)
    return found


def _obstacles(page: Page) -> list[tuple[str, Any, str]]:
    return [
        (violation["id"], node["target"], node["html"][:200])
        for violation in Axe().run(page).response["violations"]
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]
