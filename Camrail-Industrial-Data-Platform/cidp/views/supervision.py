"""Supervision: four sliders, the risk that the API sees in them, why, and the way back."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from cidp.api_answers import Counterfactual, Explanation, Prediction
from cidp.api_client import ApiClient, UncheckedReading
from cidp.api_errors import ApiError, ModelMissing
from cidp.french import clock, percent, quantity
from cidp.views.access import Access
from cidp.views.address import between, say_unusable
from cidp.views.api_state import last_known, retry_later
from cidp.views.asking import failures_said, reachable, show_api_error
from cidp.views.explanation_chart import contributions_chart
from cidp.views.gauges import GAUGES, LOCO_LABEL, Gauge
from cidp.views.markdown import plain
from cidp.views.risk_map import cells, readings_around, risk_map

FIRST_LOCO = "LOCO_001"
LOCO = "loco_id"
LONGEST_LOCO = 64
LIVE = "live_supervision"
_LAST_TEST = "last_api_test"
_LAST_ASKED = "last_asked"
_LAST_MAP = "last_map"
_BY_LABEL = {gauge.label: gauge for gauge in GAUGES}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one question: a prediction, an error, or neither while the model loads."""

    reading: UncheckedReading
    prediction: Prediction | None = None
    error: ApiError | None = None
    elapsed_s: float = 0.0


def show_supervision(access: Access) -> None:
    """Draw the page; moving a slider asks the API again, or only the button if so chosen."""
    client = access.client
    sliders = {gauge.field: between(gauge.lowest, gauge.highest) for gauge in GAUGES}
    say_unusable({LOCO: lambda text: len(text) <= LONGEST_LOCO, **sliders})
    tiles = st.container()
    inputs, result = st.columns([2, 3], gap="large")
    with inputs:
        reading, tested = _controls()
    with tiles:
        _show_readings(reading)
    outcome = _outcome(client, reading, tested)
    with result:
        _show_outcome(outcome, reading)
    with inputs:
        _show_last_test(outcome if tested else None)
    if outcome.prediction:
        _show_reasons(client, outcome.reading, outcome.prediction)


def _outcome(client: ApiClient, reading: UncheckedReading, tested: bool) -> Outcome:
    """Ask, unless the operator wants to ask by the button alone and has a result."""
    last: Outcome | None = st.session_state.get(_LAST_ASKED)
    if last and last.prediction and not tested and not st.session_state[LIVE]:
        return last
    outcome = st.session_state[_LAST_ASKED] = ask(client, reading)
    return outcome


def ask(client: ApiClient, reading: UncheckedReading) -> Outcome:
    """Score the reading, unless the last look at the API already says why it cannot be done."""
    known = last_known()
    model = known.readiness.model if known and known.readiness else None
    if model and model.status == "loading":
        return Outcome(reading)
    if model and model.status == "missing":
        return Outcome(reading, error=ModelMissing(model.error))
    started_s = time.perf_counter()
    try:
        prediction = reachable(client).predict(reading)
    except ApiError as error:
        if error.heals:
            retry_later(error)
        return Outcome(reading, error=error, elapsed_s=time.perf_counter() - started_s)
    return Outcome(reading, prediction, elapsed_s=time.perf_counter() - started_s)


def _controls() -> tuple[UncheckedReading, bool]:
    loco_id = st.text_input(
        LOCO_LABEL, FIRST_LOCO, max_chars=LONGEST_LOCO, key=LOCO, bind="query-params"
    )
    values = {
        gauge.field: st.slider(
            f"{gauge.label} ({gauge.unit})",
            gauge.lowest,
            gauge.highest,
            gauge.start,
            gauge.step,
            format="localized",
            key=gauge.field,
            bind="query-params",
        )
        for gauge in GAUGES
    }
    with st.container(horizontal=True, vertical_alignment="center"):
        tested = st.button("Tester l’API", icon=":material/network_check:", type="primary")
        st.toggle("Suivre les curseurs", value=True, key=LIVE)
    return UncheckedReading(loco_id.strip(), **values), tested


def _show_readings(reading: UncheckedReading) -> None:
    for gauge, column in zip(GAUGES, st.columns(len(GAUGES)), strict=True):
        value = quantity(getattr(reading, gauge.field), gauge.unit, gauge.decimals)
        column.metric(gauge.label, value, border=True)


def _show_outcome(outcome: Outcome, reading: UncheckedReading) -> None:
    if outcome.reading != reading:
        st.info(
            "Les curseurs ont bougé depuis ce résultat : « Tester l’API » l’actualise.",
            icon=":material/sync_problem:",
        )
    if outcome.error:
        show_api_error(outcome.error)
    elif outcome.prediction:
        _show_prediction(outcome.prediction)
    else:
        st.info(
            "**Modèle en cours de chargement**\n\nLe résultat s’affiche dès qu’il est prêt.",
            icon=":material/hourglass_top:",
        )


def _show_prediction(prediction: Prediction) -> None:
    risk_percent = round(100 * prediction.risk_probability, 1)
    _show_banner(prediction, quantity(risk_percent, "%", 1))
    reliability, risk = st.columns(2)
    reliability.metric("Taux de fiabilité machine", quantity(100 - risk_percent, "%", 1))
    risk.metric("Probabilité de risque", quantity(risk_percent, "%", 1))
    for warning in prediction.warnings:
        st.warning(plain(warning), icon=":material/rule:")
    if prediction.explanation and prediction.explanation.counterfactual:
        _show_way_back(prediction.explanation.counterfactual)
    st.caption(
        f"DANGER dès que le risque dépasse le seuil d’alerte, {percent(prediction.threshold)}. Ce "
        "seuil est bas exprès : une panne manquée coûte bien plus cher qu’une fausse alerte.\n\n"
        f"Modèle : {plain(prediction.model_version)}"
    )


def _show_banner(prediction: Prediction, risk: str) -> None:
    loco, threshold = plain(prediction.loco_id), percent(prediction.threshold)
    if prediction.critical_risk:
        st.error(
            f"### DANGER DÉTECTÉ\n{loco} : risque de panne de {risk}, au-dessus du seuil d’alerte "
            f"de {threshold}. Prévenez la maintenance.",
            icon=":material/dangerous:",
        )
    else:
        st.success(
            f"### OPÉRATION NOMINALE\n{loco} : risque de panne de {risk} (seuil d’alerte : "
            f"{threshold}).",
            icon=":material/check_circle:",
        )


def _show_way_back(nearest: Counterfactual) -> None:
    """Say the smallest change that ends the danger; offer it where the sliders can follow."""
    st.markdown(
        f"**Retour au nominal :** {plain(nearest.sentence)} ; le risque serait de "
        f"{percent(nearest.probability)}."
    )
    if all(_within(gauge, nearest.changes) for gauge in GAUGES):
        st.button(
            "Appliquer aux curseurs",
            icon=":material/undo:",
            key="apply_counterfactual",
            on_click=st.session_state.update,
            args=(dict(nearest.changes),),
        )


def _within(gauge: Gauge, changes: dict[str, float]) -> bool:
    return gauge.lowest <= changes.get(gauge.field, gauge.start) <= gauge.highest


def _show_reasons(client: ApiClient, reading: UncheckedReading, prediction: Prediction) -> None:
    why, around = st.columns(2, gap="large")
    with why:
        if prediction.explanation:
            _show_contributions(prediction.explanation)
    with around:
        _show_map(client, reading, prediction)


def _show_contributions(explanation: Explanation) -> None:
    st.subheader("Pourquoi ce risque", anchor=False)
    st.markdown(f"{plain(explanation.sentence)}.")
    st.altair_chart(contributions_chart(explanation), key="contributions", alt=explanation.sentence)
    st.caption(
        "En points de pourcentage, à partir du risque moyen de lectures d’entraînement, "
        f"{percent(explanation.base_probability)}."
    )


def _show_map(client: ApiClient, reading: UncheckedReading, prediction: Prediction) -> None:
    st.subheader("Risque autour de ce point", anchor=False)
    first, second = st.columns(2)
    labels = list(_BY_LABEL)
    across = _BY_LABEL[first.selectbox("Axe horizontal", labels, index=2, key="map_x")]
    others = [label for label in labels if label != across.label]
    up = _BY_LABEL[second.selectbox("Axe vertical", others, index=2, key=f"map_y_{across.field}")]
    with failures_said():
        found = _cells(client, reading, prediction.model_version, across, up)
        st.altair_chart(
            risk_map(found, reading, prediction.threshold, across, up),
            key="risk_map",
            alt=f"Carte du risque selon {across.label.lower()} et {up.label.lower()}",
        )
        st.caption(
            "La croix est la position des curseurs ; les deux autres mesures ne bougent pas. "
            f"L’orange est le seuil d’alerte, {percent(prediction.threshold)} ; plus foncé, c’est "
            "le danger."
        )


def _cells(
    client: ApiClient, reading: UncheckedReading, version: str, across: Gauge, up: Gauge
) -> Any:
    """Return the map of a reading, asked for once while nothing of it changes."""
    asked = (reading, version, across, up)
    if _LAST_MAP not in st.session_state or st.session_state[_LAST_MAP][0] != asked:
        readings = readings_around(reading, across, up)
        found = cells(readings, reachable(client).predict_many(readings), across, up)
        st.session_state[_LAST_MAP] = (asked, found)
    return st.session_state[_LAST_MAP][1]


def _show_last_test(outcome: Outcome | None) -> None:
    """Keep the line of the last manual test in sight until the next one."""
    if outcome:
        st.session_state[_LAST_TEST] = _test_line(outcome)
    if line := st.session_state.get(_LAST_TEST):
        st.caption(line)


def _test_line(outcome: Outcome) -> str:
    at = f"Test de {clock(datetime.now(UTC))}, heure de Douala : "
    if outcome.prediction:
        return at + f"réponse reçue en {quantity(1000 * outcome.elapsed_s, 'ms')}."
    return at + (outcome.error.title if outcome.error else "modèle en cours de chargement") + "."
