"""Numbers, units and times as a French reader writes them."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

DOUALA = ZoneInfo("Africa/Douala")
NBSP = "\N{NO-BREAK SPACE}"


def number(value: float, decimals: int = 0) -> str:
    """Write a number with a decimal comma and groups of three digits.

    >>> number(-1234.56, 1).replace(NBSP, "_")
    '-1_234,6'
    """
    return f"{value:,.{decimals}f}".replace(",", NBSP).replace(".", ",")


def quantity(value: float, unit: str, decimals: int = 0) -> str:
    """Write a number and its unit, never parted at the end of a line."""
    return f"{number(value, decimals)}{NBSP}{unit}"


def counted(count: int, noun: str) -> str:
    """Write a number of things; French has a plural from two on.

    >>> counted(1, "lecture"), counted(2, "lecture")
    ('1 lecture', '2 lectures')
    """
    return f"{number(count)} {noun if count < 2 else noun + 's'}"


def figure(value: float | None, unit: str, decimals: int) -> str:
    """Write a figure with its unit, if any; "%" stands for a share, and a dash for no value."""
    if value is None:
        return "—"
    if unit == "%":
        return percent(value, decimals)
    return quantity(value, unit, decimals) if unit else number(value, decimals)


def percent(share: float, decimals: int = 1) -> str:
    """Write a share between 0 and 1 as a percentage."""
    return quantity(100 * share, "%", decimals)


def clock(instant: datetime) -> str:
    """Write the time of an aware instant as it is in Douala."""
    return f"{instant.astimezone(DOUALA):%H:%M:%S}"


def minute(instant: datetime) -> str:
    """Write the hour and minute of an aware instant as they are in Douala."""
    return f"{instant.astimezone(DOUALA):%H:%M}"


def instant(moment: datetime) -> str:
    """Write the day and time of an aware instant as they are in Douala."""
    return f"{moment.astimezone(DOUALA):%d/%m/%Y %H:%M:%S}"


def day(civil: date) -> str:
    """Write a civil day."""
    return f"{civil:%d/%m/%Y}"


def age(seconds: float) -> str:
    """Write an age in its largest whole unit, from seconds to days."""
    for unit, length_s in (("j", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length_s:
            return f"il y a {quantity(seconds // length_s, unit)}"
    return f"il y a {quantity(max(seconds, 0) // 1, 's')}"
