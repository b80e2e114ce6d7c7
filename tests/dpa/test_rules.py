"""The catalogue of rules and the rows that break them."""

import pyarrow as pa
import pytest

from dpa.cells import Conventions
from dpa.columns import TRANSACTION_COLUMNS
from dpa.quality import check, read_dates
from dpa.rules import MAX_ID_LENGTH, RULES

GOOD = {
    "transaction_id": "T1",
    "machine_id": "M1",
    "date": "2026-01-05",
    "volume_transferred": "12.5",
    "status_code": "OK",
}


def broken(**cells: str) -> list[str]:
    texts = {name: pa.array([cell], pa.large_string()) for name, cell in (GOOD | cells).items()}
    _, faults = check(texts, read_dates(texts, Conventions()), Conventions())
    return [code for code, mask in faults.items() if mask[0]]


def test_a_good_row_breaks_no_rule() -> None:
    assert broken() == []


@pytest.mark.parametrize("volume", ["0", "100000", "1e5", "-0"])
def test_the_bounds_of_the_volume_are_admitted(volume: str) -> None:
    assert broken(volume_transferred=volume) == []


def test_an_identifier_is_measured_in_characters() -> None:
    assert broken(transaction_id="é" * MAX_ID_LENGTH, machine_id="é" * MAX_ID_LENGTH) == []


@pytest.mark.parametrize("date", ["1950-01-01", "2100-12-31 23:59"])
def test_the_bounds_of_the_year_are_those_of_douala(date: str) -> None:
    assert broken(date=date) == []


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("transaction_id", "", "ID_MANQUANT"),
        ("transaction_id", " \u00a0", "ID_MANQUANT"),
        ("transaction_id", "T\x85\u00e9", "ID_INVALIDE"),
        ("transaction_id", "a" * (MAX_ID_LENGTH + 1), "ID_INVALIDE"),
        ("transaction_id", "T\x07", "ID_INVALIDE"),
        ("transaction_id", "T\n1", "ID_INVALIDE"),
        ("machine_id", "", "MACHINE_MANQUANTE"),
        ("machine_id", "M\x00", "MACHINE_INVALIDE"),
        ("date", "", "DATE_MANQUANTE"),
        ("date", "  ", "DATE_MANQUANTE"),
        ("date", "2026-02-30", "DATE_INVALIDE"),
        ("date", "0026-01-05", "DATE_HORS_PLAGE"),
        ("date", "2226-01-05", "DATE_HORS_PLAGE"),
        ("volume_transferred", "", "VOLUME_MANQUANT"),
        ("volume_transferred", " ", "VOLUME_MANQUANT"),
        ("volume_transferred", "voir bon", "VOLUME_NON_NUMERIQUE"),
        ("volume_transferred", "-1", "VOLUME_NEGATIF"),
        ("volume_transferred", "100000.01", "VOLUME_HORS_PLAGE"),
        ("volume_transferred", "1e999", "VOLUME_HORS_PLAGE"),
        ("volume_transferred", "-1e999", "VOLUME_NEGATIF"),
        ("status_code", "", "STATUT_MANQUANT"),
        ("status_code", " ", "STATUT_MANQUANT"),
        ("status_code", "ok", "STATUT_INCONNU"),
    ],
)
def test_one_bad_cell_breaks_exactly_its_rule(column: str, cell: str, code: str) -> None:
    assert broken(**{column: cell}) == [code]
    assert RULES[code].column == column


def test_every_rule_speaks_and_names_a_column_or_the_row() -> None:
    for code, rule in RULES.items():
        assert rule.code == code
        assert rule.sentence.endswith(".")
        assert rule.remedy.endswith(".")
        assert rule.column in ("", *TRANSACTION_COLUMNS)
