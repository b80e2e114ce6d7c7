"""A progress bar on stderr, in French, silent when stderr is not a terminal."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

_LAYOUT = "{desc} {percentage:3.0f} % |{bar:30}| {n_fmt}/{total_fmt} {unit} · reste {remaining}"


def tracked(items: Iterable[Item], total: int, label: str, unit: str) -> Iterator[Item]:
    """Give `items` one by one, showing how many of `total`, an estimate, have come."""
    # `disable=None` is tqdm's way of asking for a terminal.
    with tqdm(total=total, desc=label, unit=unit, bar_format=_LAYOUT, disable=None) as bar:
        for item in items:
            yield item
            bar.update(bar.n < total)
