"""The layout of the rejects workbook fits any header and any conventions."""

from pathlib import Path

from dpa.cells import Conventions
from dpa.parts import TransactionSource
from dpa.rejects_sheet import OUR_COLUMNS, labels, mapping_of


def test_headings_are_those_of_the_analyst_each_once() -> None:
    found = labels(["Date", "date", "", "Poids\n(t)\x01", "Motif", "x" * 300])
    assert found[:5] == ["Date", "date (2)", "Colonne 3", "Poids (t)", "Motif"]
    assert len(found[5]) == 240
    assert found[6:] == [name if name != "Motif" else "Motif (2)" for name in OUR_COLUMNS]
    assert len({name.casefold() for name in found}) == len(found)


def test_the_mapping_reads_as_the_source_was_read() -> None:
    header = ("N°", "machine_id", "Jour", "Poids")
    source = TransactionSource(
        path=Path("export.csv"),
        sha256="0" * 64,
        sheet="",
        header=header,
        columns={
            "transaction_id": 0,
            "machine_id": None,
            "date": 2,
            "volume_transferred": 3,
            "status_code": None,
        },
        conventions=Conventions(("%d.%m.%y",), ",", 0.001, {"E": "ERR"}),
        defaults={"machine_id": "M1", "status_code": "OK"},
        parts=(),
    )
    mapping = mapping_of(source)
    assert mapping.conventions() == source.conventions
    assert mapping.columns.transaction_id == "N°"
    assert mapping.columns.machine_id not in header
    assert mapping.columns.status_code not in header
    assert (mapping.defaults.machine_id, mapping.defaults.status_code) == ("M1", "OK")
