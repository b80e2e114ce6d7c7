"""One run of the ETL: read, check, load, report."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from loguru import logger

from dpa import __version__, french
from dpa.checking import checked_parts
from dpa.columns import UNKNOWN
from dpa.drafts import unused
from dpa.engine import LocalEngine
from dpa.errors import DpaError, ReportNotWritten
from dpa.filters import refuse_unknown_sites
from dpa.given_back import GivenBack
from dpa.machine_source import MachineTable, read_machines
from dpa.mapping import Mapping as ColumnMapping
from dpa.mapping import read_mapping
from dpa.parts import TransactionSource
from dpa.progress import announce, tracked
from dpa.rejects_sheet import Reading
from dpa.rules import RULES
from dpa.settings import SAMPLE_MACHINES, Settings
from dpa.sources import read_transactions
from dpa.summary import EtlSource, EtlSummary
from dpa.volume_warnings import doubtful_volumes_told
from dpa.warehouse import Loaded, known_sites, last_day, load

if TYPE_CHECKING:
    from dpa.dask_engine import DaskEngine


@dataclass(frozen=True)
class Outcome:
    """A committed run; `incomplete` when it has too many rejects or lacks a workbook."""

    summary: EtlSummary
    incomplete: bool


@dataclass(frozen=True)
class Opened:
    """The transactions of a run, and the mapping under which they are read, by path and SHA-256.

    `given_back` says which rejects a resubmitted file mends.
    """

    source: TransactionSource
    mapping_path: str | None
    mapping_sha256: str | None
    given_back: GivenBack | None = None


@dataclass(frozen=True)
class Extracted:
    """The inputs of a run."""

    transactions: Opened
    machines: MachineTable


@dataclass
class Written:
    """The workbooks of a run, by path; `faults` says in French why one is missing."""

    report: str | None
    rejects_workbook: str | None
    faults: list[str]
    notes: list[str] = field(default_factory=list)


def run(settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Outcome:
    """Run the ETL once.

    Raises DpaError when it fails, nothing having changed then, unless it is OutcomeUnknown.
    """
    started_s, started_at = time.monotonic(), now()
    announce("Lecture des sources", settings.progress)
    extracted = extract(settings)
    _refuse_unknown_sites(settings, extracted.machines)
    source = extracted.transactions.source
    lot = _lot(settings, extracted, started_at)
    with open_engine(settings) as engine:
        loaded = load(
            settings.dwh,
            lot,
            extracted.machines.table,
            tracked(
                checked_parts(source, engine, _since(settings)),
                len(source.parts),
                "Contrôle et chargement",
                "parties",
                settings.progress,
            ),
            settings.busy_timeout_s,
            extracted.transactions.given_back,
            extracted.machines.only_adds,
        )
    _say_loaded(settings, loaded)
    try:
        written = _write_workbooks(settings, str(lot["run_id"]), now)
    except KeyboardInterrupt:
        logger.warning("Interrompu : les données sont chargées, les classeurs ne sont pas écrits.")
        raise
    return _outcome(settings, extracted, loaded, written, str(lot["run_id"]), started_s)


def _outcome(
    settings: Settings,
    extracted: Extracted,
    loaded: Loaded,
    written: Written,
    run_id: str,
    started_s: float,
) -> Outcome:
    """Say aloud what deserves it, and sum the run up."""
    warnings = _warnings(extracted, loaded)
    warnings += written.notes
    faults = [*written.faults, *_limit_fault(settings, loaded)]
    for warning in (*warnings, *faults):
        logger.warning("{}", warning)
    summary = EtlSummary(
        status="committed_with_warnings" if faults else "ok",
        error=None,
        run_id=run_id,
        dwh=str(settings.dwh),
        report=written.report,
        rejects_workbook=written.rejects_workbook,
        engine=settings.engine,
        read=loaded.read,
        loaded=loaded.inserted + loaded.corrected,
        rejected=loaded.rejected,
        duplicates=loaded.duplicates,
        skipped=loaded.skipped,
        inserted=loaded.inserted,
        corrected=loaded.corrected,
        open_rejects=loaded.open_rejects,
        rejects_by_rule={
            code: loaded.rejects_by_rule[code] for code in RULES if code in loaded.rejects_by_rule
        },
        warnings=[*warnings, *faults],
        sources=_sources(extracted, loaded),
        total_volume=loaded.total_volume,
        duration_s=round(time.monotonic() - started_s, 3),
    )
    return Outcome(summary, incomplete=bool(faults))


def extract(settings: Settings, hashed: bool = True) -> Extracted:
    """Read the machine list and the mapping, and open the transactions. Raises DpaError.

    Without `hashed`, for those who keep no trace of it, a text has no digest.
    """
    transactions = _resubmitted(settings) if settings.resubmit else _exported(settings, hashed)
    machines = read_machines(
        settings.machines, settings.machines_cache, SAMPLE_MACHINES, settings.machines_api_key
    )
    count = french.plural(machines.source.rows, "machine lue", "machines lues")
    logger.info("{} dans {}", count, machines.source.path)
    for note in transactions.source.notes:
        logger.info("{} : {}", transactions.source.path, note)
    return Extracted(transactions, machines)


def _exported(settings: Settings, hashed: bool) -> Opened:
    if settings.mapping is None:
        source = read_transactions(settings.erp, ColumnMapping(), settings.sheet, hashed)
        return Opened(source, None, None)
    found = read_mapping(settings.mapping)
    source = read_transactions(settings.erp, found.mapping, settings.sheet, hashed)
    return Opened(source, str(settings.mapping.absolute()), found.sha256)


def _resubmitted(settings: Settings) -> Opened:
    # Reading a workbook takes libraries that other runs do without.
    from dpa.resubmission import read_resubmission

    found = read_resubmission(settings.transactions)
    return Opened(found.source, found.mapping_path, found.mapping_sha256, found.given_back)


def _refuse_unknown_sites(settings: Settings, machines: MachineTable) -> None:
    """Raise UsageError for a site to show that neither the warehouse nor this run will know."""
    chosen = settings.filters.sites
    if chosen:
        listed = {UNKNOWN, *machines.table["site_location"]}
        refuse_unknown_sites(chosen, listed | known_sites(settings.dwh, settings.busy_timeout_s))


def open_engine(settings: Settings) -> "LocalEngine | DaskEngine":
    """Start what runs the checks: threads of this process, or Dask workers."""
    if settings.engine == "pandas":
        return LocalEngine()
    # Dask is slow to import.
    from dpa.dask_engine import DaskEngine

    return DaskEngine(settings.scheduler)


def _since(settings: Settings) -> date | None:
    if settings.since == "auto":
        return last_day(settings.dwh, settings.busy_timeout_s)
    return settings.since


def _lot(settings: Settings, extracted: Extracted, started_at: datetime) -> dict[str, str | None]:
    started = started_at.astimezone(UTC)
    return {
        "run_id": f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
        "started_at": f"{started:%Y-%m-%dT%H:%M:%SZ}",
        "version": __version__,
        "kind": "reprise" if settings.resubmit else "chargement",
        "transactions_path": str(settings.transactions.absolute()),
        "transactions_sha256": extracted.transactions.source.sha256,
        "transactions_sheet": extracted.transactions.source.sheet,
        "machines_path": extracted.machines.source.path,
        "machines_sha256": extracted.machines.source.sha256,
        "mapping_path": extracted.transactions.mapping_path,
        "mapping_sha256": extracted.transactions.mapping_sha256,
        "reading": Reading.of(extracted.transactions.source).text(),
    }


def _say_loaded(settings: Settings, loaded: Loaded) -> None:
    kept = loaded.inserted + loaded.corrected
    logger.info(
        "{} sur {} dans {}",
        french.plural(kept, "ligne chargée", "lignes chargées"),
        french.plural(loaded.read, "ligne lue", "lignes lues"),
        settings.dwh,
    )
    for count, singular, several in (
        (loaded.blank_lines, "ligne vide ignorée", "lignes vides ignorées"),
        (
            loaded.skipped,
            "ligne antérieure à --since laissée",
            "lignes antérieures à --since laissées",
        ),
    ):
        if count:
            logger.info("{}", french.plural(count, singular, several))


def _write_workbooks(settings: Settings, run_id: str, now: Callable[[], datetime]) -> Written:
    """Write the report and the rejects workbook from the committed warehouse."""
    # XlsxWriter is only needed here, and slow to import.
    from dpa.excel_report import write_report
    from dpa.rejects_workbook import write_rejects
    from dpa.report_data import NOTHING_SHOWN, read_report

    written = Written(report=None, rejects_workbook=None, faults=[])
    dwh, timeout_s = settings.dwh, settings.busy_timeout_s
    announce("Rapport Excel", settings.progress)
    with _missing_workbook(written, "Rapport non écrit"):
        data = read_report(dwh, run_id, settings.filters, timeout_s)
        write_report(settings.report, data, now())
        logger.info("Rapport écrit : {}", settings.report)
        if data.shows_nothing:
            written.notes.append(NOTHING_SHOWN)
        written.report = str(settings.report)
    with _missing_workbook(written, "Lignes à corriger non écrites"):
        # An earlier workbook may hold corrections that were not given back yet.
        rejects = unused(settings.rejects_workbook)
        if write_rejects(rejects, dwh, run_id, timeout_s):
            logger.info("Lignes à corriger : {}", rejects)
            written.rejects_workbook = str(rejects)
    return written


@contextmanager
def _missing_workbook(written: Written, sentence: str) -> Iterator[None]:
    """Note the fault that a workbook is missing for; the data are committed all the same."""
    try:
        yield
    except ReportNotWritten as error:
        written.faults.append(str(error))
    except DpaError as error:
        written.faults.append(f"{sentence}, données chargées : {error}")


def _limit_fault(settings: Settings, loaded: Loaded) -> list[str]:
    if not settings.max_rejects.exceeded(loaded.rejected, loaded.read):
        return []
    return [
        f"{french.plural(loaded.rejected, 'ligne rejetée', 'lignes rejetées')} sur "
        f"{french.number(loaded.read)} : plus que la limite de {settings.max_rejects} "
        "(--max-rejects)."
    ]


def _warnings(extracted: Extracted, loaded: Loaded) -> list[str]:
    """Say aloud what was loaded although it is doubtful, or changed beside the rows."""
    found = [*extracted.machines.notes]
    for machines, sentence in (
        (loaded.unknown_machines, "absentes de la liste, rattachées au site « Inconnu »"),
        (
            loaded.remembered_machines,
            "absentes de la liste, laissées au site que donnait une liste antérieure",
        ),
        (loaded.moved_machines, "dont le site change dans la liste (l'historique garde l'ancien)"),
    ):
        if machines:
            found.append(f"Machines {sentence} : {french.some(machines)}.")
    if loaded.newly_attached:
        found.append(
            f"{french.plural(loaded.newly_attached, 'transaction', 'transactions')} du site "
            "« Inconnu » : machine désormais connue, site mis à jour."
        )
    if loaded.future_rows:
        future = french.plural(loaded.future_rows, "transaction datée", "transactions datées")
        found.append(f"{future} du futur.")
    found += doubtful_volumes_told(extracted.transactions.source, loaded.doubtful)
    if loaded.commit_was_checked:
        found.append(
            "La connexion s'est rompue pendant la validation ; vérification faite auprès du "
            "serveur, le lot est chargé."
        )
    for column, count in loaded.defaulted.items():
        cells = french.plural(count, "cellule vide remplacée", "cellules vides remplacées")
        found.append(f"{column} : {cells} par la valeur par défaut du fichier de correspondance.")
    return found


def _sources(extracted: Extracted, loaded: Loaded) -> list[EtlSource]:
    source, machines = extracted.transactions.source, extracted.machines.source
    return [
        EtlSource(
            role="transactions",
            path=str(source.path),
            sha256=source.sha256,
            rows=loaded.read,
            sheet=source.sheet,
        ),
        EtlSource(
            role="machines",
            path=machines.path,
            sha256=machines.sha256,
            rows=machines.rows,
            sheet=machines.sheet,
        ),
    ]
