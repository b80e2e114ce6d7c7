"""The page of the contract speaks French, in an English browser too, and sends requests."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from launched import PATIENCE_S, SERVICE, Server, running
from loopback import free_port
from playwright.sync_api import Browser, Page, expect

from cidp.auth import DEMO_KEY

pytestmark = pytest.mark.chromium

WORDS = dict(
    re.findall(
        r'^  "(.+)": "(.*)"', (SERVICE / "cidp/web/start.js").read_text(encoding="utf-8"), re.M
    )
)
NOT_WORDS = r"[A-Z]+|[\d. ]+|OAS 3\.1|openapi\.json|[*()]+|\(\w+\)|[a-z]+|Retry-After"
SHOWN = """() => {
  const texts = [], said = "pre, code, textarea, option, .renderedMarkdown, .info, .servers, "
    + ".opblock-summary-path, .opblock-summary-description, .response-col_description__inner";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement.closest(said)) texts.push(walker.currentNode.nodeValue);
  }
  return texts.map((text) => text.trim());
}"""


@pytest.fixture
def documentation(environ: dict[str, str], browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page of an API that has no model."""
    port = free_port()
    own = {"API_PORT": str(port), "CAMRAIL_MODELS_DIR": str(tmp_path)}
    server = Server(["api/api.py"], environ | own, f"http://127.0.0.1:{port}/health")
    with running(server):
        page = browser.new_page(locale="en-US")
        page.set_default_timeout(1000 * PATIENCE_S)
        page.goto(f"http://127.0.0.1:{port}/docs")
        yield page
        page.close()


def test_a_request_is_tried_in_french(documentation: Page) -> None:
    page = documentation
    page.get_by_role("button", name="S'authentifier").click()
    page.locator(".modal-ux input").fill(DEMO_KEY)
    page.locator(".modal-ux").get_by_role("button", name="Retenir la clé").click()
    shown = page.evaluate(SHOWN)
    page.locator(".modal-ux").get_by_role("button", name="Fermer").click()
    predict = page.locator("#operations-scoring-predict")
    predict.locator(".opblock-summary-control").click()
    predict.get_by_role("button", name="Essayer").click()
    predict.get_by_role("button", name="Envoyer").click()
    expect(predict.get_by_text("Réponse du serveur")).to_be_visible()
    expect(predict.get_by_text("Aucun modèle").first).to_be_visible()
    shown += page.evaluate(SHOWN)
    french = set(WORDS.values())
    others = {text.rstrip(" :") for text in shown} - french
    assert {text for text in others if not re.fullmatch(NOT_WORDS, text)} == set()
