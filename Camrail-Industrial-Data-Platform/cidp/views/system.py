"""Système: the health of each part, where the data come from, and what ran last."""

from typing import Any

import pandas as pd
import streamlit as st

from cidp import __version__
from cidp.api_answers import Readiness, SourceState
from cidp.api_client import ApiClient
from cidp.french import age, counted, instant, number
from cidp.views.access import Access
from cidp.views.address import say_unusable
from cidp.views.api_state import last_known
from cidp.views.asking import failures_said, reachable, show_api_error
from cidp.views.data_strip import source_said
from cidp.views.job_panel import STATES
from cidp.views.markdown import plain, show_reasons

REFRESH_S = 5.0
_MODEL = {"serving": "en service", "loading": "en cours de chargement", "missing": "aucun modèle"}


def show_system(access: Access) -> None:
    """Draw the page; it renews itself."""
    say_unusable({})
    st.fragment(_show, run_every=REFRESH_S)(access)
    st.subheader("Liens", anchor=False)
    url = access.client.settings.shown_url
    with st.container(horizontal=True):
        st.link_button("Documentation de l’API", f"{url}/docs", icon=":material/menu_book:")
        st.link_button("Mesures Prometheus", f"{url}/metrics", icon=":material/monitoring:")
        st.link_button("Disponibilité", f"{url}/ready", icon=":material/health_and_safety:")


def _show(access: Access) -> None:
    known = last_known()
    if known and known.readiness:
        parts = health(known.readiness)
        for (name, (well, said)), column in zip(parts.items(), st.columns(len(parts)), strict=True):
            with column.container(border=True):
                st.markdown(f"**{name}**")
                st.badge(
                    "En ordre" if well else "À voir",
                    icon=":material/check:" if well else ":material/error:",
                    color="green" if well else "red",
                )
                st.markdown(said)
    elif known and known.error:
        show_api_error(known.error)
        return
    with failures_said():
        _show_versions(reachable(access.client))
        _show_last_jobs(access.client)


def health(readiness: Readiness) -> dict[str, tuple[bool, str]]:
    """Return for each part whether it is well, and what is to be known of it."""
    model, store, source = readiness.model, readiness.store, readiness.source
    refused = readiness.trend.error if readiness.trend else None
    never = "" if source.mode == "unknown" else " ; dernier événement jamais"
    seen = (
        f" ; dernier événement {age(source.last_event_age_seconds)}"
        if source.last_event_age_seconds is not None
        else never
    )
    ready = readiness.status == "ready"
    return {
        "API": (ready, f"répond ; {'prête' if ready else 'pas prête'}"),
        "Modèle": (
            model.status == "serving" and not refused,
            f"{_MODEL[model.status]} : {plain(model.version or model.error or '—')}"
            + (f" ; tendance : {plain(refused)}" if refused else ""),
        ),
        "Base d’événements": (
            store.status == "ok",
            f"{plain(store.backend or '—')} {plain(store.error or '')}",
        ),
        "Source des données": (
            not source.stale,
            f"{source_said(source)}{seen}{_lag(source)}",
        ),
    }


def _lag(source: SourceState) -> str:
    """Say how many messages wait in the broker, where it tells."""
    waiting = [feed.lag for feed in source.feeds if feed.lag is not None]
    return f" ; {counted(sum(waiting), 'message')} en attente" if waiting else ""


def _show_versions(client: ApiClient) -> None:
    st.subheader("Versions et charge", anchor=False)
    workers = client.metric("api_workers").get("", 1)
    facts = {
        "API": client.version(),
        "Tableau de bord": __version__,
        "Adresse de l’API": client.settings.shown_url,
        "Processus qui répondent": number(workers),
    }
    st.markdown("\n".join(f"- **{name}** : {plain(said)}" for name, said in facts.items()))


def _show_last_jobs(client: ApiClient) -> None:
    st.subheader("Derniers travaux", anchor=False)
    found = client.jobs()
    if not found.jobs:
        st.caption("Aucun travail n’a encore été lancé par l’API.")
        return
    newest = found.jobs[:20]
    listed: list[dict[str, Any]] = [
        {
            "Début (Douala)": instant(job.started_at),
            "Fin (Douala)": instant(job.ended_at) if job.ended_at else "",
            "Travail": found.label(job.kind),
            "État": STATES[job.state],
            "Pour": job.on_behalf_of or "",
            "Clé": job.started_by,
        }
        for job in newest
    ]
    st.dataframe(pd.DataFrame(listed), hide_index=True, alt="Derniers travaux de l’API")
    show_reasons(
        [
            (f"{found.label(job.kind)}, {instant(job.started_at)}", job.error)
            for job in newest
            if job.error
        ]
    )
