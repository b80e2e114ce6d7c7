"""What the stages of the ETL hand to each other: raw rows, then checked rows, by parts."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from dpa.cells import Conventions
from dpa.csv_records import Malformed
from dpa.volumes import NO_DOUBT, DoubtfulVolumes


@dataclass(frozen=True)
class SourceFile:
    """One input as it was read; `sheet` is a sheet or a table, empty when there is none.

    `path` is a path or, for a machine list, the address that it came from.
    """

    path: str
    sha256: str
    rows: int
    sheet: str = ""

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return Path(self.path).name


@dataclass(frozen=True)
class RawPart:
    """Consecutive rows of one source, all cells still text.

    `cells` has one string column per heading, called "0", "1"… in the order of the header (two
    headings may be equal), never null. `lines[i]` is where row i stands: physical line of a text
    file, row number of a sheet, ordinal of a table's row, the first being 1. `malformed` lines are
    rows too, which could not be cut into cells.
    """

    header: tuple[str, ...]
    cells: pa.Table
    lines: np.ndarray
    malformed: Sequence[Malformed] = ()
    blank_lines: int = 0

    @property
    def rows(self) -> int:
        """Rows that this part accounts for."""
        return len(self.lines) + len(self.malformed)


class Part(Protocol):
    """A part still to be read; picklable, so that another process can read it."""

    def read(self) -> RawPart:
        """Read it; raises SourceError."""
        ...


@dataclass(frozen=True)
class LoadedPart:
    """A part that its source had to read whole (a sheet, a table)."""

    raw: RawPart

    def read(self) -> RawPart:
        """Give what was read."""
        return self.raw

    def __reduce__(self) -> tuple[type["LoadedPart"], tuple[RawPart]]:
        # Pickled as it is, a slice of a table would carry the whole table.
        cells = self.raw.cells.take(pa.array(range(self.raw.cells.num_rows)))
        return LoadedPart, (replace(self.raw, cells=cells),)


@dataclass(frozen=True)
class TransactionSource:
    """An ERP export ready to be read part by part.

    `columns` gives the position of each of our columns in the header, None where the mapping's
    default stands for a column that the file lacks. `conventions` are those of the mapping, with
    what had to be detected (decimal mark) decided. `notes` are French sentences on what was
    detected and deserves to be said aloud; `doubtful` counts volumes that the parts cannot, since
    there a typed number looks like a text. `sha256` may be empty when no trace of it will be kept.
    """

    path: Path
    sha256: str
    sheet: str
    header: tuple[str, ...]
    columns: dict[str, int | None]
    conventions: Conventions
    defaults: dict[str, str]
    parts: Sequence[Part]
    notes: tuple[str, ...] = ()
    doubtful: DoubtfulVolumes = NO_DOUBT


@dataclass(frozen=True)
class CheckedPart:
    """Every row of a part, in exactly one of four places: `read = len(accepted) + len(rejects) +
    duplicates`; `skipped` rows (before --since) and `blank_lines` are counted apart.

    `accepted`: transaction_id str, machine_id category of str, date datetime64[s, UTC], date_key
    int32 (YYYYMMDD, civil day in Douala), volume_transferred float64 (tonnes), status_code category
    (OK, WARN, ERR), critical_alert int8, source_line int64.
    `rejects`: source_line int64, and the texts rule_code, column_name, value, reason, remedy,
    other_rules, raw_row (JSON object {heading: cell}).
    `defaulted` counts, by column, the empty cells that the mapping's defaults filled.
    `doubtful` counts the volumes that can be read in two ways.
    """

    read: int
    accepted: pd.DataFrame
    rejects: pd.DataFrame
    duplicates: int = 0
    skipped: int = 0
    blank_lines: int = 0
    defaulted: dict[str, int] = field(default_factory=dict)
    doubtful: DoubtfulVolumes = NO_DOUBT
