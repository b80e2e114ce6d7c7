"""Flotte en direct: one row per locomotive, alerts and risks first, and the history of one."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from cidp.api_answers import Fleet, History, Locomotive, ModelCard, Series
from cidp.api_client import ApiClient
from cidp.api_errors import ModelMissing
from cidp.french import age, clock, counted, number, percent, quantity
from cidp.views.access import Access
from cidp.views.address import one_of, say_unusable
from cidp.views.asking import failures_said, reachable
from cidp.views.charts import ALARM, CLOCK, DARK, french, line_at, wall_clock
from cidp.views.gauges import GAUGES, Gauge, field_label
from cidp.views.markdown import plain

REFRESH_S = 2.0
MAX_POINTS = 1_000
FEW_POINTS = 40
"""Fewer readings are marked one by one."""

LIVE, LOCO, SERIES, SPAN = "fleet_live", "loco", "serie", "periode"
STATES = {"critical": "⬤ DANGER", "nominal": "◯ Nominale", "silent": "✕ Muette"}
SILENT_IN_DANGER = "✕ Muette (DANGER)"
"""Fell silent after a critical reading."""

TREND = "Tendance"
RISING = " ↗"
"""Follows the state where the trend model sees a failure come."""

SERIES_NAMES: dict[Series, str] = {"real": "Réelle", "simulated": "Simulée"}
_SERIES_OF_NAMES = {name: series for series, name in SERIES_NAMES.items()}
SPANS = {"15 min": 15, "1 h": 60, "6 h": 360, "24 h": 1_440}
_CLICKS = "fleet_clicks"
_CHOSEN = "fleet_chosen"
_CHOSEN_SERIES = "fleet_chosen_series"
_PAUSED = "fleet_paused_at"


def show_fleet(access: Access) -> None:
    """Draw the page; both parts renew themselves unless the operator pauses them."""
    say_unusable({LOCO: bool, SERIES: one_of(_SERIES_OF_NAMES), SPAN: one_of(SPANS)})
    live = st.toggle("Actualiser en direct", value=True, key=LIVE)
    run_every = REFRESH_S if live else None
    _say_paused(live)
    st.fragment(_show_table, run_every=run_every)(access)
    if LOCO not in st.session_state and (named := st.query_params.get(LOCO)):
        st.session_state[LOCO] = named
    if st.session_state.get(LOCO):
        st.fragment(_show_history, run_every=run_every)(access)
    else:
        st.caption("Sélectionnez une ligne : l’historique de la locomotive s’affiche dessous.")


def _say_paused(live: bool) -> None:
    if live:
        st.session_state.pop(_PAUSED, None)
        return
    since: datetime = st.session_state.setdefault(_PAUSED, datetime.now(UTC))
    st.warning(
        f"**EN PAUSE depuis {clock(since)}** : la flotte ne se renouvelle plus d’elle-même.",
        icon=":material/pause_circle:",
    )


def by_risk(fleet: Fleet) -> list[Locomotive]:
    """Return the locomotives: those with an open alert, then the riskiest.

    Silent ones come last, but for those whose last reading was critical.
    """
    return sorted(
        fleet.locomotives,
        key=lambda loco: (
            not loco.alerts,
            loco.state == "silent" and not loco.critical_risk,
            -loco.risk_probability,
            loco.loco_id,
        ),
    )


def rows(locomotives: Sequence[Locomotive]) -> Any:
    """Return what the table shows of each locomotive; the trend where a model tells some."""
    trends = [loco.trend.risk_probability if loco.trend else None for loco in locomotives]
    table = pd.DataFrame(
        {
            "État": [_state(loco) + _rising(loco) for loco in locomotives],
            "Locomotive": [loco.loco_id for loco in locomotives],
            "Série": [SERIES_NAMES[loco.series] for loco in locomotives],
            "Risque": [loco.risk_probability for loco in locomotives],
            TREND: pd.Series(trends, dtype="float64"),
            "Récent": [list(loco.recent_risks) for loco in locomotives],
            "Dernière lecture": [age(loco.age_seconds) for loco in locomotives],
            "Alertes ouvertes": [
                ", ".join(field_label(alert.cause) for alert in loco.alerts) for loco in locomotives
            ],
            **{
                gauge.heading: [loco.readings[gauge.field] for loco in locomotives]
                for gauge in GAUGES
            },
        }
    )
    return table if table[TREND].notna().any() else table.drop(columns=TREND)


def _state(loco: Locomotive) -> str:
    if loco.state == "silent" and loco.critical_risk:
        return SILENT_IN_DANGER
    return STATES[loco.state]


def _rising(loco: Locomotive) -> str:
    return RISING if loco.trend and loco.trend.critical_risk else ""


def written(table: Any) -> Any:
    """Return `table` with its figures in French, each column with as many decimals throughout."""
    readings = {gauge.heading: partial(number, decimals=1) for gauge in GAUGES}
    return table.style.format(
        {"Risque": percent, **({TREND: percent} if TREND in table else {}), **readings}, na_rep="–"
    )


def _show_table(access: Access) -> None:
    with failures_said():
        fleet = reachable(access.client).fleet()
        shown = by_risk(fleet)
        if not shown:
            st.info(
                "**Aucune locomotive**\n\nDémarrez le simulateur ou envoyez des lectures à "
                "POST /telemetry : la flotte apparaît d’elle-même.",
                icon=":material/train:",
            )
            return
        _show_counts(shown)
        # Another table after each click: rows move, and a selection would not move with them.
        key = f"fleet_{st.session_state.setdefault(_CLICKS, 0)}"
        st.dataframe(
            written(rows(shown)),
            hide_index=True,
            column_config={"Récent": st.column_config.LineChartColumn(y_min=0, y_max=1, width=75)},
            key=key,
            on_select=lambda: _choose(key, shown),
            selection_mode="single-row",
            alt="La flotte, la locomotive la plus à risque d’abord",
        )
        st.caption(f"Flotte vue à {clock(fleet.at)}, heure de Douala.{_about_trends(shown)}")
        if fleet.trend_error:
            st.caption(f":material/warning: {_refused_trend(fleet.trend_error)}")
    if st.session_state.pop(_CHOSEN, False):
        st.rerun()


def _about_trends(shown: Sequence[Locomotive]) -> str:
    if not any(loco.trend for loco in shown):
        return ""
    return (
        f" {TREND} : ce que le modèle de tendance voit dans les derniers jours ;{RISING}, une panne"
        " qui vient."
    )


def _refused_trend(error: str) -> str:
    return (
        f"Le modèle de tendance promu ne sert pas ; le dernier bon, s’il y en a un, sert encore. "
        f"{plain(error)} Promouvez-en ou entraînez-en un autre à la page Modèle ; au prochain "
        "lancement, run_platform.py en entraîne un."
    )


def _show_counts(shown: Sequence[Locomotive]) -> None:
    """Count locomotives: one may have two series, and is silent when the real one is.

    In danger is one whose last reading was critical: silence is no end of the danger.
    """
    real = {loco.loco_id for loco in shown if loco.series == "real"}
    named = [loco for loco in shown if loco.series == "real" or loco.loco_id not in real]
    counts = {
        "Locomotives": len({loco.loco_id for loco in shown}),
        "En danger": len({loco.loco_id for loco in shown if loco.critical_risk}),
        "Muettes": sum(loco.state == "silent" for loco in named),
        "Alertes ouvertes": sum(len(loco.alerts) for loco in shown),
    }
    for (label, count), column in zip(counts.items(), st.columns(len(counts)), strict=True):
        column.metric(label, number(count), border=True)
    st.caption(series_counted(shown))


def series_counted(shown: Sequence[Locomotive]) -> str:
    """Say of which series the counts are; of both, how many come from each."""
    of_series = {
        name.lower(): [loco for loco in shown if loco.series == series]
        for series, name in SERIES_NAMES.items()
    }
    present = {name: locomotives for name, locomotives in of_series.items() if locomotives}
    if len(present) == 1:
        return f"Série {next(iter(present))} seulement."
    told = " et ".join(
        f"{counted(len(locos), 'locomotive')} {name}{'s' * (len(locos) > 1)}"
        f" ({number(sum(loco.critical_risk for loco in locos))} en danger)"
        for name, locos in present.items()
    )
    return f"Les deux séries ensemble : {told} ; celle qui est dans les deux compte une fois."


def _choose(key: str, shown: Sequence[Locomotive]) -> None:
    """Keep the locomotive of the row that was clicked, whatever row it is in next."""
    chosen = st.session_state[key].selection.rows
    if chosen and chosen[0] < len(shown):
        loco = shown[chosen[0]]
        st.session_state[LOCO] = loco.loco_id
        st.session_state[_CHOSEN_SERIES] = SERIES_NAMES[loco.series]
        st.session_state[_CHOSEN] = True
    st.session_state[_CLICKS] += 1


def _show_history(access: Access) -> None:
    loco_id: str = st.session_state[LOCO]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader(f"Historique de {plain(loco_id)}", anchor=False)
        st.button("Fermer", icon=":material/close:", key="fleet_close", on_click=_leave)
    with failures_said():
        client = reachable(access.client)
        minutes, series = _span_and_series(client, loco_id)
        since = datetime.now(UTC) - timedelta(minutes=minutes)
        past = client.history(loco_id, series, since, MAX_POINTS)
        if not past.rows:
            st.info("Aucune lecture dans cette période.", icon=":material/history:")
            return
        card = _card(client)
        _draw_history(history_frame(past), card)
        st.caption(_about(past, card))


def _span_and_series(client: ApiClient, loco_id: str) -> tuple[int, Series]:
    """Draw the choices; at first the series is the address's, or else the one that lives."""
    named = _SERIES_OF_NAMES.get(
        st.session_state.get(_CHOSEN_SERIES) or st.query_params.get(SERIES, "")
    )
    with st.container(horizontal=True):
        span = st.segmented_control(
            "Période", list(SPANS), default="1 h", required=True, key=SPAN, bind="query-params"
        )
        series = st.segmented_control(
            "Série",
            list(SERIES_NAMES),
            default=named or _series_of(client.fleet(), loco_id),
            required=True,
            format_func=SERIES_NAMES.__getitem__,
            key=f"{SERIES}_{loco_id}_{st.session_state.get(_CLICKS)}",
        )
    # A bound setting would leave its default out, and the link would open what lives then. What
    # renews itself may bring back the address from before a click: it is put right each time.
    shown = {LOCO: loco_id, SERIES: SERIES_NAMES[series]}
    if any(st.query_params.get(name) != value for name, value in shown.items()):
        st.query_params.update(shown)
    return SPANS[str(span)], series


def _series_of(fleet: Fleet, loco_id: str) -> Series:
    """Return the series of a locomotive that has the newest reading."""
    found = [loco for loco in fleet.locomotives if loco.loco_id == loco_id]
    return min(found, key=lambda loco: loco.age_seconds).series if found else "real"


def _card(client: ApiClient) -> ModelCard | None:
    try:
        return client.model()
    except ModelMissing:
        return None


def _about(past: History, card: ModelCard | None) -> str:
    newest = " (les plus récentes)" if past.truncated else ""
    drawn = (
        "Bande : la plage habituelle de l’entraînement, du premier au dernier décile ; tirets : "
        f"le seuil d’alerte, {percent(card.threshold)}."
        if card
        else "Sans modèle en service, ni seuil ni plage habituelle."
    )
    return (
        f"{counted(len(past.rows), 'lecture')}{newest}, jusqu’à "
        f"{clock(past.rows[-1].timestamp)}, heure de Douala. {drawn}"
    )


def _leave() -> None:
    for name in (LOCO, _CHOSEN_SERIES):
        st.session_state.pop(name, None)
    for name in (LOCO, SERIES):
        st.query_params.pop(name, None)


def history_frame(past: History) -> Any:
    """Return one row per reading: its time on a clock in Douala, its risk, its measures."""
    return pd.DataFrame(
        [
            {"t": wall_clock(row.timestamp), "risk": row.risk_probability, **row.readings}
            for row in past.rows
        ]
    )


def _draw_history(frame: Any, card: ModelCard | None) -> None:
    st.altair_chart(
        risk_chart(frame, card.threshold if card else None),
        key="history_risk",
        alt=f"Risque de panne : {percent(frame['risk'].iloc[-1])} à la dernière lecture",
    )
    usual = {
        feature["name"]: feature["reference"]["edges"]
        for feature in (card.features if card else ())
        if feature.get("reference", {}).get("edges")
    }
    left, right = st.columns(2)
    for gauge, column in zip(GAUGES, (left, right, left, right), strict=True):
        chart = reading_chart(frame, gauge, usual.get(gauge.field))
        newest = quantity(frame[gauge.field].iloc[-1], gauge.unit, 1)
        column.altair_chart(
            chart,
            key=f"history_{gauge.field}",
            alt=f"{gauge.label} : {newest} à la dernière lecture",
        )


def risk_chart(frame: Any, threshold: float | None) -> Any:
    """Draw the risk over time, with the threshold of the alert where one is known."""
    y = alt.Y("risk:Q", title=None).scale(domain=[0, 1]).axis(format=".0%", tickCount=3)
    drawn = _line(frame, "risk", y, ".1%", ALARM)
    if threshold is not None:
        drawn += line_at(threshold)
    return _titled(drawn, "Risque de panne")


def reading_chart(frame: Any, gauge: Gauge, edges: Sequence[float] | None) -> Any:
    """Draw a measure over time, above the band that is usual: first to last of `edges`."""
    y = alt.Y(f"{gauge.field}:Q", title=None).scale(zero=False).axis(tickCount=4)
    drawn = _line(frame, gauge.field, y, ",.1f", DARK)
    if edges:
        band = alt.Chart().mark_rect(color="#9fc5e8", opacity=0.35, aria=False)
        drawn = band.encode(y=alt.datum(edges[0]), y2=alt.datum(edges[-1])) + drawn
    return _titled(drawn, f"{gauge.label} ({gauge.unit})")


def _titled(chart: Any, title: str) -> Any:
    return french(chart.properties(height=190, title=title))


def _line(frame: Any, field: str, y: Any, number_format: str, color: str) -> Any:
    return (
        alt.Chart(frame)
        .mark_line(color=color, point={"color": color} if len(frame) < FEW_POINTS else False)
        .encode(
            x=alt.X("t:T", title=None).axis(format="%H:%M:%S", tickCount=5),
            y=y,
            tooltip=[
                alt.Tooltip("t:T", title="Heure de Douala", format=CLOCK),
                alt.Tooltip(f"{field}:Q", title="Valeur", format=number_format),
            ],
        )
    )
