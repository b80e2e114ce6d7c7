"""What the screen last knew of the API, kept for a session, and when the page must be redrawn."""

import time
from dataclasses import dataclass

import streamlit as st

from cidp.api_answers import Readiness
from cidp.api_client import ApiClient
from cidp.api_errors import ApiError

FRESH_S = 1.0
_STATE = "api_state"
_RETRY = "api_retry"


@dataclass(frozen=True, slots=True)
class ApiState:
    """One look at /ready: either the answer or the error stands, at a monotonic time."""

    readiness: Readiness | None
    error: ApiError | None
    seen_at_s: float

    @property
    def kind(self) -> tuple[object, ...]:
        """What the page depends on; when it changes, the page is out of date."""
        model = self.readiness.model if self.readiness else None
        return (type(self.error), model and model.status, model and model.version)


def look(client: ApiClient) -> ApiState:
    """Ask /ready now."""
    try:
        return ApiState(client.ready(), None, time.monotonic())
    except ApiError as error:
        return ApiState(None, error, time.monotonic())


def refresh(client: ApiClient) -> ApiState:
    """Return the state of the API, at most `FRESH_S` old, and start the page anew if need be.

    The page is redrawn when the API changed since the last look, or when the last question to it
    failed in a way that may heal by itself.
    """
    if st.session_state.pop(_RETRY, None):
        st.rerun()
    before: ApiState | None = st.session_state.get(_STATE)
    if before and time.monotonic() - before.seen_at_s < FRESH_S:
        return before
    now = st.session_state[_STATE] = look(client)
    if before and before.kind != now.kind:
        st.rerun()
    return now


def last_known() -> ApiState | None:
    """Return the last look of this session."""
    state: ApiState | None = st.session_state.get(_STATE)
    return state


def retry_later(error: ApiError) -> None:
    """Have the page redrawn at the next look, for a question of this run failed."""
    st.session_state[_RETRY] = error


def failed_lately() -> ApiError | None:
    """Return why a question failed since the last look, if one did."""
    error: ApiError | None = st.session_state.get(_RETRY)
    return error
