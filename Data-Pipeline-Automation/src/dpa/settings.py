"""Where the ETL reads, writes and stops, decided by defaults < environment < flags."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from dpa.errors import UsageError

SERVICE_ROOT: Final = Path(__file__).resolve().parents[2]
SQL_ROOT: Final = SERVICE_ROOT / "sql"


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


@dataclass(frozen=True)
class Settings:
    """Everything that a run needs to know before it starts."""

    erp: Path = SERVICE_ROOT / "data_raw" / "erp_daily_transactions.csv"
    machines: Path = SERVICE_ROOT / "data_raw" / "api_reference_machines.json"
    mapping: Path | None = None
    dwh: Path = SERVICE_ROOT / "database" / "supply_chain_dwh.sqlite"
    report: Path = SERVICE_ROOT / "reports" / "rapport_supply_chain.xlsx"
    max_rejects: RejectLimit = RejectLimit(50, is_percent=True)
    busy_timeout_s: float = 5.0
    log_dir: Path = SERVICE_ROOT / "logs"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read DPA_DWH, DPA_REPORT, DPA_LOG_DIR and DPA_BUSY_TIMEOUT_S; raises UsageError."""
        return cls(
            dwh=warehouse_path(environ["DPA_DWH"]) if "DPA_DWH" in environ else cls.dwh,
            report=Path(environ.get("DPA_REPORT", cls.report)),
            log_dir=Path(environ.get("DPA_LOG_DIR", cls.log_dir)),
            busy_timeout_s=_seconds(environ.get("DPA_BUSY_TIMEOUT_S", str(cls.busy_timeout_s))),
        )

    def refuse_unusable_paths(self) -> None:
        """Raise UsageError when an output is also another file of the run, or a name is unfit."""
        inputs = [path for path in (self.erp, self.machines, self.mapping) if path is not None]
        for path in (*inputs, self.dwh, self.report):
            _refuse_undecodable(path)
        taken = {os.path.realpath(path) for path in inputs}
        for flag, path in (("--dwh", self.dwh), ("--report", self.report)):
            if os.path.realpath(path) in taken:
                raise UsageError(f"{flag} {path} écraserait un autre fichier de cette commande.")
            taken.add(os.path.realpath(path))
        if self.report.suffix.lower() != ".xlsx":
            raise UsageError(f"--report {self.report} : le nom du rapport doit finir par .xlsx.")


def warehouse_path(url: str) -> Path:
    """Give the SQLite file behind `sqlite:///path` or a bare path; raises UsageError.

    As in SQLAlchemy, three slashes introduce a path relative to the current folder and four an
    absolute one (on Windows `sqlite:///C:/…`).
    """
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):(?=//)", url)
    if scheme and scheme[1].lower() != "sqlite":
        raise UsageError(
            f"--dwh : « {scheme[1]} » n'est pas pris en charge ; écrivez sqlite:///chemin ou le "
            "chemin d'un fichier."
        )
    if scheme and not url.lower().startswith("sqlite:///"):
        raise UsageError(f"--dwh {url} : il faut trois barres obliques, sqlite:///chemin.")
    path = url[len("sqlite:///") :] if scheme else url
    if path.strip() in ("", ":memory:"):
        raise UsageError(f"--dwh {url!r} : indiquez le chemin d'un fichier.")
    return Path(path)


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
