"""Programs of the other services, run as child processes that print one JSON document."""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import IO, Annotated, Literal, TypeVar

from cidp import tether
from cidp.errors import ChildFailed, ChildTimedOut
from cidp.model_bundle import Count, Manifest, Sha256, Slot
from cidp.pydantic_compat import BaseModel, ConfigDict, Field, ValidationError

TAIL_LINES = 15
STOP_S = 5.0
SUCCESSES = {"ok": 0, "committed_with_warnings": 3}
"""The exit code that belongs to each status of a program which did its work."""


class Document(BaseModel):
    """What every program of the services prints under `--json`: how it ended, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    status: str
    error: str | None


class TrainingSummary(Document):
    """What `model_training.py --json` prints; `docs/contracts/training-summary.schema.json`."""

    status: Literal["ok", "error"]
    bundle: str | None
    model_file: str | None
    manifest: Manifest | None


class ProcessingSummary(Document):
    """What `data_processing.py --json` prints; `docs/contracts/processing-summary.schema.json`."""

    status: Literal["ok", "error"]
    processed: str | None
    rejects: str | None
    read: Count = 0
    kept: Count = 0
    rejected: Count = 0
    duplicates: Count = 0
    in_repair: Count = 0
    unobserved: Count = 0
    failures: Count = 0
    positives: Count = 0
    rejected_orders: Count = 0


class TrainedModel(BaseModel):
    """What became of one model of a retraining, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: Slot
    version: str
    promoted: bool
    why: str


LessonSource = Literal["bootstrap", "postgresql", "sqlite"]


class RetrainingSummary(Document):
    """What `cidp.train --json` prints; `fell_back` when the database was gone."""

    status: Literal["ok", "error"]
    source: LessonSource | None = None
    fell_back: bool = False
    models: tuple[TrainedModel, ...] = ()


class EtlSource(BaseModel):
    """One file that the ETL read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["transactions", "machines"]
    path: str
    sha256: Sha256
    rows: Count
    sheet: str


class EtlSummary(Document):
    """What `main_pipeline.py --json` prints; `docs/contracts/etl-summary.schema.json`."""

    status: Literal["ok", "committed_with_warnings", "error", "unknown"]
    run_id: str | None
    dwh: str
    report: str | None
    rejects_workbook: str | None
    engine: Literal["pandas", "dask"]
    read: Count
    loaded: Count
    rejected: Count
    duplicates: Count
    skipped: Count
    inserted: Count
    corrected: Count
    open_rejects: Count
    rejects_by_rule: dict[str, Count]
    warnings: list[str]
    sources: list[EtlSource]
    total_volume: float
    duration_s: Annotated[float, Field(ge=0)]


class ProgressLine(BaseModel):
    """A line of stderr under `--progress json`; `docs/contracts/progress-line.schema.json`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    step: str
    percent: Annotated[float, Field(ge=0, le=100)] | None


def progress_of(line: str) -> ProgressLine | None:
    """Read a line of a log as one of progress; None for any other."""
    if not line.startswith("{"):
        return None
    try:
        return ProgressLine.model_validate_json(line)
    except ValidationError:
        return None


def as_part(on_line: Callable[[str], object], part: int, parts: int) -> Callable[[str], None]:
    """Hand on the lines of a child that does the `part`-th of so many equal parts of a work.

    Its progress becomes that of the whole work.
    """

    def hand_on(line: str) -> None:
        found = progress_of(line)
        if found is not None and found.percent is not None:
            percent = (100 * (part - 1) + found.percent) / parts
            line = ProgressLine(step=found.step, percent=percent).model_dump_json()
        on_line(line)

    return hand_on


D = TypeVar("D", bound=Document)


def run_for_document(
    script: Path,
    arguments: Sequence[str],
    document: type[D],
    timeout_s: float,
    on_line: Callable[[str], object],
) -> D:
    """Run `script` with this interpreter and return the document that it printed.

    `on_line` gets each line of its stderr as it comes, from another thread. Raises `ChildFailed`
    or `ChildTimedOut`; the child is never left running.
    """
    child = start_program(script, arguments)
    printed: list[bytes] = []
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    readers = [
        threading.Thread(target=_collect, args=(child.stdout, printed)),
        threading.Thread(target=follow_lines, args=(child.stderr, tail, on_line)),
    ]
    for reader in readers:
        reader.start()
    try:
        code = child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        raise ChildTimedOut(
            f"{script.name} n'a pas fini en {timeout_s:g} s et a été arrêté."
        ) from None
    finally:
        end_program(child)
        for reader in readers:
            reader.join()
    return checked_document(script.name, document, b"".join(printed), code, tail)


def start_program(script: Path, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start `script` with this interpreter, both its outputs piped, nothing on its input.

    It ends with this process, and a request to stop reaches it as Ctrl-C. Raises `ChildFailed`.
    """
    if not script.is_file():
        raise ChildFailed(
            f"{script.name} est introuvable dans {script.parent} : les trois services doivent"
            " rester côte à côte."
        )
    tie = [sys.executable, tether.__file__, str(os.getpid()), "--interrupt"]
    try:
        return subprocess.Popen(  # noqa: S603 (a script of this repository, no shell)
            [*tie, str(script), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUTF8": "1"},
        )
    except OSError as error:
        raise ChildFailed(f"{script.name} ne démarre pas ({error.strerror}).") from error


def end_program(child: subprocess.Popen[bytes]) -> int:
    """Stop `child` if it still runs, by force if it does not listen; return its exit code."""
    child.terminate()
    try:
        return child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def follow_lines(stream: IO[bytes], tail: deque[str], on_line: Callable[[str], object]) -> None:
    """Hand over each line of `stream` until its end, and keep the last ones in `tail`."""
    with stream:
        for raw in stream:
            line = raw.decode("utf-8", "replace").rstrip()
            tail.append(line)
            on_line(line)


def _collect(stream: IO[bytes], printed: list[bytes]) -> None:
    with stream:
        printed.append(stream.read())


def checked_document(
    name: str,
    document: type[D],
    printed: bytes,
    code: int,
    tail: Collection[str],
) -> D:
    """Read what the program `name` printed; raises `ChildFailed` unless it says that it is done.

    `code` is its exit code, and `tail` the end of its log, the reason where it gave none.
    """
    try:
        read = document.model_validate_json(printed)
    except ValidationError as error:
        raise ChildFailed(
            f"{name} (code {code}) n'a pas imprimé le document attendu."
            f" Fin de son journal :\n{_shown(tail)}"
        ) from error
    if SUCCESSES.get(read.status) != code:
        reason = read.error or f"fin de son journal :\n{_shown(tail)}"
        raise ChildFailed(f"{name} a échoué (code {code}) : {reason}")
    return read


def _shown(tail: Collection[str]) -> str:
    return "\n".join(f"  {line}" for line in tail) or "  (vide)"
