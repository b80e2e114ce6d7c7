"""How far a step is, told on stderr: a French bar for a terminal, JSON lines for a program."""

import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from tqdm import tqdm

Item = TypeVar("Item")
Style = Literal["bar", "json"]

_LAYOUT = "{desc} {percentage:3.0f} % |{bar:30}| {n_fmt}/{total_fmt} {unit} · reste {remaining}"


class ProgressLine(BaseModel):
    """One JSON line; the twin of `docs/contracts/progress-line.schema.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str
    percent: Annotated[float, Field(ge=0, le=100)] | None


def tracked(
    items: Iterable[Item], total: int, label: str, unit: str, style: Style = "bar"
) -> Iterator[Item]:
    """Give `items` one by one, showing how many of `total`, an estimate, have come.

    A bar is silent when stderr is not a terminal.
    """
    if style == "json":
        yield from _counted(items, total, label)
        return
    # `disable=None` is tqdm's way of asking for a terminal.
    with tqdm(total=total, desc=label, unit=unit, bar_format=_LAYOUT, disable=None) as bar:
        for item in items:
            yield item
            bar.update(bar.n < total)


def announce(step: str, style: Style) -> None:
    """Tell a program that a step without a measure begins; a terminal reads the log."""
    if style == "json":
        _tell(step, None)


def _counted(items: Iterable[Item], total: int, label: str) -> Iterator[Item]:
    """Give `items`, with a line for each whole per cent that is reached."""
    said = 0
    _tell(label, said)
    for done, item in enumerate(items, start=1):
        yield item
        percent = min(done * 100 // total, 100) if total else 100
        if percent > said:
            said = percent
            _tell(label, said)


def _tell(step: str, percent: float | None) -> None:
    sys.stderr.write(ProgressLine(step=step, percent=percent).model_dump_json() + "\n")
    sys.stderr.flush()
