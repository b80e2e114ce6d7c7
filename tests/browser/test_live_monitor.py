"""What an operator and an analyst do, in a real browser in front of a real platform."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
import requests
from launched import Server
from live_platform import KEY, alert_of, obstacles, send, send_danger
from playwright.sync_api import Locator, Page, expect
from waiting import until

from cidp.auth import DEMO_KEY

pytestmark = pytest.mark.chromium

NOMINAL, DANGER = "OPÉRATION NOMINALE", "DANGER DÉTECTÉ"
PAGES = [
    "",
    "?vibration=7.0&temperature=85.0",
    "flotte",
    "flotte?loco=LOCO_AXE",
    "alertes",
    "alertes?alerte={}",
    "logistique",
    "modele",
    "systeme",
    "page-perdue",
]
Visit = Callable[..., Page]


def move(page: Page, label: str, target: float) -> None:
    """Press arrows on a slider until it stands at `target`, as a person would: looking at it."""
    slider = page.get_by_role("slider", name=label)

    def arrived() -> bool:
        value = float(slider.input_value())
        if value != target:
            slider.press("ArrowRight" if value < target else "ArrowLeft")
        return value == target

    until(arrived)
    expect(slider).to_have_value(f"{target:g}")


def tile(page: Page, label: str) -> Locator:
    """Return the value of the figure with a label."""
    figure = page.get_by_test_id("stMetric").filter(has_text=label)
    return figure.get_by_test_id("stMetricValue")


def test_the_piloting_scenario_by_keyboard(visit: Visit) -> None:
    page = visit()
    expect(page.get_by_text(NOMINAL)).to_be_visible()
    move(page, "Vibrations", 7)
    move(page, "Température", 85)
    expect(page.get_by_text(DANGER)).to_be_visible()
    expect(page.get_by_text(NOMINAL)).to_have_count(0)
    expect(tile(page, "Vibrations")).to_have_text("7,0 mm/s")
    expect(tile(page, "Température")).to_have_text("85 °C")

    move(page, "Vibrations", 2)
    move(page, "Température", 45)
    expect(page.get_by_text(NOMINAL)).to_be_visible()
    expect(page.get_by_text(DANGER)).to_have_count(0)


def test_the_smallest_change_is_applied_by_its_button(visit: Visit) -> None:
    page = visit("?vibration=7.0&temperature=85.0")
    expect(page.get_by_text(DANGER)).to_be_visible()
    page.get_by_role("button", name="Appliquer aux curseurs").press("Enter")
    expect(page.get_by_text(NOMINAL)).to_be_visible()
    expect(page.get_by_text(DANGER)).to_have_count(0)
    expect(tile(page, "Température")).not_to_have_text("85 °C")


def test_a_held_key_leaves_no_figure_behind(visit: Visit) -> None:
    page = visit()
    page.get_by_role("slider", name="Température").focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_role("slider", name="Température")).to_have_value("85")
    expect(tile(page, "Température")).to_have_text("85 °C")
    expect(page.get_by_text(DANGER)).to_be_visible()


def test_two_operators_move_their_own_sliders(visit: Visit) -> None:
    one, other = visit(), visit("?vibration=7.0&temperature=85.0")
    expect(other.get_by_text(DANGER)).to_be_visible()
    expect(one.get_by_text(NOMINAL)).to_be_visible()
    move(one, "Vibrations", 2.2)
    expect(tile(one, "Vibrations")).to_have_text("2,2 mm/s")
    expect(one.get_by_text(NOMINAL)).to_be_visible()
    expect(other.get_by_text(DANGER)).to_be_visible()


@pytest.mark.parametrize("killed", [False, True])
def test_an_api_that_goes_and_comes_back_needs_no_reload(
    visit: Visit, api: Server, killed: bool
) -> None:
    page = visit()
    expect(page.get_by_text(NOMINAL)).to_be_visible()
    page.evaluate("window.neverReloaded = true")
    api.kill() if killed else api.stop()
    try:
        message = page.get_by_role("heading", name="API injoignable")
        expect(message).to_be_visible()
        expect(page.get_by_text(NOMINAL)).to_have_count(0)
        assert obstacles(page) == []
    finally:
        api.start()
    expect(page.get_by_text(NOMINAL)).to_be_visible()
    expect(message).to_have_count(0)
    assert page.evaluate("window.neverReloaded")


def test_the_page_is_french_holds_no_key_and_asks_nothing_of_the_outside(
    visit: Visit, dashboard_url: str
) -> None:
    page = visit()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(page.get_by_text(NOMINAL)).to_be_visible()
    assert asked
    assert [url for url in asked if not url.startswith((dashboard_url, "data:", "blob:"))] == []

    move(page, "Vibrations", 2.1)
    slider = page.get_by_role("slider", name="Vibrations")
    expect(slider).to_have_attribute("aria-valuetext", "2,1")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.get_by_text("Deploy")).to_have_count(0)
    assert DEMO_KEY not in page.content()


def test_a_row_of_the_fleet_changes_by_itself(visit: Visit, environ: dict[str, str]) -> None:
    api = f"http://127.0.0.1:{environ['API_PORT']}"
    send(api, "LOCO_EN_DIRECT", 2.0, 45.0)
    page = visit("flotte")
    row = page.locator("canvas tr").filter(has_text="LOCO_EN_DIRECT")
    expect(row).to_contain_text("Nominale")
    send(api, "LOCO_EN_DIRECT", 12.0, 110.0)
    expect(row).to_contain_text("DANGER")


def test_an_unknown_address_is_told_in_french_and_the_menu_leads_on(visit: Visit) -> None:
    page = visit("page-perdue")
    expect(page.get_by_role("heading", name="Page introuvable")).to_be_visible()
    expect(page.get_by_text("Aucune page à l’adresse « page-perdue »")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("link", name="Aller à la supervision").click()
    expect(page.get_by_text(NOMINAL)).to_be_visible()
    expect(page.get_by_role("heading", name="Page introuvable")).to_have_count(0)


def test_an_unusable_setting_of_the_address_is_said(visit: Visit) -> None:
    page = visit("?vibration=beaucoup&temperature=85.0")
    expect(page.get_by_text("vibration=beaucoup")).to_be_visible()
    expect(tile(page, "Vibrations")).to_have_text("2,0 mm/s")
    expect(tile(page, "Température")).to_have_text("85 °C")
    page.get_by_role("link", name="Flotte en direct").click()
    expect(page.get_by_text("Actualiser en direct")).to_be_visible()
    expect(page.get_by_text("vibration=beaucoup")).to_have_count(0)


def test_the_chosen_name_stands_on_the_button_and_in_the_record(
    visit: Visit, environ: dict[str, str]
) -> None:
    api = f"http://127.0.0.1:{environ['API_PORT']}"
    send_danger(api, "LOCO_NOMMEE")
    page = visit(f"alertes?alerte={alert_of(api, 'LOCO_NOMMEE')['id']}")
    page.get_by_role("button", name="Identité").click()
    page.get_by_role("textbox", name="Votre nom, pour le registre").fill("Aïcha Ngo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Aïcha Ngo")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Prendre en charge").click()
    expect(page.get_by_text("Aïcha Ngo a pris l’alerte en charge")).to_be_visible()
    assert [action["author"] for action in alert_of(api, "LOCO_NOMMEE")["actions"]] == ["Aïcha Ngo"]


def test_what_another_does_about_an_alert_shows_while_one_types(
    visit: Visit, environ: dict[str, str]
) -> None:
    api = f"http://127.0.0.1:{environ['API_PORT']}"
    send_danger(api, "LOCO_A_DEUX")
    alert_id = alert_of(api, "LOCO_A_DEUX")["id"]
    page = visit(f"alertes?alerte={alert_id}")
    field = page.get_by_role("textbox", name="Commentaire")
    field.press_sequentially("palier chaud, ")
    url = f"{api}/alerts/{alert_id}"
    body = {"text": "roue contrôlée"}
    requests.post(f"{url}/comment", json=body, headers=KEY, timeout=240).raise_for_status()
    requests.post(f"{url}/acknowledge", headers=KEY, timeout=240).raise_for_status()
    expect(page.get_by_text("a commenté : roue contrôlée")).to_be_visible()
    expect(page.get_by_role("button", name="Prendre en charge")).to_be_disabled()
    expect(field).to_have_value("palier chaud, ")
    expect(field).to_be_focused()
    field.press_sequentially("à revoir")
    page.get_by_role("button", name="Ajouter le commentaire").click()
    expect(page.get_by_text("a commenté : palier chaud, à revoir")).to_be_visible()
    expect(field).to_have_value("")


def test_a_row_chosen_in_the_living_fleet_stands_in_the_address(
    visit: Visit, environ: dict[str, str]
) -> None:
    api = f"http://127.0.0.1:{environ['API_PORT']}"
    for loco_id in ("LOCO_CHOISIE", "LOCO_SUIVANTE"):
        send(api, loco_id, 2.0, 45.0)
    page = visit()
    page.get_by_role("link", name="Flotte en direct").click()
    for loco_id in ("LOCO_CHOISIE", "LOCO_SUIVANTE"):
        choose(page, loco_id)
        expect(page.get_by_role("heading", name=f"Historique de {loco_id}")).to_be_visible()
        expect(page).to_have_url(re.compile(r"loco=" + loco_id))
    page.get_by_role("link", name="Modèle").click()
    expect(page).to_have_url(re.compile("/modele$"))
    page.get_by_role("link", name="Flotte en direct").click()
    expect(page).to_have_url(re.compile("loco=LOCO_SUIVANTE"))


def choose(page: Page, loco_id: str) -> None:
    """Click the box before the row of a locomotive."""
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_have_count(1)
    row = table.locator("canvas tr").filter(has_text=loco_id)
    position = int(row.get_attribute("aria-rowindex") or 0)
    table.click(position={"x": 16, "y": 35 * position - 17})


def test_the_series_that_is_shown_stands_in_the_address(
    visit: Visit, environ: dict[str, str]
) -> None:
    send(f"http://127.0.0.1:{environ['API_PORT']}", "LOCO_SERIE", 2.0, 45.0)
    page = visit("flotte?loco=LOCO_SERIE")
    real, simulated = (page.get_by_role("radio", name=name) for name in ("Réelle", "Simulée"))
    expect(real).to_be_checked()
    expect(page).to_have_url(re.compile(r"serie=R%C3%A9elle"))
    simulated.click()
    expect(page).to_have_url(re.compile(r"serie=Simul%C3%A9e"))
    expect(simulated).to_be_checked()


def test_the_etl_its_report_and_its_rejects_corrected(visit: Visit, tmp_path: Path) -> None:
    page = visit("logistique")
    expect(page.get_by_text("pas encore d'entrepôt")).to_be_visible()
    page.get_by_role("button", name="Lancer l’ETL").click()
    expect(tile(page, "Transactions")).to_have_text("2 911")

    report = workbook_at(download(page, "Télécharger le rapport Excel", tmp_path))
    assert "Transactions" in report.sheetnames
    rejects = download(page, "Télécharger les rejets à corriger", tmp_path)
    correct_one(rejects)
    expect(page.get_by_text("Rejets ouverts : 93")).to_be_visible()
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(rejects)
    page.get_by_role("button", name="Charger les corrections").click()
    expect(page.get_by_text("Rejets ouverts : 92")).to_be_visible()
    expect(tile(page, "Transactions")).to_have_text("2 912")


def download(page: Page, label: str, folder: Path) -> Path:
    """Download by a button, under the name that the page gives."""
    with page.expect_download() as caught:
        page.get_by_role("button", name=label).click()
    path = folder / caught.value.suggested_filename
    caught.value.save_as(path)
    return path


def workbook_at(path: Path) -> openpyxl.Workbook:
    """Open a workbook; openpyxl leaves out what it does not know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return openpyxl.load_workbook(path)


def correct_one(workbook: Path) -> None:
    """Give the first missing volume a value."""
    book = workbook_at(workbook)
    for sheet in book:
        for row in sheet.iter_rows():
            texts = [str(cell.value) for cell in row]
            if "VOLUME_MANQUANT" in texts:
                heads = next(
                    [cell.value for cell in above]
                    for above in sheet.iter_rows()
                    if any(cell.value == "volume_transferred" for cell in above)
                )
                row[heads.index("volume_transferred")].value = 12.5
                book.save(workbook)
                return
    raise AssertionError("no missing volume")


@pytest.mark.parametrize("path", PAGES)
def test_no_serious_obstacle_for_assistive_technology(
    visit: Visit, environ: dict[str, str], path: str
) -> None:
    api = f"http://127.0.0.1:{environ['API_PORT']}"
    send_danger(api, "LOCO_AXE")
    page = visit(path.format(alert_of(api, "LOCO_AXE")["id"]))
    assert obstacles(page) == []
