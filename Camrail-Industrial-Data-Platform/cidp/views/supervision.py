"""Supervision: four sliders, and the risk that the API sees in their position."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from cidp.api_answers import Prediction
from cidp.api_client import ApiClient, UncheckedReading
from cidp.api_errors import ApiError, ApiTooSlow, ApiUnreachable, ModelMissing, ReadingRefused
from cidp.views.api_state import last_known, retry_later
from cidp.views.french import clock, percent, quantity
from cidp.views.gauges import GAUGES, LOCO_LABEL, field_label
from cidp.views.markdown import plain

FIRST_LOCO = "LOCO_001"
_LAST_TEST = "last_api_test"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one question: a prediction, an error, or neither while the model loads."""

    prediction: Prediction | None = None
    error: ApiError | None = None
    elapsed_s: float = 0.0


def show_supervision(client: ApiClient) -> None:
    """Draw the page; moving a slider, or the button, asks the API again."""
    tiles = st.container()
    inputs, result = st.columns([2, 3], gap="large")
    with inputs:
        reading, tested = _controls()
    with tiles:
        _show_readings(reading)
    outcome = ask(client, reading)
    with result:
        _show_outcome(outcome)
    with inputs:
        _show_last_test(outcome if tested else None)


def ask(client: ApiClient, reading: UncheckedReading) -> Outcome:
    """Score the reading, unless the last look at the API already says why it cannot be done."""
    known = last_known()
    if known and isinstance(known.error, ApiUnreachable | ApiTooSlow):
        return Outcome(error=known.error)
    model = known.readiness.model if known and known.readiness else None
    if model and model.status == "loading":
        return Outcome()
    if model and model.status == "missing":
        return Outcome(error=ModelMissing(model.error))
    return _predict(client, reading)


def _predict(client: ApiClient, reading: UncheckedReading) -> Outcome:
    started_s = time.perf_counter()
    try:
        prediction = client.predict(reading)
    except ApiError as error:
        if not isinstance(error, ReadingRefused):
            retry_later()
        return Outcome(error=error, elapsed_s=time.perf_counter() - started_s)
    return Outcome(prediction, elapsed_s=time.perf_counter() - started_s)


def _controls() -> tuple[UncheckedReading, bool]:
    loco_id = st.text_input(LOCO_LABEL, FIRST_LOCO, max_chars=64, key="loco_id")
    values = {
        gauge.field: st.slider(
            f"{gauge.label} ({gauge.unit})",
            gauge.lowest,
            gauge.highest,
            gauge.start,
            gauge.step,
            format="localized",
            key=gauge.field,
        )
        for gauge in GAUGES
    }
    tested = st.button("Tester l’API", icon=":material/network_check:", type="primary")
    return UncheckedReading(loco_id.strip(), **values), tested


def _show_readings(reading: UncheckedReading) -> None:
    for gauge, column in zip(GAUGES, st.columns(len(GAUGES)), strict=True):
        value = quantity(getattr(reading, gauge.field), gauge.unit, gauge.decimals)
        column.metric(gauge.label, value, border=True)


def _show_outcome(outcome: Outcome) -> None:
    if outcome.error:
        show_api_error(outcome.error)
    elif outcome.prediction:
        _show_prediction(outcome.prediction)
    else:
        st.info(
            "**Modèle en cours de chargement**\n\nLe résultat s’affiche dès qu’il est prêt.",
            icon=":material/hourglass_top:",
        )


def show_api_error(error: ApiError) -> None:
    """Say what the API did not do, and what to do about it."""
    details = error.details if isinstance(error, ReadingRefused) else []
    listed = [f"- **{plain(field_label(field))}** : {plain(said)}" for field, said in details]
    body = "\n".join([f"#### {error.title}", plain(str(error)), "", *listed])
    icon = "edit" if isinstance(error, ReadingRefused) else "cloud_off"
    st.warning(body, icon=f":material/{icon}:")


def _show_prediction(prediction: Prediction) -> None:
    risk_percent = round(100 * prediction.risk_probability, 1)
    _show_banner(prediction, quantity(risk_percent, "%", 1))
    reliability, risk = st.columns(2)
    reliability.metric("Taux de fiabilité machine", quantity(100 - risk_percent, "%", 1))
    risk.metric("Probabilité de risque", quantity(risk_percent, "%", 1))
    for warning in prediction.warnings:
        st.warning(plain(warning), icon=":material/rule:")
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
