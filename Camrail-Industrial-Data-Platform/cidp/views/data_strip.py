"""The strip above every page: source and age of the data, state of the API."""

from typing import Literal, NamedTuple

import streamlit as st

from cidp.api_answers import Readiness, SourceState
from cidp.api_client import ApiClient
from cidp.french import age, clock, counted, minute
from cidp.views.api_state import ApiState, refresh
from cidp.views.markdown import plain

REFRESH_S = 2.0
SOURCES = {
    "simulator": "Simulateur local",
    "http": "Données réelles — HTTP",
    "kafka": "Données réelles — Kafka",
    "mqtt": "Données réelles — MQTT",
    "none": "Aucune donnée reçue",
    "unknown": "Source et âge des données inconnus",
}


class Sign(NamedTuple):
    """One badge: its text, icon and colour say the same thing."""

    text: str
    icon: str
    color: Literal["green", "orange", "red", "blue", "gray"]


@st.fragment(run_every=REFRESH_S)
def show_data_strip(client: ApiClient) -> None:
    """Draw the strip now and every `REFRESH_S` seconds."""
    state = refresh(client)
    with st.container(horizontal=True, vertical_alignment="center", key="data_strip"):
        for sign in signs(state):
            st.badge(sign.text, icon=sign.icon, color=sign.color)
        if state.readiness:
            st.caption(newest_event(state.readiness.source), width="content")


def signs(state: ApiState) -> list[Sign]:
    """Return the badges for one look at the API."""
    if state.readiness is None:
        title = state.error.title if state.error else ""
        return [Sign(title, ":material/cloud_off:", "red"), _unknown_source()]
    return [
        *_source_signs(state.readiness.source),
        *_service_signs(state.readiness),
    ]


def newest_event(source: SourceState) -> str:
    """Say when the newest event happened, in Douala's time, and how long ago that is."""
    if source.mode == "unknown":
        return "Ce qui est arrivé reparaîtra quand la base d’événements répondra."
    if source.last_event_at is None or source.last_event_age_seconds is None:
        return "Démarrez le simulateur ou envoyez des événements à POST /telemetry."
    return (
        f"Dernier événement à {clock(source.last_event_at)}, heure de Douala "
        f"({age(source.last_event_age_seconds)})"
    )


def source_said(source: SourceState) -> str:
    """Name the source; of the simulator, also say why and since when it stands in."""
    name = SOURCES[source.mode]
    for feed in source.feeds:
        if feed.door == source.mode == "simulator" and feed.reason:
            return f"{name} — {plain(feed.reason)}, depuis {minute(feed.since)}"
    return name


def _unknown_source() -> Sign:
    return Sign(SOURCES["unknown"], ":material/help:", "gray")


def _source_signs(source: SourceState) -> list[Sign]:
    if source.mode == "unknown":
        return [_unknown_source()]
    origin = Sign(source_said(source), ":material/sensors:", "blue")
    if source.mode == "none":
        return [origin]
    if source.stale:
        return [origin, Sign("PÉRIMÉ", ":material/history:", "red"), *_held_up(source)]
    return [origin, Sign("À jour", ":material/check:", "green")]


def _held_up(source: SourceState) -> list[Sign]:
    """Say that messages wait while nothing is stored, which is not for want of telemetry."""
    waiting = sum(feed.lag or 0 for feed in source.feeds)
    if not waiting:
        return []
    said = f"Enregistrement suspendu, en attente : {counted(waiting, 'message')}"
    return [Sign(said, ":material/pause_circle:", "red")]


def _service_signs(readiness: Readiness) -> list[Sign]:
    shown = []
    if readiness.model.status == "loading":
        shown.append(Sign("Modèle en cours de chargement", ":material/hourglass_top:", "orange"))
    if readiness.model.status == "missing":
        shown.append(Sign("Aucun modèle en service", ":material/model_training:", "red"))
    if readiness.store.status == "unavailable":
        shown.append(Sign("Base d’événements indisponible", ":material/database_off:", "red"))
    return shown
