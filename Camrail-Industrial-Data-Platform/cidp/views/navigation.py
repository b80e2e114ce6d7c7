"""The frame of Camrail Live Monitor: title, strip, and the page that the address names."""

import os
from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from cidp.api_client import ClientSettings
from cidp.settings import launch_environment
from cidp.views.access import Access, show_identity, sign_in
from cidp.views.alerts import show_alerts
from cidp.views.data_strip import show_data_strip
from cidp.views.fleet import show_fleet
from cidp.views.logistics import show_logistics
from cidp.views.model import show_model
from cidp.views.supervision import show_supervision
from cidp.views.system import show_system

# Streamlit writes numbers in its widgets by the browser's language, declares English pages, has an
# English button in its uploader and an English word for a failed download, and captions too pale
# to be read by everybody.
_FRENCH_PAGE = """<style>
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
    Entry("supervision", "Supervision", "speed", lambda access: show_supervision(access.client)),
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
    if access is None:
        st.navigation([st.Page(lambda: None, title="Connexion")], position="hidden")
        return
    page = st.navigation([_page(entry, access) for entry in PAGES], position="top")
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.title("Camrail Live Monitor", anchor=False, width="content")
        show_identity(access)
    show_data_strip(access.client)
    page.run()


def _page(entry: Entry, access: Access) -> "st.Page":
    def draw() -> None:
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


def _settings() -> ClientSettings:
    """Return where the API is, read from the environment once in a browser session."""
    if _SETTINGS not in st.session_state:
        environ = launch_environment(os.environ)
        st.session_state[_SETTINGS] = ClientSettings.from_environ(environ)
    settings: ClientSettings = st.session_state[_SETTINGS]
    return settings
