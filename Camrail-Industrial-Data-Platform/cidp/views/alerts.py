"""Alertes: what is open, who looks after it, and what came of it."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from cidp.api_answers import Alert, AlertAction
from cidp.api_client import AlertVerb, ApiClient
from cidp.api_errors import ApiError
from cidp.french import counted, instant, number, percent, quantity
from cidp.telemetry import is_loco_id
from cidp.views.access import Access
from cidp.views.address import one_of, say_unusable
from cidp.views.asking import failures_said, reachable, show_api_error
from cidp.views.gauges import GAUGES, field_label
from cidp.views.markdown import plain

REFRESH_S = 5.0
SHOWN = 200
LIST_HEIGHT_PX = 390
MOST_EXPORTED = 10_000
PAGE = 1_000
CHOSEN = "alerte"
FILTERS = {
    "Ouvertes": "open",
    "Nouvelles": "new",
    "Prises en charge": "acknowledged",
    "Fermées": "closed",
    "Toutes": "",
}
JUDGED = {"Toutes": "", "Jugées": "true", "À juger": "false"}
STATES = {"new": "⬤ Nouvelle", "acknowledged": "◐ Prise en charge", "closed": "◯ Fermée"}
VERDICTS = {True: "Vraie alerte", False: "Fausse alerte", None: "—"}
_ACTIONS = {
    "acknowledge": "a pris l’alerte en charge",
    "comment": "a commenté",
    "verdict": "a jugé",
    "close": "a fermé l’alerte",
}
_JUDGEMENTS = {"true": "vraie alerte", "false": "fausse alerte"}
_CLICKS = "alerts_clicks"
_CHOSEN = "alert_chosen"
_FAILED = "alert_action_failed"
_TEXT = "alert_comment"
_ACTED = "alert_acted"
_EMPTY = "alert_comment_empty"


def show_alerts(access: Access) -> None:
    """Draw the filters, the alerts that pass them, and the one that is chosen."""
    say_unusable({"etat": one_of(FILTERS), "jugement": one_of(JUDGED), CHOSEN: str.isdecimal})
    query = _filters()
    st.fragment(_show_list, run_every=REFRESH_S)(access, query)
    if CHOSEN not in st.session_state and (named := st.query_params.get(CHOSEN, "")).isdecimal():
        st.session_state[CHOSEN] = int(named)
    if CHOSEN in st.session_state:
        st.fragment(_show_chosen, run_every=REFRESH_S)(access)
    _export(access.client, query)


def _filters() -> dict[str, str | int]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = st.segmented_control(
            "État", list(FILTERS), default="Ouvertes", required=True, key="etat",
            bind="query-params",
        )  # fmt: skip
        judged = st.segmented_control(
            "Jugement", list(JUDGED), default="Toutes", required=True, key="jugement",
            bind="query-params",
        )  # fmt: skip
        loco_id = st.text_input(
            "Locomotive", max_chars=64, key="alerts_loco", width=220, placeholder="LOCO_001"
        ).strip()
    if loco_id and not is_loco_id(loco_id):
        st.warning("Cet identifiant n’est pas celui d’une locomotive : il est ignoré.")
        loco_id = ""
    asked = {"state": FILTERS[str(state)], "judged": JUDGED[str(judged)], "loco_id": loco_id}
    return {name: value for name, value in asked.items() if value}


def rows(alerts: Iterable[Alert]) -> list[dict[str, Any]]:
    """Return what the table, and the export, show of each alert."""
    return [
        {
            "Numéro": alert.id,
            "État": STATES[alert.state],
            "Locomotive": alert.loco_id,
            "Cause": field_label(alert.cause),
            "Ouverte": instant(alert.opened_at),
            "Fermée": instant(alert.closed_at) if alert.closed_at else "",
            "Risque": percent(alert.risk_probability),
            "Risque le plus haut": percent(alert.peak_probability),
            "Jugement": VERDICTS[alert.true_alarm],
            "Par": alert.actions[-1].author if alert.actions else "",
            "Série": "simulée" if alert.series == "simulated" else "réelle",
        }
        for alert in alerts
    ]


def _show_list(access: Access, query: dict[str, str | int]) -> None:
    with failures_said():
        page = reachable(access.client).alerts({**query, "limit": SHOWN})
        if not page.alerts:
            # As high as the table: what stands below must not move under the pointer.
            with st.container(height=LIST_HEIGHT_PX, border=False):
                st.info(
                    "Aucune alerte ne répond à ces critères.", icon=":material/notifications_off:"
                )
            return
        # Another table after each click: rows move, and a selection would not move with them.
        key = f"alerts_{st.session_state.setdefault(_CLICKS, 0)}"
        st.dataframe(
            pd.DataFrame(rows(page.alerts)),
            hide_index=True,
            key=key,
            height=LIST_HEIGHT_PX,
            on_select=lambda: _choose(key, page.alerts),
            selection_mode="single-row",
            alt="Les alertes, la plus récente d’abord",
        )
        more = " ; d’autres, plus anciennes, sont dans l’export" if page.next_before else ""
        st.caption(
            f"{counted(len(page.alerts), 'alerte')}{more}. Heures de Douala. Sélectionnez une "
            "ligne pour la suivre."
        )
    if st.session_state.pop(_CHOSEN, False):
        st.rerun()


def _choose(key: str, alerts: Sequence[Alert]) -> None:
    chosen = st.session_state[key].selection.rows
    if chosen and chosen[0] < len(alerts):
        st.session_state[CHOSEN] = alerts[chosen[0]].id
        st.query_params[CHOSEN] = str(alerts[chosen[0]].id)
        st.session_state[_CHOSEN] = True
    st.session_state[_CLICKS] += 1


def _show_chosen(access: Access) -> None:
    """Draw the alert that is chosen; what others do shows here, and what is being typed stays."""
    if st.session_state.pop(_ACTED, False):
        st.rerun()  # the list shows it too
    with failures_said():
        _show_one(access, st.session_state[CHOSEN])


def _show_one(access: Access, alert_id: int) -> None:
    found = reachable(access.client).alerts({"before": alert_id + 1, "limit": 1}).alerts
    if not found or found[0].id != alert_id:
        st.info(f"L’alerte {alert_id} n’existe pas.", icon=":material/help:")
        return
    (alert,) = found
    st.subheader(
        f"Alerte {alert.id} : {plain(alert.loco_id)}, {field_label(alert.cause).lower()}",
        anchor=False,
    )
    about, acting = st.columns(2, gap="large")
    with about:
        _show_facts(alert)
    with acting:
        if failed := st.session_state.pop(_FAILED, None):
            show_api_error(failed)
        if access.may("alerts"):
            _show_actions(access, alert)


def _show_facts(alert: Alert) -> None:
    st.markdown(
        f"**{STATES[alert.state]}** — ouverte le {instant(alert.opened_at)} (heure de Douala), "
        f"risque {percent(alert.risk_probability)}, au plus {percent(alert.peak_probability)}."
    )
    readings = [
        f"{gauge.label.lower()} {quantity(alert.readings[gauge.field], gauge.unit, 1)}"
        for gauge in GAUGES
    ]
    st.markdown(f"À l’ouverture : {', '.join(readings)}.")
    for action in alert.actions:
        st.markdown(f"- {instant(action.at)} : {plain(_said(action))}")
    if alert.closed_at and alert.closed_by is None:
        st.markdown(f"- {instant(alert.closed_at)} : fermée d’elle-même, le risque est retombé.")


def _said(action: AlertAction) -> str:
    """Say what somebody did, in one line, as it was typed."""
    judged = action.action == "verdict"
    detail = _JUDGEMENTS.get(action.detail, "") if judged else " ".join(action.detail.split())
    return f"{action.author} {_ACTIONS[action.action]}" + (f" : {detail}" if detail else "")


def _show_actions(access: Access, alert: Alert) -> None:
    with st.container(horizontal=True):
        _button(access, alert, "acknowledge", "Prendre en charge", disabled=alert.state != "new")
        _button(access, alert, "close", "Fermer l’alerte", disabled=alert.state == "closed")
    with st.container(horizontal=True):
        _button(access, alert, "verdict", "C’était une vraie alerte", true_alarm=True)
        _button(access, alert, "verdict", "C’était une fausse alerte", true_alarm=False)
    # A form takes what is typed with the click; alone, a field gives it up only when it is left.
    with st.form("alert_comment_form", border=False):
        st.text_area("Commentaire", max_chars=2_000, key=_TEXT, height=90)
        st.form_submit_button(
            "Ajouter le commentaire",
            key="alert_comment_send",
            on_click=_comment,
            args=(access, alert.id),
        )
    if st.session_state.pop(_EMPTY, False):
        st.warning("Écrivez le commentaire avant de l’ajouter.", icon=":material/edit:")


def _button(
    access: Access,
    alert: Alert,
    verb: AlertVerb,
    label: str,
    *,
    disabled: bool = False,
    **body: bool,
) -> None:
    st.button(
        label,
        key=f"alert_{verb}_{''.join(str(value) for value in body.values())}",
        on_click=_act,
        args=(access, alert.id, verb),
        kwargs=body,
        disabled=disabled,
    )


def _act(access: Access, alert_id: int, verb: AlertVerb, **body: object) -> None:
    """Do it, in the name of the person; a failure is shown where the buttons are."""
    st.session_state[_ACTED] = True
    try:
        access.client.act_on_alert(alert_id, verb, access.person, **body)
    except ApiError as error:
        st.session_state[_FAILED] = error


def _comment(access: Access, alert_id: int) -> None:
    text = str(st.session_state[_TEXT]).strip()
    if not text:
        st.session_state[_EMPTY] = True
        return
    _act(access, alert_id, "comment", text=text)
    if _FAILED not in st.session_state:
        st.session_state[_TEXT] = ""


def _export(client: ApiClient, query: dict[str, str | int]) -> None:
    st.download_button(
        "Exporter ces alertes (CSV pour Excel)",
        lambda: exported(*every(client, query)),
        "alertes.csv",
        "text/csv",
        key="alerts_export",
        icon=":material/download:",
        on_click="ignore",
        help=f"Les {number(MOST_EXPORTED)} plus récentes au plus.",
    )


def every(client: ApiClient, query: dict[str, str | int]) -> tuple[list[Alert], bool]:
    """Return what passes the filter, `MOST_EXPORTED` at most, and whether older ones are left."""
    found: list[Alert] = []
    before: dict[str, str | int] = {}
    while len(found) < MOST_EXPORTED:
        page = client.alerts({**query, **before, "limit": PAGE})
        found += page.alerts
        if page.next_before is None:
            return found, False
        before = {"before": page.next_before}
    return found, True


def exported(alerts: Iterable[Alert], cut: bool) -> bytes:
    """Return a table that Excel in French opens by itself: semicolons, and a mark of UTF-8.

    What people wrote is never taken for a formula; a table that was `cut` says so in its last row.
    """
    text = io.StringIO()
    table = [
        {
            **row,
            "Suivi": " | ".join(f"{instant(a.at)} {_said(a)}" for a in alert.actions),
        }
        for alert in alerts
        for row in rows([alert])
    ]
    writer = csv.DictWriter(text, [*_HEADINGS, "Suivi"], delimiter=";")
    writer.writeheader()
    writer.writerows({name: _inert(value) for name, value in row.items()} for row in table)
    if cut:
        writer.writerow({"Numéro": _CUT})
    return text.getvalue().encode("utf-8-sig")


def _inert(value: object) -> object:
    starts = isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t"}
    return f"'{value}" if starts else value


_CUT = (
    f"D’autres alertes, plus anciennes, ne sont pas dans cet export de {number(MOST_EXPORTED)} : "
    "choisissez un état, un jugement ou une locomotive."
)
_HEADINGS = (
    "Numéro", "État", "Locomotive", "Cause", "Ouverte", "Fermée", "Risque", "Risque le plus haut",
    "Jugement", "Par", "Série",
)  # fmt: skip
