"""A civil day in Douala, as clients write it."""

import re
from datetime import date

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_day(text: str) -> date:
    """Read AAAA-MM-JJ and no other form of ISO 8601; raises ValueError."""
    if not _DAY.fullmatch(text):
        raise ValueError(f"{text!r} is not AAAA-MM-JJ")
    return date.fromisoformat(text)
