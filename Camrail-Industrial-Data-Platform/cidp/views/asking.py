"""Asking the API for a page: what is known to fail is not waited for, what fails is said."""

import contextlib
from collections.abc import Iterator

import streamlit as st

from cidp.api_client import ApiClient
from cidp.api_errors import ApiError, ApiTooSlow, ApiUnreachable, FieldsRefused, NotNow
from cidp.views.api_state import failed_lately, last_known, retry_later
from cidp.views.gauges import field_label
from cidp.views.markdown import plain

_ICONS = {FieldsRefused: "edit", NotNow: "block"}


def reachable(client: ApiClient) -> ApiClient:
    """Return `client`, or raise what this page has just waited for: nobody waits twice for it."""
    known = last_known()
    for error in (known.error if known else None, failed_lately()):
        if isinstance(error, ApiUnreachable | ApiTooSlow):
            raise error
    return client


@contextlib.contextmanager
def failures_said() -> Iterator[None]:
    """Show a failure of the API in place of what it would have been; try again what may heal."""
    try:
        yield
    except ApiError as error:
        show_api_error(error)
        if error.heals:
            retry_later(error)


def show_api_error(error: ApiError) -> None:
    """Say what the API did not do, and what to do about it."""
    details = error.details if isinstance(error, FieldsRefused) else []
    listed = [f"- **{plain(field_label(field))}** : {plain(said)}" for field, said in details]
    body = "\n".join([f"#### {error.title}", plain(str(error)), "", *listed])
    icon = next((_ICONS[kind] for kind in _ICONS if isinstance(error, kind)), "cloud_off")
    st.warning(body, icon=f":material/{icon}:")
