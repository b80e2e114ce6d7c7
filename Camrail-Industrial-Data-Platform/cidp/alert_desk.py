"""The alerts of the store, and what people do with them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from cidp.errors import AlertClosed, UnknownAlert
from cidp.store_session import Row, Session
from cidp.telemetry import READINGS

Verb = Literal["acknowledge", "comment", "verdict", "close"]
_COLUMNS = (
    "id, series, loco_id, cause, state, opened_at, source, flow_rate, pressure, vibration,"
    " temperature, probability, peak_probability, model_version, closed_at, closed_by, verdict"
)
_CONDITIONS = {
    "states": "state IN :states",
    "series": "series = :series",
    "loco_id": "loco_id = :loco_id",
    "since": "opened_at >= :since",
    "before": "id < :before",
    "judged": "(verdict IS NOT NULL) = (:judged = 1)",
}
"""What a list of alerts may be narrowed by."""


class Action(NamedTuple):
    """One thing that a person did."""

    at: datetime
    author: str
    action: Verb
    detail: str


class Alert(NamedTuple):
    """One alert: the reading that opened it, its state, and what people did, oldest first.

    `verdict` is True for a true alarm, False for a false one. `closed_by` is None for an alert that
    closed by itself.
    """

    id: int
    series: str
    loco_id: str
    cause: str
    state: Literal["new", "acknowledged", "closed"]
    opened_at: datetime
    source: str
    readings: dict[str, float]
    probability: float
    peak_probability: float
    model_version: str
    closed_at: datetime | None
    closed_by: str | None
    verdict: bool | None
    actions: list[Action]


def list_alerts(session: Session, wanted: Mapping[str, Any], limit: int) -> list[Alert]:
    """Return alerts, newest first; `wanted` has some of states, series, loco_id, since, before,
    judged (1 or 0)."""
    conditions = " AND ".join(_CONDITIONS[name] for name in wanted) or "1 = 1"
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM alerts WHERE {conditions} ORDER BY id DESC LIMIT :limit",  # noqa: S608
        limit=limit,
        **wanted,
    )
    return _with_actions(session, rows)


def find_alert(session: Session, alert_id: int) -> Alert:
    """Return one alert; raises `UnknownAlert`."""
    query = f"SELECT {_COLUMNS} FROM alerts WHERE id = :id"  # noqa: S608 (our names)
    found = _with_actions(session, session.rows(query, id=alert_id))
    if not found:
        raise UnknownAlert(f"Aucune alerte n'a le numéro {alert_id}.")
    return found[0]


def acknowledge(session: Session, alert_id: int, author: str, at: datetime) -> Alert:
    """Say that somebody looks after the alert; raises `AlertClosed`. A second time does nothing."""
    alert = _open_alert(session, alert_id)
    if alert.state == "new":
        session.run("UPDATE alerts SET state = 'acknowledged' WHERE id = :id", id=alert_id)
        _note(session, alert_id, Action(at, author, "acknowledge", ""))
    return find_alert(session, alert_id)


def comment(session: Session, alert_id: int, author: str, at: datetime, text: str) -> Alert:
    """Add a remark, also to a closed alert."""
    find_alert(session, alert_id)
    _note(session, alert_id, Action(at, author, "comment", text))
    return find_alert(session, alert_id)


def judge(session: Session, alert_id: int, author: str, at: datetime, *, is_true: bool) -> Alert:
    """Keep whether the alarm was a true one; the newest verdict counts."""
    find_alert(session, alert_id)
    session.run("UPDATE alerts SET verdict = :verdict WHERE id = :id", verdict=is_true, id=alert_id)
    _note(session, alert_id, Action(at, author, "verdict", "true" if is_true else "false"))
    return find_alert(session, alert_id)


def close(session: Session, alert_id: int, author: str, at: datetime) -> Alert:
    """Close the alert; raises `AlertClosed`. Only critical readings to come may open another."""
    alert = _open_alert(session, alert_id)
    session.run(
        "UPDATE alerts SET state = 'closed', closed_at = :at, closed_by = :author WHERE id = :id",
        at=at,
        author=author,
        id=alert_id,
    )
    session.run(
        "UPDATE fleet SET recent = '' WHERE series = :series AND loco_id = :loco_id",
        series=alert.series,
        loco_id=alert.loco_id,
    )
    _note(session, alert_id, Action(at, author, "close", ""))
    return find_alert(session, alert_id)


def _open_alert(session: Session, alert_id: int) -> Alert:
    # The row stays ours until the end: two people cannot close it at once.
    session.rows("SELECT id FROM alerts WHERE id = :id FOR UPDATE", id=alert_id)
    alert = find_alert(session, alert_id)
    if alert.state == "closed":
        raise AlertClosed(f"L'alerte {alert_id} est déjà fermée.")
    return alert


def _note(session: Session, alert_id: int, action: Action) -> None:
    session.run(
        "INSERT INTO alert_actions (alert_id, at, author, action, detail)"
        " VALUES (:alert_id, :at, :author, :action, :detail)",
        alert_id=alert_id,
        **action._asdict(),
    )


def _with_actions(session: Session, rows: Sequence[Row]) -> list[Alert]:
    if not rows:
        return []
    actions: dict[int, list[Action]] = {}
    for alert_id, at, *rest in session.rows(
        "SELECT alert_id, at, author, action, detail FROM alert_actions"
        " WHERE alert_id IN :ids ORDER BY id",
        ids=[row[0] for row in rows],
    ):
        actions.setdefault(alert_id, []).append(Action(session.instant(at), *rest))
    return [_alert(session, row, actions.get(row[0], [])) for row in rows]


def _alert(session: Session, row: Row, actions: list[Action]) -> Alert:
    alert_id, series, loco_id, cause, state, opened_at, source, *values = row
    probability, peak, version, closed_at, closed_by, verdict = values[len(READINGS) :]
    return Alert(
        alert_id,
        series,
        loco_id,
        cause,
        state,
        session.instant(opened_at),
        source,
        dict(zip(READINGS, values[: len(READINGS)], strict=True)),
        probability,
        peak,
        version,
        None if closed_at is None else session.instant(closed_at),
        closed_by,
        None if verdict is None else bool(verdict),
        actions,
    )
