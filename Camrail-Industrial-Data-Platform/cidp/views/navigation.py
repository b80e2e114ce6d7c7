"""The frame of Camrail Live Monitor: title, strip, and the page that the address names."""

import os
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import streamlit as st

from cidp.api_client import ClientSettings
from cidp.settings import launch_environment
from cidp.views.access import Access, show_identity, sign_in
from cidp.views.address import remember_address
from cidp.views.alerts import show_alerts
from cidp.views.data_strip import show_data_strip
from cidp.views.fleet import show_fleet
from cidp.views.logistics import show_logistics
from cidp.views.markdown import plain
from cidp.views.model import show_model
from cidp.views.supervision import show_supervision
from cidp.views.system import show_system

# Streamlit writes numbers in its widgets by the browser's language, declares English pages, has an
# English button in its uploader and an English word for a failed download, captions too pale
# to be read by everybody, and margins that cut tables at a zoom of 125 %.
_FRENCH_PAGE = """<style>
[data-testid="stMainBlockContainer"] { padding-left: 2rem; padding-right: 2rem; }
[data-testid="stCaptionContainer"] { color: #4b5866; opacity: 1; }
[data-testid="stFileUploaderDropzoneInstructions"] { display: none; }
[data-testid="stFileUploaderDropzone"] button p { font-size: 0; }
[data-testid="stFileUploaderDropzone"] button p::after {
  content: "Parcourir"; font-size: 0.875rem;
}
[data-testid="stDownloadButtonError"] { font-size: 0; }
[data-testid="stDownloadButtonError"]::after {
  content: "L’API n’a pas donné le fichier : réessayez dans un instant."; font-size: 0.875rem;
}
</style><script>
document.documentElement.lang = "fr";
Object.defineProperty(navigator, "language", {get: () => "fr-FR", configurable: true});
Object.defineProperty(navigator, "languages", {get: () => ["fr-FR"], configurable: true});
window.dispatchEvent(new Event("languagechange"));
</script>"""
_SETTINGS = "client_settings"


class Entry(NamedTuple):
    """One page: the address under which links find it, its title, its icon, and who draws it."""

    path: str
    title: str
    icon: str
    show: Callable[[Access], None]


PAGES = (
    Entry("", "Supervision", "speed", show_supervision),
    Entry("flotte", "Flotte en direct", "train", show_fleet),
    Entry("alertes", "Alertes", "notifications", show_alerts),
    Entry("logistique", "Logistique", "local_shipping", show_logistics),
    Entry("modele", "Modèle", "model_training", show_model),
    Entry("systeme", "Système", "monitor_heart", show_system),
)


def main() -> None:
    """Draw the whole screen once; Streamlit calls this at each interaction."""
    st.set_page_config(page_title="Camrail Live Monitor", page_icon="🚆", layout="wide")
    st.html(_FRENCH_PAGE, unsafe_allow_javascript=True)
    access = sign_in(_settings())
    pages = [_page(entry, access) for entry in PAGES]
    if unknown := _unknown_address():
        pages.append(_absent_page(unknown, pages[0]))
    page = st.navigation(pages, position="top" if access else "hidden")
    if access is None:
        return
    remember_address(page.url_path)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.title("Camrail Live Monitor", anchor=False, width="content")
        show_identity(access)
    show_data_strip(access.client)
    page.run()


def _page(entry: Entry, access: Access | None) -> "st.Page":
    """Return a page; it is known, and empty, before somebody has signed in."""

    def draw() -> None:
        if access is None:
            return
        if entry is not PAGES[0]:
            st.header(entry.title, anchor=False)
        entry.show(access)

    return st.Page(
        draw,
        title=entry.title,
        icon=f":material/{entry.icon}:",
        url_path=entry.path,
        default=entry is PAGES[0],
    )


def _unknown_address() -> str:
    """Return the name in the browser's address, where it is no page's."""
    name = unquote(urlsplit(st.context.url or "").path.rpartition("/")[2]).strip()
    return "" if "/" in name or name in {entry.path for entry in PAGES} else name


def _absent_page(name: str, start: "st.Page") -> "st.Page":
    """Stand where Streamlit would say in English that there is no such page."""

    def draw() -> None:
        st.header("Page introuvable", anchor=False)
        st.warning(
            f"**Aucune page à l’adresse « {plain(name)} »**\n\nChoisissez une page dans le menu, "
            "ou revenez à la supervision.",
            icon=":material/explore_off:",
        )
        st.page_link(start, label="Aller à la supervision")

    return st.Page(draw, title="Page introuvable", url_path=name, visibility="hidden")


def _settings() -> ClientSettings:
    """Return where the API is, read from the environment once in a browser session."""
    if _SETTINGS not in st.session_state:
        environ = launch_environment(os.environ)
        st.session_state[_SETTINGS] = ClientSettings.from_environ(environ)
    settings: ClientSettings = st.session_state[_SETTINGS]
    return settings
