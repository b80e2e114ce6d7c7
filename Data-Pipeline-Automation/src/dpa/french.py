"""Numbers and instants as French readers write them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dpa.dates import DOUALA_OFFSET_MINUTES

NBSP = "\u00a0"


def number(value: float, decimals: int = 0) -> str:
    """Write 1234.5 as « 1 234,5 », with no-break spaces that cp1252 consoles know too."""
    return f"{value:,.{decimals}f}".replace(",", NBSP).replace(".", ",")


def douala_time(moment: datetime) -> datetime:
    """Give the naive local time in Douala of an aware instant."""
    return (moment.astimezone(UTC) + timedelta(minutes=DOUALA_OFFSET_MINUTES)).replace(tzinfo=None)


def plural(count: int, singular: str, several: str) -> str:
    """Write « 0 ligne », « 1 ligne », « 2 lignes »."""
    return f"{number(count)} {several if count > 1 else singular}"


def some(items: Sequence[object], shown: int = 5) -> str:
    """List the first items and count the others: « M1, M2 et 3 de plus »."""
    told = ", ".join(map(str, items[:shown]))
    rest = len(items) - shown
    return f"{told} et {number(rest)} de plus" if rest > 0 else told
