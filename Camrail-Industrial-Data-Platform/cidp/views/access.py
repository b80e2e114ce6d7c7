"""Who sits in front of the screen: the client with their key, their name, and what they may do.

On this machine alone nobody signs in. Elsewhere a person signs in with OIDC where it is set up in
`.streamlit/secrets.toml`, or with a key of the API.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from cidp.api_answers import KeyHolder
from cidp.api_client import ApiClient, ClientSettings
from cidp.api_errors import ApiError, KeyRefused, UnknownKey
from cidp.auth import DEMO_KEY, Scope, is_loopback
from cidp.people import MAX_NAME, name_of_account
from cidp.views.asking import reachable, show_api_error
from cidp.views.markdown import plain

Right = Literal["alerts", "loads", "models"]
Role = Literal["operator", "analyst", "admin"]
RIGHTS: dict[Role, frozenset[Right]] = {
    "operator": frozenset({"alerts"}),
    "analyst": frozenset({"loads"}),
    "admin": frozenset({"alerts", "loads", "models"}),
}
"""What each role may do beside looking."""

_OF_SCOPES: dict[Right, Scope] = {"alerts": "operate", "loads": "operate", "models": "admin"}
_REFUSED = {
    "alerts": "Suivre les alertes demande le rôle d’opérateur (droit « operate » de la clé).",
    "loads": "Lancer l’ETL demande le rôle d’analyste (droit « operate » de la clé).",
    "models": "Entraîner et promouvoir demandent le rôle d’administrateur (droit « admin »).",
}
PERSON = "person"
_CLIENT = "api_client"
_HOLDER = "key_holder"
_SIGNED_IN = "signed_in"


@dataclass(frozen=True, slots=True)
class Access:
    """The client of this session and, where OIDC knows them, the person and their rights."""

    client: ApiClient
    name: str | None = None
    rights: frozenset[Right] | None = None

    @property
    def person(self) -> str:
        """Name that stands in the record; empty, the record has the name of the key."""
        return self.name or str(st.session_state.get(PERSON, "")).strip()

    def may(self, right: Right) -> bool:
        """Tell whether the person has a right, and say on the page whose right it is if not."""
        allowed = self.rights if self.rights is not None else _rights_of_key(self.client)
        if right not in allowed:
            st.caption(f":material/lock: {_REFUSED[right]}")
        return right in allowed


def rights_of_roles(email: str, roles: Mapping[str, Any]) -> frozenset[Right]:
    """Return what the table `roles` (role: list of addresses) lets a person do."""
    held = [
        rights
        for role, rights in RIGHTS.items()
        if email.casefold() in {str(address).casefold() for address in roles.get(role, ())}
    ]
    return frozenset[Right]().union(*held)


def sign_in(settings: ClientSettings) -> Access | None:
    """Return who may see the pages; otherwise draw what it takes to sign in, and return None."""
    if (secrets := oidc_secrets()) is not None:
        return _by_oidc(settings, secrets)
    if is_loopback(st.get_option("server.address") or ""):
        return Access(_client_of(settings))
    return _by_key(settings.url)


def show_identity(access: Access) -> None:
    """Draw the name for the record, and the way out."""
    label = plain(access.person) or "Identité"
    with st.popover(label, icon=":material/person:", key="identity"):
        if access.name is None:
            st.text_input(
                "Votre nom, pour le registre",
                max_chars=MAX_NAME,
                key=PERSON,
                persist_state="session",
            )
            st.caption(_about_the_name(access))
        else:
            st.markdown(f"Connecté : {plain(access.name)}")
        if access.name is not None:
            st.button("Se déconnecter", on_click=st.logout)
        elif _SIGNED_IN in st.session_state:
            st.button("Se déconnecter", on_click=_forget)


def _about_the_name(access: Access) -> str:
    """Say as what one signs; the name is of this tab alone, for the next person sits there too."""
    if access.person:
        return "Ce nom signe vos actions. Il est à redonner après un rechargement de la page."
    try:
        key = f"« {plain(_holder(access.client).id)} »"
    except ApiError:
        key = "de ce tableau de bord"
    return f"Sans nom, vos actions sont signées du nom de la clé {key}."


def oidc_secrets() -> Mapping[str, Any] | None:
    """Return `.streamlit/secrets.toml` where it sets up a provider."""
    return st.secrets if st.secrets.load_if_toml_exists() and "auth" in st.secrets else None


def _by_oidc(settings: ClientSettings, secrets: Mapping[str, Any]) -> Access | None:
    if not st.user.is_logged_in:
        st.info("Connectez-vous avec le compte de votre organisation.", icon=":material/login:")
        st.button("Se connecter", on_click=st.login, type="primary")
        return None
    email = str(st.user.get("email") or "")
    name = name_of_account(str(st.user.get("name") or "").strip(), email)
    # Whoever may write any address in their own account must not take the roles of another.
    vouched_for = st.user.get("email_verified") is True
    rights = rights_of_roles(email if vouched_for else "", secrets.get("roles", {}))
    return Access(_client_of(settings), name, rights)


def _by_key(url: str) -> Access | None:
    if _SIGNED_IN in st.session_state:
        return Access(st.session_state[_CLIENT])
    st.info(
        "Ce tableau de bord est ouvert à d’autres machines : connectez-vous avec une clé de "
        "l’API. Pour un usage local, lancez-le avec --server.address 127.0.0.1.",
        icon=":material/key:",
    )
    with st.form("sign_in", border=False):
        key = st.text_input("Clé de l’API", type="password", max_chars=200).strip()
        asked = st.form_submit_button("Se connecter", type="primary")
    if asked and key:
        _try_key(ClientSettings(url, key, typed=True))
    return None


def _try_key(settings: ClientSettings) -> None:
    """Keep the key on the server's side if the API knows it, and start the page anew."""
    if settings.key == DEMO_KEY:
        st.warning("La clé de démonstration ne vaut que sur la machine elle-même.")
        return
    client = ApiClient(settings)
    try:
        st.session_state[_SIGNED_IN] = client.whoami().id
    except KeyRefused:
        show_api_error(UnknownKey())
        return
    except ApiError as error:
        show_api_error(error)
        return
    st.session_state[_CLIENT] = client
    st.rerun()


def _forget() -> None:
    for name in (_CLIENT, _SIGNED_IN, _HOLDER):
        st.session_state.pop(name, None)


def _client_of(settings: ClientSettings) -> ApiClient:
    """Return the client of this browser session, made at its first run."""
    if _CLIENT not in st.session_state:
        st.session_state[_CLIENT] = ApiClient(settings)
    client: ApiClient = st.session_state[_CLIENT]
    return client


def _rights_of_key(client: ApiClient) -> frozenset[Right]:
    """Return what the key may do; raises `ApiError` while the API cannot say it."""
    scopes = _holder(client).scopes
    return frozenset(right for right, scope in _OF_SCOPES.items() if scope in scopes)


def _holder(client: ApiClient) -> KeyHolder:
    """Return whose key it is, asked once; raises `ApiError` while the API cannot say it."""
    if _HOLDER not in st.session_state:
        st.session_state[_HOLDER] = reachable(client).whoami()
    holder: KeyHolder = st.session_state[_HOLDER]
    return holder
