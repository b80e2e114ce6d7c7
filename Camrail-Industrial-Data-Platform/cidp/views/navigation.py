"""The frame of Camrail Live Monitor: title, strip, and the page that the address names."""

import os

import streamlit as st

from cidp.api_client import ApiClient, ClientSettings
from cidp.settings import launch_environment
from cidp.views.data_strip import show_data_strip
from cidp.views.supervision import show_supervision

# Streamlit writes numbers in its widgets by the browser's language, and declares English pages.
_FRENCH_PAGE = """<script>
document.documentElement.lang = "fr";
Object.defineProperty(navigator, "languages", {get: () => ["fr-FR"], configurable: true});
</script>"""
_CLIENT = "api_client"


def main() -> None:
    """Draw the whole screen once; Streamlit calls this at each interaction."""
    st.set_page_config(page_title="Camrail Live Monitor", page_icon="🚆", layout="wide")
    st.html(_FRENCH_PAGE, unsafe_allow_javascript=True)
    client = _session_client()
    page = st.navigation(
        [
            st.Page(
                lambda: show_supervision(client),
                title="Supervision",
                icon=":material/speed:",
                url_path="supervision",
                default=True,
            )
        ]
    )
    st.title("Camrail Live Monitor", anchor=False)
    show_data_strip(client)
    page.run()


def _session_client() -> ApiClient:
    """Return the client of this browser session, made from the environment at its first run."""
    if _CLIENT not in st.session_state:
        st.session_state[_CLIENT] = ApiClient(
            ClientSettings.from_environ(launch_environment(os.environ))
        )
    client: ApiClient = st.session_state[_CLIENT]
    return client
