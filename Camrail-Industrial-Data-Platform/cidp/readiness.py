"""What `/ready` says: which model serves, whether the store answers, where data comes from."""

from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from cidp.assembly import Parts
from cidp.errors import StoreError
from cidp.event_batch import SERIES_DOORS, Door
from cidp.event_store import LastEvent, utc_text
from cidp.feeds import Feed, running_feeds

DOORS_BY_RANK: Final[tuple[Door, ...]] = ("kafka", "mqtt", "http", "simulator")
"""Of several sources that run, the first one names them: what is real before what is not."""


class SourceStatus(NamedTuple):
    """Where telemetry comes from; `unknown` while the store does not answer.

    `mode` is the door of the newest stored event, of the newest real one until it is stale; when
    what brought it has ended and something else runs, the door of the latter, and `last` is its
    newest event, if there is one yet.
    """

    mode: Door | Literal["none", "unknown"]
    last: LastEvent | None
    feeds: list[Feed]
    error: str | None

    def age_s(self, now: datetime) -> float | None:
        """Seconds since the newest event was stored; never negative."""
        return max(0.0, (now - self.last.received_at).total_seconds()) if self.last else None


def read_source(parts: Parts) -> SourceStatus:
    """Ask the store for its newest event; an answer is also the proof that it works."""
    try:
        feeds = running_feeds(parts.store, parts.now())
        last = parts.store.last_event()
        if last and last.source == "simulator":
            real = parts.store.last_event(SERIES_DOORS["real"])
            if _is_fresh(real, parts):
                last = real
        running = [feed.door for feed in feeds]
        if running and (last is None or last.source not in [*running, "http"]):
            mode = min(running, key=DOORS_BY_RANK.index)
            return SourceStatus(mode, parts.store.last_event([mode]), feeds, None)
        return SourceStatus(last.source if last else "none", last, feeds, None)
    except StoreError as error:
        parts.metrics.store_errors.inc()
        return SourceStatus("unknown", None, [], str(error))


def _is_fresh(last: LastEvent | None, parts: Parts) -> bool:
    limit = timedelta(seconds=parts.settings.telemetry.stale_after_s)
    return last is not None and parts.now() - last.received_at <= limit


def readiness(parts: Parts) -> dict[str, Any]:
    """Return the body of `/ready`; the service is ready when it can score and store.

    It does so without a trend model, which is told all the same.
    """
    model = parts.model.status()
    source = read_source(parts)
    ready = model.status == "serving" and source.error is None
    return {
        "status": "ready" if ready else "not_ready",
        "model": model._asdict(),
        "trend": parts.trend.status()._asdict(),
        "store": {
            "status": "ok" if source.error is None else "unavailable",
            "backend": parts.store.backend,
            "error": source.error,
        },
        "source": _source_body(source, parts),
    }


def _source_body(source: SourceStatus, parts: Parts) -> dict[str, Any]:
    return {
        "mode": source.mode,
        "last_event_at": utc_text(source.last.received_at) if source.last else None,
        "last_event_age_seconds": source.age_s(parts.now()),
        "stale": not _is_fresh(source.last, parts),
        "feeds": [
            {
                "door": feed.door,
                "since": utc_text(feed.since),
                "reason": feed.reason,
                "lag": feed.lag,
            }
            for feed in source.feeds
        ],
    }
