"""What the report shows, read from the warehouse through its views."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from dpa.warehouse import reading

Row = Sequence[Any]


@dataclass(frozen=True)
class Kpi:
    """One figure; `kind` is the cell format that suits it."""

    label: str
    value: float
    kind: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class ReportData:
    """Rows of every sheet, in the order of the sheet's columns; `lot` is the run's `dim_lot`."""

    lot: dict[str, Any]
    period: tuple[date, date] | None
    kpis: list[Kpi]
    sites: list[Row]
    days: list[Row]
    transactions: list[Row]
    site_days: list[Row]
    machines: list[Row]
    rejects: list[Row]


def read_report(path: Path, run_id: str, busy_timeout_s: float) -> ReportData:
    """Read one consistent state of the warehouse, and the rejects of run `run_id`."""
    with reading(path, busy_timeout_s) as connection:
        lot = _row(connection, "SELECT * FROM dim_lot WHERE run_id = ?", run_id)
        first, last = connection.execute(
            "SELECT MIN(day), MAX(day) FROM fact_transactions"
        ).fetchone()
        return ReportData(
            lot=lot,
            period=(date.fromisoformat(first), date.fromisoformat(last)) if first else None,
            kpis=_kpis(connection, lot),
            sites=_rows(connection, 'SELECT * FROM v_sites ORDER BY "Volume (t)" DESC, "Site"'),
            days=_dated(_rows(connection, 'SELECT * FROM v_jours ORDER BY "Jour"')),
            transactions=_transactions(connection),
            site_days=_dated(
                _rows(connection, 'SELECT * FROM v_stats_sites ORDER BY "Jour", "Site"')
            ),
            machines=_machines(connection),
            rejects=_rejects(connection, run_id),
        )


def _rows(connection: sqlite3.Connection, query: str, *values: str) -> list[Row]:
    return connection.execute(query, values).fetchall()


def _row(connection: sqlite3.Connection, query: str, *values: str) -> dict[str, Any]:
    cursor = connection.execute(query, values)
    names = [column[0] for column in cursor.description]
    return dict(zip(names, cursor.fetchone(), strict=True))


def _dated(rows: list[Row]) -> list[Row]:
    return [(date.fromisoformat(row[0]), *row[1:]) for row in rows]


def _transactions(connection: sqlite3.Connection) -> list[Row]:
    rows = _rows(
        connection,
        """
        SELECT "Transaction", "Machine", "Site", "Année d'installation", "Date (Douala)",
               "Volume (t)", "Statut", "Alerte critique", "Fichier source", "Ligne source", "Lot"
        FROM v_transactions ORDER BY "Date (Douala)", "Transaction"
        """,
    )
    return [
        (*row[:4], datetime.fromisoformat(row[4]), *row[5:7], "Oui" if row[7] else "Non", *row[8:])
        for row in rows
    ]


def _machines(connection: sqlite3.Connection) -> list[Row]:
    return _rows(
        connection,
        """
        SELECT "Machine", "Site", "Année d'installation", "Transactions", "Volume (t)",
               "Avertissements", "Erreurs", "Taux d'erreur", "Alertes critiques"
        FROM v_machines ORDER BY "Taux d'erreur" DESC, "Erreurs" DESC, "Machine", "Site"
        """,
    )


def _rejects(connection: sqlite3.Connection, run_id: str) -> list[Row]:
    rows = _rows(
        connection,
        """
        SELECT "Fichier", "Ligne", "Règle", "Colonne", "Valeur", "Motif", "Remède",
               "Autres règles", "Ligne d'origine"
        FROM v_rejets WHERE "Lot" = ? ORDER BY "Ligne"
        """,
        run_id,
    )
    return [(*row[:-1], " | ".join(json.loads(row[-1]).values())) for row in rows]


def _kpis(connection: sqlite3.Connection, lot: dict[str, Any]) -> list[Kpi]:
    facts = _row(
        connection,
        """
        SELECT COUNT(*) AS transactions, TOTAL(volume_transferred) AS volume,
               COALESCE(AVG(volume_transferred), 0) AS mean_volume,
               COALESCE(SUM(critical_alert), 0) AS alerts,
               COALESCE(AVG(critical_alert), 0) AS alert_rate,
               COALESCE(AVG(status_code = 'ERR'), 0) AS error_rate,
               COUNT(DISTINCT machine_id) AS machines,
               COUNT(DISTINCT site_location) AS sites,
               COUNT(DISTINCT day) AS days
        FROM fact_transactions
        """,
    )
    rejected_share = lot["rows_rejected"] / lot["rows_read"]
    return [
        Kpi("Volume transféré", facts["volume"], "decimal", "t", "Somme des volumes."),
        Kpi("Transactions", facts["transactions"], "integer", "nombre", "Dans tout l'entrepôt."),
        Kpi("Volume moyen", facts["mean_volume"], "decimal", "t", "Par transaction."),
        Kpi("Alertes critiques", facts["alerts"], "integer", "nombre", "WARN ou ERR sous 20 t."),
        Kpi("Taux d'alerte", facts["alert_rate"], "percent", "%", "Alertes sur transactions."),
        Kpi("Taux d'erreur", facts["error_rate"], "percent", "%", "Part du statut ERR."),
        Kpi("Machines actives", facts["machines"], "integer", "nombre", "Avec les inconnues."),
        Kpi("Sites actifs", facts["sites"], "integer", "nombre", "Avec « Inconnu »."),
        Kpi("Jours d'activité", facts["days"], "integer", "jour", "Jours avec transaction."),
        Kpi("Part de rejets", rejected_share, "percent", "%", "Lignes rejetées de ce lot."),
    ]
