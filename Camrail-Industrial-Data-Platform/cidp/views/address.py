"""Settings that an address gives to a page: what the page cannot use of them is said."""

from collections.abc import Callable, Collection, Mapping

import streamlit as st

from cidp.views.markdown import plain

_PAGE = "address_page"
_GIVEN = "address_given"
MOST_SHOWN = 200
"""Characters of the settings that are quoted."""

Check = Callable[[str], bool]


def remember_address(page: str) -> None:
    """Keep what the address gave to `page` before widgets correct it; forget that of another."""
    if st.session_state.get(_PAGE) != page:
        st.session_state[_PAGE] = page
        st.session_state[_GIVEN] = {name: st.query_params.get_all(name) for name in st.query_params}


def say_unusable(checks: Mapping[str, Check]) -> None:
    """Name the settings of the address that no check of the page's settings lets through."""
    given: dict[str, list[str]] = st.session_state.get(_GIVEN, {})
    unusable = ", ".join(
        f"{name}={value}"
        for name, values in given.items()
        for value in values
        if name not in checks or not checks[name](value)
    )
    if unusable:
        cut = unusable[:MOST_SHOWN] + "…" * (len(unusable) > MOST_SHOWN)
        st.warning(
            f"**Réglages de l’adresse inutilisables** : {plain(cut)}. La page garde ses valeurs "
            "de départ à leur place.",
            icon=":material/link_off:",
        )


def one_of(values: Collection[str]) -> Check:
    """Return a check that a setting is one of `values`."""
    return lambda text: text in values


def between(lowest: float, highest: float) -> Check:
    """Return a check that a setting is a number within two bounds, included."""

    def check(text: str) -> bool:
        try:
            return lowest <= float(text) <= highest
        except ValueError:
            return False

    return check
