"""How far a command is, told on stderr: a bar for a terminal, JSON lines for a program."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from tqdm import tqdm

Style = Literal["bar", "json"]
Step = Callable[[str], None]


class ProgressLine(BaseModel):
    """One JSON line; the twin of `docs/contracts/progress-line.schema.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str
    percent: Annotated[float, Field(ge=0, le=100)] | None


@contextmanager
def steps(total: int, style: Style) -> Iterator[Step]:
    """Give the function to call as each of `total` steps begins.

    A bar is silent when stderr is not a terminal.
    """
    if style == "json":
        yield _lines(total)
        return
    with tqdm(total=total, disable=None, leave=False, unit="étape") as bar:

        def show(step: str) -> None:
            bar.set_description(step)
            bar.update()

        yield show


def _lines(total: int) -> Step:
    begun = 0

    def write(step: str) -> None:
        nonlocal begun
        percent = min(100 * begun // total, 100)
        begun += 1
        sys.stderr.write(ProgressLine(step=step, percent=percent).model_dump_json() + "\n")
        sys.stderr.flush()

    return write
