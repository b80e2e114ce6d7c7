"""Modèle: what serves and how well, what has drifted, and the versions that may take its place."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from cidp.api_answers import Figures, ModelCard, ModelVersion, Promotion
from cidp.api_client import ApiClient, UncheckedReading, moved
from cidp.api_errors import ApiError, ModelMissing
from cidp.drift import ENOUGH_ROWS
from cidp.french import counted, day, figure, instant, number, percent, quantity
from cidp.views.access import Access
from cidp.views.address import say_unusable
from cidp.views.asking import failures_said, reachable, show_api_error
from cidp.views.charts import DARK, INK, french, line_at
from cidp.views.gauges import GAUGES, Gauge, field_label
from cidp.views.job_panel import show_jobs, started
from cidp.views.markdown import plain, show_reasons
from cidp.views.supervision import FIRST_LOCO

POINTS = 40
"""Values of each curve."""

WATCHED, DRIFTED = 0.1, 0.25
"""Usual limits of the population stability index: to be watched, and drifted (Siddiqi 2006)."""

_DRIFT_SOURCES = {
    "telemetry": "Télémétrie réelle des sept derniers jours, une lecture par locomotive et heure",
    "predict": "Lectures soumises à /predict dans l’heure",
}

NAMES = {
    "model": "Ce modèle",
    "never_fails": "« Jamais de panne »",
    "single_threshold": "Un seul seuil",
    "logistic_regression": "Régression logistique",
    "gradient_boosting": "Gradient boosting",
}
SLOTS = {"instant": "instantané", "trend": "de tendance"}
FIGURES: dict[str, tuple[str, str, int]] = {
    "average_precision": ("Précision moyenne", "", 3),
    "precision": ("Précision", "%", 0),
    "recall": ("Rappel", "%", 0),
    "f1": ("F1", "", 3),
    "brier": ("Brier", "", 4),
    "calibration_error": ("Erreur de calibration", "", 3),
    "cost": ("Coût", "", 0),
    "failures_announced": ("Pannes annoncées", "%", 0),
    "lead_time_median_h": ("Avance médiane", "h", 0),
    "false_alarms_per_group_month": ("Fausses alertes par mois", "", 1),
}
LESSONS = {
    "d’amorçage": ("training", "elle ne sert qu’une fois promue"),
    "recueillies, avec les ordres de travail": (
        "retraining",
        "elle sert si elle est meilleure que celle qui sert, jugée sur les mêmes lectures",
    ),
}
"""What may be learned from: the kind of work, and what becomes of the new version."""
_PROMOTED = "promotion_said"
_FAILED = "promotion_failed"


def show_model(access: Access) -> None:
    """Draw the card, the curves and the drift, then the versions and the work on them."""
    say_unusable({})
    with failures_said():
        try:
            card = reachable(access.client).model()
        except ModelMissing as error:
            show_api_error(error)
        else:
            _show_card(card)
            _show_curves(access.client, card)
            _show_drift(access.client)
    st.subheader("Versions", anchor=False)
    with failures_said():
        _show_versions(access)


def _show_card(card: ModelCard) -> None:
    held = card.held_out
    window = card.training_window
    facts = {
        "Version": plain(card.version),
        "Créé le": f"{instant(card.created_at)}, heure de Douala",
        "Annonce": f"une panne dans les {quantity(card.horizon_hours or 0, 'h')}",
        "Seuil d’alerte": f"{percent(card.threshold)} : une panne manquée est comptée "
        f"{number(card.cost_miss)} fois, une fausse alerte {number(card.cost_false_alarm)}",
        "Entraîné": f"du {day(window.start)} au {day(window.end)}" if window else "—",
        "Jugé sur": f"{number(held.get('rows', 0))} lectures jamais vues, dont "
        f"{number(held.get('positives', 0))} avant une panne "
        f"({plain(str(held.get('split', '?')))})",
    }
    st.markdown("\n".join(f"- **{name}** : {said}" for name, said in facts.items()))
    st.subheader("À côté d’autres règles", anchor=False)
    st.dataframe(
        pd.DataFrame(compared(card.metrics)), hide_index=True, alt="Le modèle et les autres"
    )
    if said := why_the_forest(card.metrics):
        st.caption(said)


def why_the_forest(metrics: Mapping[str, Figures]) -> str:
    """Say why the forest serves, where a rule beside it ranks better; empty elsewhere."""
    ours = metrics.get("model", {}).get("average_precision")
    others = {
        NAMES[name]: found
        for name in NAMES
        if name != "model" and (found := metrics.get(name, {}).get("average_precision"))
    }
    better = ", ".join(
        f"{name.lower()} {number(found, 3)}"
        for name, found in others.items()
        if ours is not None and found > ours
    )
    if ours is None or not better:
        return ""
    return (
        f"Classent mieux ces lectures que ce modèle ({number(ours, 3)} de précision moyenne) : "
        f"{better}. La forêt aléatoire sert pourtant : le dossier d’exploitation la demande, et "
        "son risque est monotone par construction, ce qu’aucune de ces règles ne garantit. Plus de "
        "vibrations ou de température ne l’abaisse jamais, plus de débit ne le relève jamais ; la "
        "pression reste libre, car trop haute ou trop basse elle annonce une panne."
    )


def compared(metrics: Mapping[str, Figures]) -> list[dict[str, str]]:
    """Return one row per figure, one column per model or rule."""
    known = [name for name in NAMES if name in metrics]
    return [
        {"Mesure": label}
        | {NAMES[name]: figure(metrics[name].get(name_of_figure), unit, decimals) for name in known}
        for name_of_figure, (label, unit, decimals) in FIGURES.items()
        if any(metrics[name].get(name_of_figure) is not None for name in known)
    ]


def _show_curves(client: ApiClient, card: ModelCard) -> None:
    st.subheader("Risque selon chaque mesure", anchor=False)
    frame = _risks_by_measure(client)
    for gauge, column in zip(GAUGES, st.columns(len(GAUGES)), strict=True):
        column.altair_chart(
            _curve(frame, gauge, card.threshold),
            key=f"curve_{gauge.field}",
            alt=f"Risque selon {gauge.label.lower()}",
        )
    nominal = ", ".join(f"{gauge.label.lower()} {number(gauge.start)}" for gauge in GAUGES)
    st.caption(
        f"Les autres mesures à leur valeur nominale ({nominal}). Tirets : le seuil d’alerte."
    )


def _risks_by_measure(client: ApiClient) -> Any:
    """Return one row per measure and value, the other measures standing at their start."""
    start = UncheckedReading(FIRST_LOCO, **{gauge.field: gauge.start for gauge in GAUGES})
    readings, places = [], []
    for gauge in GAUGES:
        for n in range(POINTS + 1):
            value = gauge.lowest + (gauge.highest - gauge.lowest) * n / POINTS
            readings.append(moved(start, **{gauge.field: value}))
            places.append((gauge, value))
    risks = client.predict_many(readings).results
    return pd.DataFrame(
        [
            {"gauge": gauge.field, "value": value, "risk": risk.risk_probability}
            for (gauge, value), risk in zip(places, risks, strict=True)
        ]
    )


def _curve(frame: Any, gauge: Gauge, threshold: float) -> Any:
    curve = (
        alt.Chart(frame[frame["gauge"] == gauge.field])
        .mark_line(color=DARK)
        .encode(
            x=alt.X("value:Q", title=f"{gauge.label} ({gauge.unit})")
            .scale(domain=[gauge.lowest, gauge.highest])
            .axis(tickCount=4),
            y=alt.Y("risk:Q", title="Risque").scale(domain=[0, 1]).axis(format=".0%"),
            tooltip=[
                alt.Tooltip("value:Q", title=gauge.label, format=",.1f"),
                alt.Tooltip("risk:Q", title="Risque", format=".1%"),
            ],
        )
    )
    return french((curve + line_at(threshold)).properties(height=220))


def _show_drift(client: ApiClient) -> None:
    st.subheader("Dérive", anchor=False)
    found = client.samples("api_drift_psi", "api_drift_readings")
    for source, said in _DRIFT_SOURCES.items():
        of_source = [one for one in found if one.labels["source"] == source]
        drift = {one.labels["variable"]: one.value for one in of_source if "variable" in one.labels}
        count = sum(int(one.value) for one in of_source if "variable" not in one.labels)
        if not of_source:
            st.caption(f"{said} : pas encore lue, ou la base d’événements ne répond pas.")
            continue
        if not drift:
            st.caption(
                f"{said} : pas encore mesurable. {counted(count, 'lecture')} ; il en faut "
                f"{number(ENOUGH_ROWS)}."
            )
            continue
        judged = source == "telemetry"  # an hour of a few locomotives always looks unlike months
        chart = _drift_chart(drift, judged=judged)
        st.altair_chart(chart, key=f"drift_{source}", alt=f"Dérive : {said}")
        limits = (
            f"Tirets : à surveiller dès {number(WATCHED, 2)}, dérive dès {number(DRIFTED, 2)}."
            if judged
            else "Une heure ne suffit pas à dire une dérive : elle ressemble à sa météo."
        )
        st.caption(f"{said} : {counted(count, 'lecture')}, comparées à l’entraînement. {limits}")


def _drift_chart(drift: Mapping[str, float], *, judged: bool) -> Any:
    frame = pd.DataFrame(
        [
            {
                "name": "Risque" if name == "risk" else field_label(name),
                "psi": value,
                "said": f"{number(value, 3)}, {_verdict(value)}" if judged else number(value, 3),
            }
            for name, value in drift.items()
        ]
    )
    base = alt.Chart(frame).encode(
        y=alt.Y("name:N", title=None, sort="-x").axis(labelOverlap=False),
        x=alt.X("psi:Q", title="Indice de stabilité de population").scale(
            domain=[0, 1.4 * max(0.3, float(frame["psi"].max()))]
        ),
    )
    texts = base.mark_text(align="left", dx=4, color=INK).encode(text="said:N")
    bars = base.mark_bar(color=DARK)
    drawn = bars + texts
    if judged:
        drawn += line_at(WATCHED, "x") + line_at(DRIFTED, "x")
    return french(drawn.properties(height=230))


def _verdict(psi: float) -> str:
    if psi >= DRIFTED:
        return "dérive"
    return "à surveiller" if psi >= WATCHED else "stable"


def _show_versions(access: Access) -> None:
    found = reachable(access.client).models()
    st.dataframe(
        pd.DataFrame([_version_row(version) for version in found.models]),
        hide_index=True,
        alt="Les versions du registre, la plus récente d’abord",
    )
    show_reasons([(one.version, one.error) for one in found.models if one.error])
    may_change = access.may("models")
    running = show_jobs(access, ["training", "retraining", "bootstrap"], may_stop=may_change)
    if said := st.session_state.pop(_PROMOTED, None):
        st.success(said, icon=":material/check_circle:")
    if failed := st.session_state.pop(_FAILED, None):
        show_api_error(failed)
    if not may_change:
        return
    training, promoting = st.columns(2, gap="large")
    with training:
        _show_training(access, running)
    with promoting:
        _show_promotion(access, [version for version in found.models if not version.promoted])


def _version_row(version: ModelVersion) -> dict[str, str]:
    metrics = version.metrics or {}
    promoted = "promue" if version.promoted else ""
    waiting = "inutilisable" if version.error else promoted
    return {
        "Version": version.version,
        "Modèle": SLOTS[version.slot],
        "État": "en service" if version.serving else waiting,
        "Créée le (Douala)": instant(version.created_at) if version.created_at else "",
        "Seuil": figure(version.threshold, "%", 1),
        "Précision moyenne": figure(metrics.get("average_precision"), "", 3),
        "Rappel": figure(metrics.get("recall"), "%", 0),
        "Coût": figure(metrics.get("cost"), "", 0),
    }


def _show_training(access: Access, running: bool) -> None:
    st.markdown("**Entraîner**")
    data = st.selectbox("Données", list(LESSONS), key="lesson")
    kind, after = LESSONS[data]
    trials = st.number_input("Réglages essayés", 1, 50, 1, key="trials")
    seed = st.number_input("Graine", 0, 2_147_483_647, 42, key="seed")
    st.button(
        "Lancer l’entraînement",
        key="train",
        type="primary",
        icon=":material/model_training:",
        on_click=started,
        args=(access, kind, {"trials": int(trials), "seed": int(seed)}),
        disabled=running,
        help=f"La nouvelle version va au registre ; {after}.",
    )


def _show_promotion(access: Access, others: list[ModelVersion]) -> None:
    st.markdown("**Mettre en service**")
    usable = {version.version: SLOTS[version.slot] for version in others if not version.error}
    if not usable:
        st.caption("Aucune autre version utilisable au registre.")
        return
    chosen = st.selectbox(
        "Version",
        list(usable),
        format_func=lambda version: f"{version} ({usable[version]})",
        key="promoted_version",
        on_change=_unsure,
    )
    sure = st.checkbox(
        f"Je remplace le modèle {usable[chosen]} par cette version", key="promote_sure"
    )
    st.button(
        "Promouvoir",
        key="promote",
        icon=":material/publish:",
        on_click=_promote,
        args=(access, chosen),
        disabled=not sure,
    )


def _promote(access: Access, version: str) -> None:
    try:
        done = access.client.promote(version, access.person)
    except ApiError as error:
        st.session_state[_FAILED] = error
        return
    st.session_state[_PROMOTED] = promotion_said(done)
    _unsure()


def _unsure() -> None:
    st.session_state["promote_sure"] = False


def promotion_said(done: Promotion) -> str:
    """Say what a promotion changed, and which version answers after it."""
    version = plain(done.promoted)
    if done.serving == done.promoted:
        return f"Version {version} en service."
    if done.slot == "trend":
        return f"Version {version} promue : modèle de tendance. Celui qui répond n’a pas changé."
    answers = f"{plain(done.serving)} répond encore" if done.serving else "aucun modèle ne répond"
    return f"Version {version} promue, mais {answers} : voir la page Système."
