"""Numbers as French readers write them."""

from __future__ import annotations


def number(value: float | None, decimals: int = 0) -> str:
    """Decimal comma, narrow no-break space between thousands, dash for None."""
    if value is None:
        return "–"
    return f"{value:,.{decimals}f}".replace(",", "\u202f").replace(".", ",")
