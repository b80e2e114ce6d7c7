"""What `/ready` says: which model serves, whether the store answers, where data comes from."""

from datetime import datetime
from typing import Any, NamedTuple

from cidp.assembly import Parts
from cidp.errors import StoreError
from cidp.event_store import LastEvent, utc_text


class SourceStatus(NamedTuple):
    """The newest stored event, if the store answers and holds one."""

    last: LastEvent | None
    error: str | None

    def age_s(self, now: datetime) -> float | None:
        """Seconds since the newest event was stored; never negative."""
        return max(0.0, (now - self.last.received_at).total_seconds()) if self.last else None

    @property
    def mode(self) -> str:
        """Door of the newest event, or "none"."""
        return self.last.source if self.last else "none"


def read_source(parts: Parts) -> SourceStatus:
    """Ask the store for its newest event; an answer is also the proof that it works."""
    try:
        return SourceStatus(parts.store.last_event(), None)
    except StoreError as error:
        parts.metrics.store_errors.inc()
        return SourceStatus(None, str(error))


def readiness(parts: Parts) -> dict[str, Any]:
    """Return the body of `/ready`; the service is ready when it can score and store."""
    model = parts.model.status()
    source = read_source(parts)
    ready = model.status == "serving" and source.error is None
    return {
        "status": "ready" if ready else "not_ready",
        "model": model._asdict(),
        "store": {
            "status": "ok" if source.error is None else "unavailable",
            "backend": parts.store.backend,
            "error": source.error,
        },
        "source": _source_body(source, parts),
    }


def _source_body(source: SourceStatus, parts: Parts) -> dict[str, Any]:
    age_s = source.age_s(parts.now())
    return {
        "mode": source.mode,
        "last_event_at": utc_text(source.last.received_at) if source.last else None,
        "last_event_age_seconds": age_s,
        "stale": age_s is None or age_s > parts.settings.telemetry.stale_after_s,
    }
