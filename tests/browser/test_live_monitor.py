from collections.abc import Callable

import pytest
from launched import Server
from playwright.sync_api import Page, expect

from cidp.auth import DEMO_KEY

pytestmark = pytest.mark.chromium

NOMINAL, DANGER = "OPÉRATION NOMINALE", "DANGER DÉTECTÉ"
Move = Callable[[str, str, int], None]


def test_the_piloting_scenario_by_keyboard(page: Page, move: Move) -> None:
    vibration = page.get_by_role("slider", name="Vibrations")
    temperature = page.get_by_role("slider", name="Température")
    move("Vibrations", "ArrowRight", 50)
    expect(vibration).to_have_value("7")
    move("Température", "ArrowRight", 40)
    expect(temperature).to_have_value("85")
    expect(page.get_by_text(DANGER)).to_be_visible(timeout=10_000)
    expect(page.get_by_text(NOMINAL)).to_have_count(0)
    expect(page.get_by_text("7,0 mm/s")).to_be_visible()

    move("Vibrations", "End", 1)
    move("Température", "End", 1)
    expect(vibration).to_have_value("15")
    expect(page.get_by_text("120 °C")).to_be_visible(timeout=10_000)
    expect(page.get_by_text(DANGER)).to_be_visible()

    move("Vibrations", "Home", 1)
    move("Température", "Home", 1)
    expect(page.get_by_text(NOMINAL)).to_be_visible(timeout=10_000)
    expect(page.get_by_text(DANGER)).to_have_count(0)


def test_an_api_that_goes_and_comes_back_needs_no_reload(page: Page, api: Server) -> None:
    page.evaluate("window.neverReloaded = true")
    api.stop()
    message = page.get_by_role("heading", name="API injoignable")
    expect(message).to_be_visible(timeout=10_000)
    expect(page.get_by_text(NOMINAL)).to_have_count(0)

    api.start()
    expect(page.get_by_text(NOMINAL)).to_be_visible(timeout=20_000)
    expect(message).to_have_count(0)
    assert page.evaluate("window.neverReloaded")


def test_the_page_is_french_and_holds_no_key(page: Page, move: Move) -> None:
    move("Vibrations", "ArrowRight", 1)
    slider = page.get_by_role("slider", name="Vibrations")
    expect(slider).to_have_attribute("aria-valuetext", "2,1")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.get_by_text("Deploy")).to_have_count(0)
    assert DEMO_KEY not in page.content()


def test_nothing_is_asked_of_the_outside(page: Page, dashboard_url: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.get_by_text(NOMINAL).wait_for(timeout=30_000)
    assert asked
    assert [url for url in asked if not url.startswith((dashboard_url, "data:", "blob:"))] == []
