"""Who has to sign in, how, and what they may then do."""

from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from api_samples import Open, in_order, job, jobs
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
    return AppTest.from_file(str(APP), default_timeout=240)


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
    said = screen.warning[0].value
    assert "Clé inconnue" in said or "clé de démonstration" in said
    assert "API_KEY" not in said
    assert not screen.slider


@pytest.mark.parametrize(
    ("status", "said"), [(401, "a été révoquée"), (403, "n’a pas le droit voulu")]
)
def test_a_key_that_counts_no_more_is_told_to_the_person_who_signed_in_with_it(
    screen: AppTest, fake_api: FakeApi, status: int, said: str
) -> None:
    screen.run()
    screen.text_input[0].set_value("cle-de-l-operateur")
    screen.button[0].click().run()
    refused = (status, {"error": "Refused", "message": "Refus."})
    fake_api.predict = refused
    fake_api.answers = dict.fromkeys(fake_api.answers, refused)
    screen.run()
    warned = "\n".join(warning.value for warning in screen.warning)
    assert "Votre clé est refusée" in warned
    assert said in warned
    assert "API_KEY" not in warned
    assert "Se déconnecter" in [button.label for button in screen.button]


def test_the_chosen_name_stands_on_the_button(opened: Open) -> None:
    screen = opened("alerts").run()
    assert [popover.proto.popover.label for popover in screen.get("popover")] == ["Identité"]
    screen.text_input(key="person").set_value("Aïcha *Ngo*").run()
    assert [popover.proto.popover.label for popover in screen.get("popover")] == [r"Aïcha \*Ngo\*"]
    assert screen.text_input(key="person").value == "Aïcha *Ngo*"
    assert any("Ce nom signe vos actions" in text.value for text in screen.caption)


def test_without_a_name_it_is_said_who_signs(opened: Open, fake_api: FakeApi) -> None:
    said = [text.value for text in opened("alerts").run().caption]
    assert "Sans nom, vos actions sont signées du nom de la clé « demo »." in said
    fake_api.answers["/whoami"] = (401, {"error": "Unauthorized"})
    said = [text.value for text in opened("alerts").run().caption]
    assert "Sans nom, vos actions sont signées du nom de la clé de ce tableau de bord." in said


class SignedIn(dict[str, Any]):
    """What OIDC says of a person."""

    is_logged_in = True


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> SignedIn:
    """A person known to the provider, who has no role unless a test gives their address one."""
    person = SignedIn(email="an@rail.cm", email_verified=True, name="Aïcha Ngo")
    monkeypatch.setattr(st, "user", person)
    secrets = {"auth": {"client_id": "x"}, "roles": ROLES}
    monkeypatch.setattr("cidp.views.access.oidc_secrets", lambda: secrets)
    return person


def test_an_organisation_s_account_gives_name_and_rights(
    screen: AppTest, fake_api: FakeApi, signed_in: SignedIn
) -> None:
    screen.run()
    assert not screen.exception
    assert any("Connecté : Aïcha Ngo" in text.value for text in screen.markdown)
    assert len(screen.slider) == 4
    assert "/whoami" not in {request.path for request in fake_api.received}


@pytest.mark.parametrize(
    ("claims", "buttons"),
    [
        ({}, {"Arrêter", "Lancer l’ETL", "Charger les corrections"}),
        ({"email_verified": False}, set()),
        ({"email_verified": None}, set()),
        ({"email_verified": "true"}, set()),
        ({"email": "sans.role@rail.cm"}, set()),
    ],
)
def test_only_an_address_the_provider_vouches_for_has_its_roles(
    opened: Open,
    fake_api: FakeApi,
    signed_in: SignedIn,
    claims: dict[str, Any],
    buttons: set[str],
) -> None:
    running = job(state="running", ended_at=None)
    fake_api.answers |= {"/jobs": (200, jobs(running)), f"/jobs/{running['id']}": (200, running)}
    signed_in |= claims
    screen = opened("logistics").run()
    assert not screen.exception
    assert len(screen.get("progress")) == 1
    assert {button.label for button in screen.button} == buttons | {"Se déconnecter"}


def test_without_an_account_only_the_way_in_is_shown(
    screen: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = SignedIn()
    nobody.is_logged_in = False
    monkeypatch.setattr(st, "user", nobody)
    monkeypatch.setattr("cidp.views.access.oidc_secrets", lambda: {"auth": {}})
    screen.run()
    assert [button.label for button in screen.button] == ["Se connecter"]
