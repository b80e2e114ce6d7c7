"""`GET /alerts`, and what an operator does with one: acknowledge, comment, judge, close."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args

from flask import Flask, Response, request
from werkzeug.exceptions import UnsupportedMediaType

from cidp.alert_desk import Action, Alert, acknowledge, close, comment, judge, list_alerts
from cidp.answers import Answer, error_answer, json_answer
from cidp.assembly import Parts
from cidp.errors import AlertClosed, ParametersRefused, UnknownAlert
from cidp.event_batch import Series
from cidp.event_store import utc_text
from cidp.guard import Guard, describe_write, operator
from cidp.parameters import Reader, instant, loco_id, one_of, read_parameters, whole
from cidp.pydantic_compat import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PydanticCustomError,
    ValidationError,
)
from cidp.store_session import Session
from cidp.telemetry import READINGS, field_errors

MAX_ALERTS = 1_000
DEFAULT_ALERTS = 100
MAX_BODY_BYTES = 16_384
MAX_ID = 2**63 - 1
SHOWN_ID = 40
"""Characters that an answer repeats of a number that was asked for."""

JSON, CSV = "application/json", "text/csv"
_STATES = {
    "new": ["new"],
    "acknowledged": ["acknowledged"],
    "closed": ["closed"],
    "open": ["new", "acknowledged"],
}
_FILTERS: dict[str, Reader] = {
    "state": one_of(*_STATES),
    "series": one_of(*get_args(Series)),
    "loco_id": loco_id,
    "since": instant,
    "judged": one_of("true", "false"),
    "before": whole(1, MAX_ID),
    "limit": whole(1, MAX_ALERTS),
}
_PRINTABLE = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"
"""Texts without control characters, which PostgreSQL or a terminal would not take."""

CSV_COLUMNS = (
    "id", "series", "loco_id", "cause", "state", "opened_at", "closed_at", "closed_by", "source",
    *READINGS, "risk_probability", "peak_probability", "model_version", "verdict", "verdict_by",
    "verdict_at",
)  # fmt: skip


def _printable(text: str) -> str:
    if not re.fullmatch(_PRINTABLE, text):
        raise PydanticCustomError("control_characters", "not printable")
    return text


class CommentBody(BaseModel):
    """The body of `POST /alerts/<id>/comment`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    text: Annotated[
        str,
        Field(min_length=1, max_length=2_000, json_schema_extra={"pattern": _PRINTABLE}),
        AfterValidator(_printable),
    ]


class VerdictBody(BaseModel):
    """The body of `POST /alerts/<id>/verdict`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    true_alarm: bool


Body = TypeVar("Body", bound=BaseModel)


def add_routes(app: Flask, parts: Parts, guarded: Guard) -> None:
    """Add the routes: reading for the scope `read`, the rest for `operate`."""
    views = _Views(parts)
    app.add_url_rule("/alerts", view_func=guarded("read", views.alerts))
    for name in ("acknowledge", "comment", "verdict", "close"):
        app.add_url_rule(
            f"/alerts/<alert_id>/{name}",
            view_func=guarded("operate", getattr(views, name)),
            methods=["POST"],
        )
    app.register_error_handler(UnknownAlert, lambda error: error_answer(404, str(error)))
    app.register_error_handler(AlertClosed, lambda error: error_answer(409, str(error)))


@dataclass(frozen=True)
class _Views:
    parts: Parts

    def alerts(self) -> Response:
        asked = read_parameters(request.args, _FILTERS)
        limit = asked.pop("limit", DEFAULT_ALERTS)
        if "state" in asked:
            asked["states"] = _STATES[asked.pop("state")]
        if "judged" in asked:
            asked["judged"] = int(asked["judged"] == "true")
        with self.parts.store.session(writes=False) as session:
            found = list_alerts(session, asked, limit + 1)
        shown, more = found[:limit], len(found) > limit
        if request.accept_mimetypes.best_match([JSON, CSV], JSON) == CSV:
            return _csv(shown, shown[-1].id if more else None)
        body = {
            "alerts": [alert_body(alert) for alert in shown],
            "next_before": shown[-1].id if more else None,
        }
        return json_answer(body)

    def acknowledge(self, alert_id: str) -> Response:
        return self._written(alert_id, acknowledge)

    def comment(self, alert_id: str) -> Response:
        text = _body(CommentBody).text
        return self._written(alert_id, comment, text)

    def verdict(self, alert_id: str) -> Response:
        true_alarm = _body(VerdictBody).true_alarm

        def judged(session: Session, *asked: Any) -> Alert:
            return judge(session, *asked, is_true=true_alarm)

        return self._written(alert_id, judged)

    def close(self, alert_id: str) -> Response:
        return self._written(alert_id, close)

    def _written(self, alert_id: str, act: Callable[..., Alert], *more: str) -> Response:
        try:
            number = whole(1, MAX_ID)(alert_id)
        except ValueError:
            asked = alert_id if len(alert_id) <= SHOWN_ID else f"{alert_id[:SHOWN_ID]}…"
            raise UnknownAlert(f"Aucune alerte n'a le numéro {asked}.") from None
        author = operator()
        with self.parts.store.session() as session:
            alert = act(session, number, author, self.parts.now(), *more)
        describe_write(f"alerte {number}, {author}")
        return json_answer(alert_body(alert))


def _body(model: type[Body]) -> Body:
    if request.mimetype != JSON:
        raise UnsupportedMediaType
    request.max_content_length = MAX_BODY_BYTES
    try:
        found: Body = model.model_validate_json(request.get_data(cache=False))
    except ValidationError as error:
        raise ParametersRefused(field_errors(error)) from None
    return found


def alert_body(alert: Alert) -> dict[str, Any]:
    """Return an alert as the API answers it."""
    return {
        "id": alert.id,
        "series": alert.series,
        "loco_id": alert.loco_id,
        "cause": alert.cause,
        "state": alert.state,
        "opened_at": utc_text(alert.opened_at),
        "closed_at": utc_text(alert.closed_at) if alert.closed_at else None,
        "closed_by": alert.closed_by,
        "source": alert.source,
        "readings": alert.readings,
        "risk_probability": round(alert.probability, 4),
        "peak_probability": round(alert.peak_probability, 4),
        "model_version": alert.model_version,
        "true_alarm": alert.verdict,
        "actions": [action._asdict() | {"at": utc_text(action.at)} for action in alert.actions],
    }


def _csv(alerts: Sequence[Alert], next_before: int | None) -> Response:
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for alert in alerts:
        body = alert_body(alert)
        writer.writerow(body | body["readings"] | _verdict(alert))
    answer = Answer(text.getvalue(), content_type="text/csv; charset=utf-8")
    if next_before is not None:
        answer.headers["X-Next-Before"] = str(next_before)
    return answer


def _verdict(alert: Alert) -> dict[str, str]:
    given: list[Action] = [action for action in alert.actions if action.action == "verdict"]
    if not given:
        return {}
    last = given[-1]
    return {"verdict": last.detail, "verdict_by": last.author, "verdict_at": utc_text(last.at)}
