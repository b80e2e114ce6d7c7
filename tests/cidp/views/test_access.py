"""Who has to sign in, how, and what they may then do."""

from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from api_samples import in_order
from fake_api import FakeApi
from streamlit.testing.v1 import AppTest

from cidp.auth import DEMO_KEY
from cidp.views.access import rights_of_roles

APP = Path(__file__).parents[3] / "Camrail-Industrial-Data-Platform" / "dashboard" / "app.py"
ROLES = {"operator": ["Op@Rail.cm"], "analyst": ["an@rail.cm", "op@rail.cm"], "admin": ["ad@x"]}


@pytest.fixture
def screen(fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """A dashboard that other machines can reach."""
    monkeypatch.setattr(st, "get_option", {"server.address": "0.0.0.0"}.get)  # noqa: S104
    monkeypatch.setenv("API_URL", fake_api.url)
    monkeypatch.setenv("API_KEY", "la clé du tableau de bord")
    in_order(fake_api)
    return AppTest.from_file(str(APP), default_timeout=20)


@pytest.mark.parametrize(
    ("email", "rights"),
    [
        ("op@rail.cm", {"alerts", "loads"}),
        ("AN@rail.cm", {"loads"}),
        ("ad@x", {"alerts", "loads", "models"}),
        ("inconnu@rail.cm", set()),
        ("", set()),
    ],
)
def test_roles_add_up(email: str, rights: set[str]) -> None:
    assert rights_of_roles(email, ROLES) == rights


def test_from_elsewhere_nothing_is_shown_before_a_key(screen: AppTest, fake_api: FakeApi) -> None:
    screen.run()
    assert not screen.exception
    assert "connectez-vous avec une clé" in screen.info[0].value
    assert not screen.slider
    assert fake_api.received == []


def test_a_key_of_the_api_opens_the_pages_and_is_the_one_used(
    screen: AppTest, fake_api: FakeApi
) -> None:
    screen.run()
    screen.text_input[0].set_value("cle-de-l-operateur")
    screen.button[0].click().run()
    assert not screen.exception
    assert len(screen.slider) == 4
    assert {r.key for r in fake_api.received if r.path != "/ready"} == {"cle-de-l-operateur"}
    assert not screen.text_input[0].value == "cle-de-l-operateur"

    next(button for button in screen.button if button.label == "Se déconnecter").click().run()
    assert not screen.slider


@pytest.mark.parametrize("key", ["fausse", DEMO_KEY])
def test_a_wrong_key_and_the_public_one_open_nothing(
    screen: AppTest, fake_api: FakeApi, key: str
) -> None:
    fake_api.answers["/whoami"] = (401, {"error": "Unauthorized", "message": "Clé refusée."})
    screen.run()
    screen.text_input[0].set_value(key)
    screen.button[0].click().run()
    assert screen.warning
    assert not screen.slider


class SignedIn(dict[str, Any]):
    """What OIDC says of a person."""

    is_logged_in = True


def test_an_organisation_s_account_gives_name_and_rights(
    screen: AppTest, fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secrets = {"auth": {"client_id": "x"}, "roles": ROLES}
    monkeypatch.setattr(st, "user", SignedIn(email="an@rail.cm", name="Aïcha Ngo"))
    monkeypatch.setattr("cidp.views.access.oidc_secrets", lambda: secrets)
    screen.run()
    assert not screen.exception
    assert any("Connecté : Aïcha Ngo" in text.value for text in screen.markdown)
    assert len(screen.slider) == 4
    assert "/whoami" not in {request.path for request in fake_api.received}


def test_without_an_account_only_the_way_in_is_shown(
    screen: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = SignedIn()
    nobody.is_logged_in = False
    monkeypatch.setattr(st, "user", nobody)
    monkeypatch.setattr("cidp.views.access.oidc_secrets", lambda: {"auth": {}})
    screen.run()
    assert [button.label for button in screen.button] == ["Se connecter"]
