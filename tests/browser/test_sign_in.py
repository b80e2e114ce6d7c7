"""Signing in, in a real browser: with an account, over the whole protocol, or with a key."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_samples import alert, alerts, in_order
from fake_api import FakeApi
from launched import PATIENCE_S, Server, running
from live_platform import alert_of, obstacles, send_danger
from loopback import free_port
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.chromium

OPERATOR, VISITOR = "aicha@example.org", "visiteur@example.org"
NAMES = {OPERATOR: "Aïcha Ngo", VISITOR: "Jean Visiteur"}


@pytest.fixture
def provider_url() -> Iterator[str]:
    """An OpenID provider that lets people choose who they are."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    people = [
        json.dumps({"sub": email, "email": email, "email_verified": True, "name": name})
        for email, name in NAMES.items()
    ]
    claims = [part for person in people for part in ("--user-claims", person)]
    command = ["-m", "oidc_provider_mock", "--port", str(port), *claims]
    with running(Server(command, dict(os.environ), f"{url}/.well-known/openid-configuration")):
        yield url


@pytest.fixture
def organisation_url(
    environ: dict[str, str], api: Server, provider_url: str, tmp_path: Path
) -> Iterator[str]:
    """A dashboard that asks for an account of the organisation."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "redirect_uri": f"{url}/oauth2callback",
        "cookie_secret": "un secret des tests, qui signe les cookies",
        "client_id": "camrail",
        "client_secret": "secret",
        "server_metadata_url": f"{provider_url}/.well-known/openid-configuration",
    }
    auth = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    lines = ["[auth]", *auth, "[roles]", f'operator = ["{OPERATOR}"]']
    secrets = tmp_path / "secrets.toml"
    secrets.write_text("\n".join(lines), encoding="utf-8")
    flags = ["--server.headless", "true", "--server.port", str(port)]
    flags += ["--secrets.files", str(secrets)]
    command = ["-m", "streamlit", "run", "dashboard/app.py", *flags]
    with running(Server(command, environ, f"{url}/_stcore/health")):
        yield url


@pytest.fixture
def keyed_url(environ: dict[str, str]) -> Iterator[str]:
    """A dashboard that other machines can reach, in front of a platform in order."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    flags = ["--server.headless", "true", "--server.port", str(port)]
    command = ["-m", "streamlit", "run", "dashboard/app.py", "--server.address", "0.0.0.0", *flags]  # noqa: S104
    with FakeApi() as api:
        in_order(api)
        api.answers["/alerts"] = (200, alerts(alert(2)))
        asking = Server(command, environ | {"API_URL": api.url}, f"{url}/_stcore/health")
        with running(asking):
            yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A browser of its own, that does not wait for the provider's style sheet."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    context.set_default_timeout(1000 * PATIENCE_S)
    context.route("https://**", lambda route: route.abort())
    yield context.new_page()
    context.close()


def sign_in(page: Page, url: str, email: str) -> None:
    """Follow the way that a person takes to the page, by the provider."""
    page.goto(url)
    expect(page.get_by_text("compte de votre organisation")).to_be_visible()
    page.get_by_role("button", name="Se connecter").click()
    page.get_by_role("button", name=email).click()


def test_an_operator_signs_in_and_their_name_stands_in_the_record(
    environ: dict[str, str], organisation_url: str, page: Page
) -> None:
    api = f"http://127.0.0.1:{environ['API_PORT']}"
    send_danger(api, "LOCO_OIDC")
    alert_id = alert_of(api, "LOCO_OIDC")["id"]
    sign_in(page, organisation_url, OPERATOR)
    expect(page.get_by_test_id("stPopover").get_by_text("Aïcha Ngo")).to_be_visible()

    page.goto(f"{organisation_url}/alertes?alerte={alert_id}")
    page.get_by_role("button", name="Prendre en charge").click()
    expect(page.get_by_text("Aïcha Ngo a pris l’alerte en charge")).to_be_visible()
    (action,) = alert_of(api, "LOCO_OIDC")["actions"]
    assert (action["action"], action["author"]) == ("acknowledge", "Aïcha Ngo")

    page.goto(f"{organisation_url}/logistique")
    expect(page.get_by_text("demande le rôle d’analyste")).to_be_visible()
    expect(page.get_by_role("button", name="Lancer l’ETL")).to_have_count(0)

    page.get_by_test_id("stPopover").get_by_text("Aïcha Ngo").click()
    page.get_by_role("button", name="Se déconnecter").click()
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_role("button", name="Se connecter")).to_be_visible()


def test_an_account_without_a_role_looks_and_touches_nothing(
    environ: dict[str, str], organisation_url: str, page: Page
) -> None:
    api = f"http://127.0.0.1:{environ['API_PORT']}"
    send_danger(api, "LOCO_VISITE")
    sign_in(page, organisation_url, VISITOR)
    expect(page.get_by_text("OPÉRATION NOMINALE")).to_be_visible()
    page.goto(f"{organisation_url}/alertes?alerte={alert_of(api, 'LOCO_VISITE')['id']}")
    expect(page.get_by_text("demande le rôle d’opérateur")).to_be_visible()
    expect(page.get_by_role("button", name="Prendre en charge")).to_have_count(0)


def test_an_address_asks_to_sign_in_and_no_more(organisation_url: str, page: Page) -> None:
    page.goto(f"{organisation_url}/flotte")
    expect(page.get_by_role("button", name="Se connecter")).to_be_visible()
    expect(page).to_have_url(f"{organisation_url}/flotte")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("link", name="Alertes")).to_have_count(0)
    assert obstacles(page) == []


def test_who_refuses_at_the_provider_is_not_let_in(organisation_url: str, page: Page) -> None:
    page.goto(organisation_url)
    page.get_by_role("button", name="Se connecter").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("button", name="Se connecter")).to_be_visible()
    expect(page.get_by_role("slider")).to_have_count(0)


def test_the_address_is_kept_while_a_key_is_asked_for(keyed_url: str, page: Page) -> None:
    address = f"{keyed_url}/alertes?alerte=2"
    page.goto(address)
    for _ in range(2):
        expect(page.get_by_role("button", name="Se connecter")).to_be_visible()
        expect(page).to_have_url(address)
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("link", name="Logistique")).to_have_count(0)
        page.get_by_role("textbox", name="Clé de l’API").fill("clé-de-l-opératrice")
        page.get_by_role("button", name="Se connecter").click()
        expect(page.get_by_role("heading", name="Alerte 2 : LOCO_002")).to_be_visible()
        expect(page).to_have_url(address)
        page.reload()
