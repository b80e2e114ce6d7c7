"""Files with random dirt in random dialects: each row ends in the one place where it belongs."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from postgres import own_schema
from postgres_server import PostgresServer

from dpa.columns import TRANSACTION_COLUMNS
from dpa.dwh_url import DwhUrl
from dpa.settings import RejectLimit
from dpa.warehouse import reading

from .conftest import Desk

HEADER = [*TRANSACTION_COLUMNS, "note"]
NEVER = RejectLimit(100, is_percent=True)
NOTES = st.sampled_from(["", "Édéa à 7 h", 'dit "oui"', "a;b,c|d\te", "deux\nlignes", " espace "])


@dataclass(frozen=True)
class Dialect:
    """How one program writes its exports."""

    delimiter: str
    decimal: str
    encoding: str
    newline: str
    quoting: int
    date: str

    def volume(self, cents: int, grouped: bool) -> str:
        """Write tonnes with two decimals, thousands set apart by a no-break space on demand."""
        text = f"{cents / 100:,.2f}" if grouped else f"{cents / 100:.2f}"
        return text.translate({ord(","): "\u00a0", ord("."): self.decimal})

    def record(self, cells: list[str]) -> str:
        """Write one record with its end."""
        out = io.StringIO()
        csv.writer(
            out, delimiter=self.delimiter, quoting=self.quoting, lineterminator=self.newline
        ).writerow(cells)
        return out.getvalue()


@dataclass(frozen=True)
class Row:
    """One record; `spoil` makes a faulty one of it, and names the rule that it then breaks."""

    number: int
    day: int
    cents: int
    grouped: bool
    status: str
    note: str
    blank_before: bool
    spoil: str | None

    @property
    def values(self) -> tuple[int, int, str]:
        """What makes two rows of one identifier the same."""
        return self.day, self.cents, self.status

    def cells(self, dialect: Dialect) -> list[str]:
        """Give the cells in the order of the header."""
        sound = [
            f"T{self.number}",
            f"M{1 + self.number % 3}",
            dialect.date.format(day=self.day),
            dialect.volume(self.cents, self.grouped),
            self.status,
            self.note,
        ]
        return SPOILED[self.spoil](sound) if self.spoil else sound


def _with(position: int, cell: str) -> Callable[[list[str]], list[str]]:
    return lambda cells: [*cells[:position], cell, *cells[position + 1 :]]


SPOILED: dict[str, Callable[[list[str]], list[str]]] = {
    # On one line: the lines of a longer irregular record are each a row.
    "LIGNE_IRREGULIERE": lambda cells: [*_with(5, "seule")(cells), "de trop"],
    "ID_MANQUANT": _with(0, "  "),
    "ID_INVALIDE": _with(0, "T" * 65),
    "MACHINE_MANQUANTE": _with(1, ""),
    "DATE_MANQUANTE": _with(2, ""),
    "DATE_INVALIDE": _with(2, "30/02/2026"),
    "DATE_HORS_PLAGE": _with(2, "2199-01-01"),
    "VOLUME_MANQUANT": _with(3, " "),
    "VOLUME_NON_NUMERIQUE": _with(3, "12 t"),
    "VOLUME_NEGATIF": lambda cells: _with(3, f"-{cells[3]}")(cells),
    "STATUT_MANQUANT": _with(4, ""),
    "STATUT_INCONNU": _with(4, "PANNE"),
}
DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    date=st.sampled_from(["2026-01-{day:02d}", "{day:02d}/01/2026 08:30", "{day:02d}.01.2026"]),
)
ROWS = st.lists(
    st.builds(
        Row,
        number=st.integers(1, 9),
        day=st.integers(1, 28),
        cents=st.sampled_from([1, 5, 1_999, 2_000, 123_456, 9_999_999]),
        grouped=st.booleans(),
        status=st.sampled_from(["OK", "WARN", "ERR"]),
        note=NOTES,
        blank_before=st.booleans(),
        spoil=st.none() | st.sampled_from(sorted(SPOILED)),
    ),
    min_size=1,
    max_size=15,
)


def written(path: Path, dialect: Dialect, rows: list[Row]) -> list[int]:
    """Write the file; give the physical line on which each row begins."""
    text, lines = dialect.record(HEADER), []
    for row in rows:
        text += dialect.newline if row.blank_before else ""
        lines.append(text.count("\n") + 1)
        text += dialect.record(row.cells(dialect))
    path.write_bytes(text.encode(dialect.encoding))
    return lines


def expected(
    rows: list[Row], lines: list[int]
) -> tuple[dict[str, tuple[int, float]], dict[int, str]]:
    """Give {identifier: (first line, tonnes)} of what must load, {line: rule} of the rejects."""
    rejects = {line: row.spoil for row, line in zip(rows, lines, strict=True) if row.spoil}
    facts: dict[str, tuple[int, float]] = {}
    for number in {row.number for row in rows}:
        sound = [
            (row, line)
            for row, line in zip(rows, lines, strict=True)
            if row.number == number and not row.spoil
        ]
        if len({row.values for row, _ in sound}) > 1:
            rejects |= {line: "ID_EN_CONFLIT" for _, line in sound}
        elif sound:
            facts[f"T{number}"] = (sound[0][1], sound[0][0].cents / 100)
    return facts, rejects


def check_a_run(desk: Desk, dialect: Dialect, rows: list[Row]) -> None:
    lines = written(desk.settings.erp, dialect, rows)
    facts, rejects = expected(rows, lines)
    summary = desk.run(max_rejects=NEVER).summary
    assert summary.read == len(rows) == summary.loaded + summary.rejected + summary.duplicates
    assert (summary.loaded, summary.rejected) == (len(facts), len(rejects))
    with reading(desk.settings.dwh, 5.0) as reader:
        found = reader.rows(
            "SELECT transaction_id, source_line, volume_transferred FROM fact_transactions"
        )
        totals = reader.rows(
            "SELECT COUNT(*), CAST(COALESCE(SUM(volume_transferred), 0) AS DOUBLE PRECISION) "
            "FROM fact_transactions"
        )
        stats = reader.rows(
            "SELECT CAST(COALESCE(SUM(transaction_count), 0) AS INTEGER), "
            "CAST(COALESCE(SUM(total_volume), 0) AS DOUBLE PRECISION) FROM aggr_daily_site_stats"
        )
        kept = reader.rows("SELECT source_file, source_line, rule_code, reason FROM rejets")
    assert {fact: (line, tonnes) for fact, line, tonnes in found} == facts
    assert stats[0] == pytest.approx(totals[0])
    assert {line: rule for _, line, rule, _ in kept} == rejects
    assert {(file, bool(reason)) for file, _, _, reason in kept} <= {("erp.csv", True)}
    again = desk.run(max_rejects=NEVER).summary
    assert (again.loaded, again.duplicates) == (0, summary.loaded + summary.duplicates)


# A failing file is short as it comes; making it shorter takes minutes of runs.
FOUND_AS_IS = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@settings(FOUND_AS_IS, max_examples=25)
@given(dialect=DIALECTS, rows=ROWS)
def test_each_row_of_a_dirty_file_ends_where_it_belongs(
    make_desk: Callable[[], Desk], dialect: Dialect, rows: list[Row]
) -> None:
    check_a_run(make_desk(), dialect, rows)


@pytest.mark.postgresql
@settings(FOUND_AS_IS, max_examples=8)
@given(dialect=DIALECTS, rows=ROWS)
def test_each_row_of_a_dirty_file_ends_where_it_belongs_on_postgresql(
    make_desk: Callable[[], Desk],
    postgres_server: PostgresServer,
    dialect: Dialect,
    rows: list[Row],
) -> None:
    desk = make_desk()
    url = DwhUrl.parse(own_schema(postgres_server, "dirt"))
    desk.settings = replace(desk.settings, dwh=url, busy_timeout_s=5.0)
    check_a_run(desk, dialect, rows)
