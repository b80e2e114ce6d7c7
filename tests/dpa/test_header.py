"""Where our columns stand, and how cells are written."""

from pathlib import Path

import pytest

from dpa.columns import TRANSACTION_COLUMNS
from dpa.errors import MissingColumns
from dpa.header import defaults_of, resolve_columns, resolve_conventions
from dpa.mapping import Mapping

FILE = Path("erp.csv")


def mapping(**keys: object) -> Mapping:
    return Mapping.model_validate(keys)


def test_columns_are_found_wherever_they_stand() -> None:
    header = ["note", *reversed(TRANSACTION_COLUMNS)]
    assert resolve_columns(FILE, header, Mapping()) == {
        "transaction_id": 5,
        "machine_id": 4,
        "date": 3,
        "volume_transferred": 2,
        "status_code": 1,
    }


def test_a_mapping_names_columns_and_a_default_stands_for_an_absent_one() -> None:
    names = mapping(columns={"transaction_id": "Réf"}, defaults={"status_code": "OK"})
    header = ["Réf", "machine_id", "date", "volume_transferred"]
    found = resolve_columns(FILE, header, names)
    assert (found["transaction_id"], found["status_code"]) == (0, None)
    assert defaults_of(names) == {"status_code": "OK"}


def test_an_absent_column_is_named_with_what_was_found() -> None:
    with pytest.raises(MissingColumns, match=r"absentes : machine_id, .*date\. .*--mapping"):
        resolve_columns(FILE, ["transaction_id", "date"], Mapping())


def test_a_column_that_stands_twice_is_refused() -> None:
    with pytest.raises(MissingColumns, match="en double : date"):
        resolve_columns(FILE, [*TRANSACTION_COLUMNS, "date"], Mapping())


def test_another_column_may_stand_twice() -> None:
    found = resolve_columns(FILE, ["note", "note", *TRANSACTION_COLUMNS], Mapping())
    assert found["transaction_id"] == 2


def test_a_detected_comma_is_said_and_a_declared_mark_is_not_looked_for() -> None:
    conventions, notes = resolve_conventions(Mapping(), ["12,5"])
    assert (conventions.decimal, len(notes)) == (",", 1)
    assert "virgule" in notes[0]
    assert conventions.decimal_from == "shown"
    assert resolve_conventions(Mapping(), ["1,234"])[0].decimal_from == "guessed"
    declared = resolve_conventions(mapping(decimal="."), ["12,5"])[0]
    assert (declared.decimal, declared.decimal_from) == (".", "given")


def test_the_point_needs_no_word() -> None:
    conventions, notes = resolve_conventions(Mapping(), ["12.5"])
    assert (conventions.decimal, notes) == (".", ())
