"""One log line for the first answer of each kind, then for one of many."""

from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FAILURES_PER_LINE = 10
REASON = "cidp.reason"
"""Key of the environ under which a refusal leaves its reason for the log."""


class AccessLog:
    """Writes one line for `per_line` answers of the same route, method and status.

    Of failures of the service itself (5xx) it writes one of ten. All are counted in the metrics: a
    flood of requests must not fill the disk.
    """

    def __init__(self, per_line: int) -> None:
        self._per_line = per_line
        self._seen: dict[tuple[str, str, int], int] = {}

    def note(
        self, environ: "WSGIEnvironment", route: str, method: str, status: int, seconds: float
    ) -> None:
        """Take note of one answer; `route` and `method` come from closed lists."""
        kind = (route, method, status)
        seen = self._seen.get(kind, 0)
        self._seen[kind] = seen + 1
        every = self._per_line if status < 500 else min(self._per_line, FAILURES_PER_LINE)
        if seen % every == 0:
            _write(environ, kind, seconds, every)


def _write(
    environ: "WSGIEnvironment", kind: tuple[str, str, int], seconds: float, every: int
) -> None:
    route, method, status = kind
    duration_ms = round(seconds * 1000, 2)
    facts = {"route": route, "method": method, "status": status, "duration_ms": duration_ms}
    bound = logger.bind(**facts, address=environ.get("REMOTE_ADDR", ""), one_of=every)
    reason = environ.get(REASON)
    bound.log(
        "INFO" if status < 500 else "WARNING",
        "{} {} {} en {} ms{}",
        method,
        route,
        status,
        f"{duration_ms:.2f}".replace(".", ","),
        f" : {reason}" if reason else "",
    )
