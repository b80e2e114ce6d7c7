"""One run of the ETL: read, check, enrich, load, report."""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import pandas as pd
from loguru import logger

from dpa import __version__, french
from dpa.csv_records import Malformed
from dpa.errors import DpaError, ReportNotWritten
from dpa.mapping import Mapping, MappingFile, read_mapping
from dpa.quality import Checked, check
from dpa.rules import RULES
from dpa.settings import Settings
from dpa.sources import (
    MachineTable,
    TransactionTable,
    read_machines,
    read_transactions,
)
from dpa.summary import EtlSource, EtlSummary
from dpa.transform import enrich, unknown_machines
from dpa.warehouse import Batch, Loaded, load

NAMED_MACHINES: Final = 5
"""How many machines a warning names before it only counts them."""


@dataclass(frozen=True)
class Outcome:
    """A committed run; `incomplete` when it has too many rejects or no report."""

    summary: EtlSummary
    incomplete: bool


@dataclass(frozen=True)
class Extracted:
    """The three input files, read."""

    transactions: TransactionTable
    machines: MachineTable
    mapping: MappingFile | None


def run(settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Outcome:
    """Run the ETL once. Raises DpaError when it fails; nothing has changed then."""
    started_s, started_at = time.monotonic(), now()
    extracted = extract(settings)
    batch = transform(settings, extracted, started_at, started_s)
    loaded = load(settings.dwh, batch, settings.busy_timeout_s)
    kept = french.plural(_kept(loaded), "ligne chargée", "lignes chargées")
    logger.info("{} dans {}", kept, settings.dwh)
    warnings = _warnings(extracted, batch.rows, loaded, started_at)
    report_fault = _report(settings, batch.run_id, now)
    limit_fault = _limit_fault(settings, len(batch.rejects), batch.read)
    faults = [fault for fault in (report_fault, limit_fault) if fault]
    for warning in (*warnings, *faults):
        logger.warning("{}", warning)
    summary = EtlSummary(
        status="ok",
        error=None,
        run_id=batch.run_id,
        dwh=str(settings.dwh),
        report=None if report_fault else str(settings.report),
        read=batch.read,
        loaded=_kept(loaded),
        rejected=len(batch.rejects),
        duplicates=loaded.duplicates,
        inserted=loaded.inserted,
        corrected=loaded.corrected,
        rejects_by_rule=_by_rule(batch.rejects),
        warnings=[*warnings, *faults],
        sources=_sources(extracted),
        total_volume=loaded.total_volume,
        duration_s=round(time.monotonic() - started_s, 3),
    )
    return Outcome(summary, incomplete=bool(faults))


def transform(
    settings: Settings, extracted: Extracted, started_at: datetime, started_s: float
) -> Batch:
    """Check the rows, give them their machine, and describe the rejected ones."""
    mapping = extracted.mapping.mapping if extracted.mapping else Mapping()
    checked = check(extracted.transactions.table, mapping.conventions())
    return Batch(
        lot=_lot(settings, extracted, started_at),
        machines=extracted.machines.table,
        rows=enrich(checked.accepted, extracted.machines.table),
        rejects=reject_records(extracted.transactions, checked),
        source_file=settings.erp.name,
        read=extracted.transactions.source.rows,
        duplicates=checked.duplicates,
        started_s=started_s,
    )


def extract(settings: Settings) -> Extracted:
    """Read the mapping, the machine list and the transactions."""
    mapping = read_mapping(settings.mapping) if settings.mapping else None
    machines = read_machines(settings.machines)
    logger.info(
        "{} dans {}",
        french.plural(machines.source.rows, "machine lue", "machines lues"),
        machines.source.path,
    )
    table = read_transactions(settings.erp, mapping.mapping if mapping else Mapping())
    logger.info(
        "{} dans {}",
        french.plural(table.source.rows, "ligne lue", "lignes lues"),
        table.source.path,
    )
    if table.blank_lines:
        blank = french.plural(table.blank_lines, "ligne vide ignorée", "lignes vides ignorées")
        logger.info("{}", blank)
    return Extracted(table, machines, mapping)


def _kept(loaded: Loaded) -> int:
    return loaded.inserted + loaded.corrected


def reject_records(table: TransactionTable, checked: Checked) -> list[dict[str, str | int]]:
    """Describe every rejected row as a row of `rejets`, in the order of the file."""
    names = _unique(table.header)
    lines = table.table["source_line"]
    records = [_malformed_record(table, line) for line in table.malformed]
    found = checked.rejects
    for position, code, value, others in zip(
        found.index, found["rule_code"], found["value"], found["other_rules"], strict=True
    ):
        raw = dict(zip(names, table.records[position], strict=True))
        line = int(lines.iloc[position])
        records.append(_reject_record(table, line, code, value, others, raw))
    return sorted(records, key=lambda record: record["source_line"])


def _malformed_record(table: TransactionTable, line: Malformed) -> dict[str, str | int]:
    return _reject_record(table, line.line, line.rule_code, line.text, "", {"ligne": line.text})


def _reject_record(
    table: TransactionTable, line: int, code: str, value: str, others: str, raw: dict[str, str]
) -> dict[str, str | int]:
    rule = RULES[code]
    return {
        "source_sha256": table.source.sha256,
        "source_file": table.source.path.name,
        "source_sheet": "",
        "source_line": line,
        "rule_code": code,
        "column_name": rule.column,
        "value": value,
        "reason": rule.sentence,
        "remedy": rule.remedy,
        "other_rules": others,
        "raw_row": json.dumps(raw, ensure_ascii=False),
    }


def _unique(header: list[str]) -> list[str]:
    """Number the headings that come again, so that a JSON object keeps all their cells."""
    seen: dict[str, int] = {}
    names = []
    for name in header:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def _lot(
    settings: Settings, extracted: Extracted, started_at: datetime
) -> dict[str, str | int | None]:
    started = started_at.astimezone(UTC)
    return {
        "run_id": f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
        "started_at": f"{started:%Y-%m-%dT%H:%M:%SZ}",
        "version": __version__,
        "transactions_path": str(settings.erp),
        "transactions_sha256": extracted.transactions.source.sha256,
        "machines_path": str(settings.machines),
        "machines_sha256": extracted.machines.source.sha256,
        "mapping_path": str(settings.mapping) if settings.mapping else None,
        "mapping_sha256": extracted.mapping.sha256 if extracted.mapping else None,
        "blank_lines": extracted.transactions.blank_lines,
    }


def _report(settings: Settings, run_id: str, now: Callable[[], datetime]) -> str | None:
    """Write the report from the committed warehouse; give the French reason if that failed."""
    # XlsxWriter is only needed here, and slow to import.
    from dpa.excel_report import write_report
    from dpa.report_data import read_report

    try:
        data = read_report(settings.dwh, run_id, settings.busy_timeout_s)
        write_report(settings.report, data, now())
    except ReportNotWritten as error:
        return str(error)
    except DpaError as error:
        return f"Rapport non écrit, données chargées : {error}"
    logger.info("Rapport écrit : {}", settings.report)
    return None


def _limit_fault(settings: Settings, rejected: int, read: int) -> str | None:
    if not settings.max_rejects.exceeded(rejected, read):
        return None
    return (
        f"{french.plural(rejected, 'ligne rejetée', 'lignes rejetées')} sur {french.number(read)} "
        f": plus que la limite de {settings.max_rejects} (--max-rejects)."
    )


def _warnings(
    extracted: Extracted, rows: pd.DataFrame, loaded: Loaded, started_at: datetime
) -> list[str]:
    """Say aloud what was loaded although it is doubtful, or changed beside the rows."""
    found = []
    if loaded.unknown_machines:
        found.append(
            "Machines absentes de la liste, rattachées au site « Inconnu » : "
            f"{_names(loaded.unknown_machines)}."
        )
    remembered = sorted(set(unknown_machines(rows)) - set(loaded.unknown_machines))
    if remembered:
        found.append(
            "Machines absentes de la liste, laissées au site que donnait une liste antérieure : "
            f"{_names(remembered)}."
        )
    if loaded.newly_attached:
        found.append(
            f"{french.plural(loaded.newly_attached, 'transaction', 'transactions')} du site "
            "« Inconnu » : machine désormais connue, site mis à jour."
        )
    if loaded.moved_machines:
        found.append(
            "Machines dont le site change dans la liste (l'historique garde l'ancien) : "
            f"{_names(loaded.moved_machines)}."
        )
    future = int((rows["date"] > pd.Timestamp(started_at)).sum())
    if future:
        found.append(
            f"{french.plural(future, 'transaction datée', 'transactions datées')} du futur."
        )
    for column, count in extracted.transactions.defaulted.items():
        found.append(
            f"{column} : {french.plural(count, 'cellule vide', 'cellules vides')} "
            "remplacées par la valeur par défaut du fichier de correspondance."
        )
    return found


def _names(machines: list[str]) -> str:
    shown = ", ".join(machines[:NAMED_MACHINES])
    rest = len(machines) - NAMED_MACHINES
    return f"{shown} et {french.number(rest)} de plus" if rest > 0 else shown


def _by_rule(rejects: list[dict[str, str | int]]) -> dict[str, int]:
    codes = [str(reject["rule_code"]) for reject in rejects]
    return {code: codes.count(code) for code in RULES if code in codes}


def _sources(extracted: Extracted) -> list[EtlSource]:
    return [
        EtlSource(role=role, path=str(source.path), sha256=source.sha256, rows=source.rows)
        for role, source in (
            ("transactions", extracted.transactions.source),
            ("machines", extracted.machines.source),
        )
    ]
