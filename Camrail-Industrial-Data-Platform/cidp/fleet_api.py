"""`GET /fleet` and `GET /fleet/<loco_id>/history`."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from flask import Flask, Response, request

from cidp.answers import error_answer, json_answer
from cidp.assembly import Parts
from cidp.errors import FieldError, ParametersRefused
from cidp.event_batch import Series
from cidp.event_store import utc_text
from cidp.fleet_queries import (
    Locomotive,
    PastHour,
    PastReading,
    Period,
    fleet,
    is_known,
    past_hours,
    past_readings,
)
from cidp.fleet_trend import TrendRisk
from cidp.guard import Guard
from cidp.parameters import instant, one_of, read_parameters, whole
from cidp.telemetry import is_loco_id

SERIES: tuple[Series, ...] = get_args(Series)
MAX_ROWS = 10_000
DEFAULT_ROWS = 1_000
_DEFAULT_SPAN = {"raw": timedelta(hours=24), "hourly": timedelta(days=30)}
_HISTORY = {
    "series": one_of(*SERIES),
    "from": instant,
    "to": instant,
    "step": one_of("raw", "hourly"),
    "limit": whole(1, MAX_ROWS),
}


def add_routes(app: Flask, parts: Parts, guarded: Guard) -> None:
    """Add both routes, for keys with the scope `read`."""
    views = _Views(parts)
    app.add_url_rule("/fleet", view_func=guarded("read", views.fleet))
    app.add_url_rule("/fleet/<loco_id>/history", view_func=guarded("read", views.history))


@dataclass(frozen=True)
class _Views:
    parts: Parts

    def fleet(self) -> Response:
        asked = read_parameters(request.args, {"series": one_of(*SERIES)})
        series = [asked["series"]] if "series" in asked else SERIES
        with self.parts.store.session(writes=False) as session:
            locomotives = fleet(session, series)
        trends = self.parts.trend.risks()
        now = self.parts.now()
        stale_s = self.parts.settings.telemetry.stale_after_s
        return json_answer(
            {
                "at": utc_text(now),
                "trend_error": self.parts.trend.status().error,
                "locomotives": [
                    _locomotive(found, now, stale_s)
                    | {"trend": _trend(trends.get((found.series, found.loco_id)))}
                    for found in locomotives
                ],
            }
        )

    def history(self, loco_id: str) -> Response:
        asked = read_parameters(request.args, _HISTORY)
        series: Series = asked.get("series", "real")
        step = asked.get("step", "raw")
        last = asked.get("to", self.parts.now())
        first = asked.get("from") or _before(last, _DEFAULT_SPAN[step])
        rows = asked.get("limit", DEFAULT_ROWS)
        if first >= last:
            raise ParametersRefused([FieldError(field="from", message="doit précéder « to »")])
        period = Period(first, last, rows + 1)
        with self.parts.store.session(writes=False) as session:
            if not is_loco_id(loco_id) or not is_known(session, series, loco_id):
                return error_answer(404, "Cette locomotive n'a encore rien envoyé.")
            found = (
                [_reading(past) for past in past_readings(session, series, loco_id, period)]
                if step == "raw"
                else [_hour(past) for past in past_hours(session, series, loco_id, period)]
            )
        return json_answer(
            {
                "loco_id": loco_id,
                "series": series,
                "step": step,
                "from": utc_text(first),
                "to": utc_text(last),
                "truncated": len(found) > rows,
                "rows": found[-rows:],
            }
        )


def _before(last: datetime, span: timedelta) -> datetime:
    """Return the instant `span` before `last`, or the first one that there is."""
    earliest = datetime.min.replace(tzinfo=UTC)
    return last - span if last - earliest > span else earliest


def _locomotive(found: Locomotive, now: datetime, stale_s: float) -> dict[str, Any]:
    age_s = max(0.0, (now - found.timestamp).total_seconds())
    state = "critical" if found.critical else "nominal"
    return {
        "loco_id": found.loco_id,
        "series": found.series,
        "source": found.source,
        "timestamp": utc_text(found.timestamp),
        "age_seconds": round(age_s, 3),
        "state": "silent" if age_s > stale_s else state,
        "readings": found.readings,
        "critical_risk": int(found.critical),
        "risk_probability": round(found.probability, 4),
        "model_version": found.model_version,
        "recent_risks": [round(risk, 4) for risk in found.recent_risks],
        "alerts": [alert._asdict() for alert in found.alerts],
    }


def _trend(risk: TrendRisk | None) -> dict[str, Any] | None:
    if risk is None:
        return None
    return {
        "critical_risk": int(risk.critical),
        "risk_probability": round(risk.probability, 4),
        "model_version": risk.model_version,
    }


def _reading(past: PastReading) -> dict[str, Any]:
    return {
        "source": past.source,
        "timestamp": utc_text(past.timestamp),
        "readings": past.readings,
        "critical_risk": int(past.critical),
        "risk_probability": round(past.probability, 4),
        "model_version": past.model_version,
    }


def _hour(past: PastHour) -> dict[str, Any]:
    return {
        "hour": utc_text(past.hour),
        "count": past.readings_count,
        "critical": past.critical,
        "risk_mean": round(past.risk_mean, 4),
        "risk_maximum": round(past.risk_maximum, 4),
        "readings": {name: extent._asdict() for name, extent in past.readings.items()},
    }
