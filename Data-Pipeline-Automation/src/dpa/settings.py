"""Where the ETL reads, writes and stops, decided by defaults < environment < flags."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final, Literal, Self

from dpa.dwh_url import DwhUrl
from dpa.errors import UsageError
from dpa.filters import Filters
from dpa.http_fetch import is_address
from dpa.progress import Style

SERVICE_ROOT: Final = Path(__file__).resolve().parents[2]
SAMPLE_MACHINES: Final = SERVICE_ROOT / "data_raw" / "api_reference_machines.json"


@dataclass(frozen=True)
class RejectLimit:
    """How many rejects a run may have before it ends with code 3: a number or a share."""

    amount: float
    is_percent: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `N` or `P%`; raises UsageError."""
        matched = re.fullmatch(r"(?P<amount>\d+(?:[.,]\d+)?) ?(?P<percent>%?)", text.strip())
        if matched is None:
            raise UsageError(f"--max-rejects {text!r} : écrivez un nombre (200) ou une part (5%).")
        return cls(float(matched["amount"].replace(",", ".")), bool(matched["percent"]))

    def exceeded(self, rejected: int, read: int) -> bool:
        """Tell whether `rejected` rows out of `read` are more than the limit."""
        ceiling = self.amount * read / 100 if self.is_percent else self.amount
        return rejected > ceiling

    def __str__(self) -> str:
        return f"{self.amount:g}".replace(".", ",") + (" %" if self.is_percent else "")


DEFAULT_DWH: Final = DwhUrl.of_file(SERVICE_ROOT / "database" / "supply_chain_dwh.sqlite")
UNFILTERED: Final = Filters()


@dataclass(frozen=True)
class Settings:
    """Everything that a run needs to know before it starts.

    `machines` is a path or an http(s) address. `rejects` is where the rejects workbook goes; when
    None, beside the report. `since` sets aside the rows of earlier days; "auto" means the last day
    that the warehouse knows. `progress` is how a run tells how far it is.
    """

    erp: Path = SERVICE_ROOT / "data_raw" / "erp_daily_transactions.csv"
    sheet: str | None = None
    machines: str = str(SAMPLE_MACHINES)
    machines_cache: Path = SERVICE_ROOT / "database" / "machines_api"
    machines_api_key: str | None = field(default=None, repr=False)
    mapping: Path | None = None
    resubmit: Path | None = None
    dwh: DwhUrl = DEFAULT_DWH
    report: Path = SERVICE_ROOT / "reports" / "rapport_supply_chain.xlsx"
    rejects: Path | None = None
    filters: Filters = UNFILTERED
    since: date | Literal["auto"] | None = None
    engine: Literal["pandas", "dask"] = "pandas"
    scheduler: str | None = None
    max_rejects: RejectLimit = RejectLimit(50, is_percent=True)
    busy_timeout_s: float = 5.0
    progress: Style = "bar"
    log_dir: Path = SERVICE_ROOT / "logs"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the DPA_… variables; raises UsageError."""
        return cls(
            dwh=DwhUrl.parse(environ["DPA_DWH"]) if "DPA_DWH" in environ else cls.dwh,
            report=Path(environ.get("DPA_REPORT", cls.report)),
            log_dir=Path(environ.get("DPA_LOG_DIR", cls.log_dir)),
            machines_api_key=environ.get("DPA_MACHINES_API_KEY"),
            busy_timeout_s=_seconds(environ.get("DPA_BUSY_TIMEOUT_S", str(cls.busy_timeout_s))),
        )

    @property
    def transactions(self) -> Path:
        """The file that this run loads: the ERP export, or the corrected rejects."""
        return self.resubmit or self.erp

    @property
    def rejects_workbook(self) -> Path:
        """Where the rejected rows are written for correction; a file that exists is kept."""
        return self.rejects or self.report.with_name("rejets_a_corriger.xlsx")

    def _inputs(self) -> list[Path]:
        machines = [] if is_address(self.machines) else [Path(self.machines)]
        return [self.transactions, *machines, *([self.mapping] if self.mapping else [])]

    def refuse_overwritten_input(self, flag: str, path: Path) -> None:
        """Raise UsageError when the output `path`, given to `flag`, is an input of the run."""
        if os.path.realpath(path) in map(os.path.realpath, self._inputs()):
            raise _overwriting(flag, path)

    def refuse_unusable_paths(self) -> None:
        """Raise UsageError when an output is also another file of the run, or a name is unfit."""
        inputs = self._inputs()
        outputs = [("--report", self.report)]
        if self.dwh.kind == "sqlite":
            outputs.insert(0, ("--dwh", self.dwh.path))
        for path in (*inputs, self.rejects_workbook, *(path for _, path in outputs)):
            _refuse_undecodable(path)
        taken = {os.path.realpath(path) for path in inputs}
        for flag, path in outputs:
            if os.path.realpath(path) in taken:
                raise _overwriting(flag, path)
            taken.add(os.path.realpath(path))
        for flag, path in (("--report", self.report), ("--rejects", self.rejects_workbook)):
            if path.suffix.lower() != ".xlsx":
                raise UsageError(f"{flag} {path} : le nom de ce classeur doit finir par .xlsx.")


def _overwriting(flag: str, path: Path) -> UsageError:
    return UsageError(f"{flag} {path} écraserait un autre fichier de cette commande.")


def parse_day(flag: str, text: str) -> date:
    """Read AAAA-MM-JJ or JJ/MM/AAAA; raises UsageError."""
    for layout in ("%Y-%m-%d", "%d/%m/%Y"):
        with suppress(ValueError):
            return datetime.strptime(text.strip(), layout).date()
    raise UsageError(f"{flag} {text!r} : écrivez une date qui existe, AAAA-MM-JJ ou JJ/MM/AAAA.")


def _refuse_undecodable(path: Path) -> None:
    """Refuse a name in another encoding, possible on Linux: no database could hold it as text."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{str(path)!a} : nom de fichier illisible ; renommez-le.") from error


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise UsageError(f"DPA_BUSY_TIMEOUT_S={text!r} : un nombre de secondes est attendu.")
    return float(text)
