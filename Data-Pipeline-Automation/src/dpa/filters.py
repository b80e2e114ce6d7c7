"""Which transactions the report shows."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Filters:
    """Sites (none given: all of them) and civil days in Douala, both ends included."""

    sites: tuple[str, ...] = ()
    first_day: date | None = None
    last_day: date | None = None
