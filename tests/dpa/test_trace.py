"""A transaction leads back to its source line, on a warehouse of either kind."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from store import MACHINES, Store, part

from dpa.errors import TransactionUnknown
from dpa.open_rejects import abandon_rejects
from dpa.trace import trace, trace_text

HEADER = "transaction_id;machine_id;date;volume_transferred;status_code;note"
LINES = ["T1;M1;05/01/2026 08:00;10,5;ERR;à revoir", "T2;M1;05/01/2026 09:00;30;OK;"]
A = (2, "T1", "M1", "2026-01-05 08:00", 10.5, "ERR")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "export.csv"
    path.write_text("\n".join([HEADER, *LINES]) + "\n", encoding="cp1252")
    return path


def load_export(store: Store, export: Path, *rows: tuple[int, str, str, str, float, str]) -> None:
    digest = hashlib.sha256(export.read_bytes()).hexdigest()
    store.load(part(rows), transactions_path=str(export), sha256=digest)


def test_a_transaction_is_shown_with_its_run_file_line_and_cells(
    store: Store, export: Path
) -> None:
    load_export(store, export, A)
    found = trace(store.url, "T1", 1.0)
    assert found.cells == [
        ("transaction_id", "T1"),
        ("machine_id", "M1"),
        ("date", "05/01/2026 08:00"),
        ("volume_transferred", "10,5"),
        ("status_code", "ERR"),
        ("note", "à revoir"),
    ]
    assert trace_text(store.url, "T1", 1.0).splitlines() == [
        "Transaction T1",
        "  machine M1, site Douala, 05/01/2026 08:00:00 à Douala, 10,5 t, statut ERR",
        "  écrite par le lot R1 (chargement)",
        f"  fichier {export}",
        f"  SHA-256 {found.state.lot.file.sha256}",
        "  export.csv, ligne 2",
        "Dans le fichier",
        "  transaction_id : T1",
        "  machine_id : M1",
        "  date : 05/01/2026 08:00",
        "  volume_transferred : 10,5",
        "  status_code : ERR",
        "  note : à revoir",
    ]


def test_a_file_that_changed_or_went_is_told(store: Store, export: Path) -> None:
    load_export(store, export, A)
    export.write_text("autre", encoding="utf-8")
    assert trace(store.url, "T1", 1.0).gone == "le fichier a changé depuis ce chargement"
    export.unlink()
    assert "non montrée : le fichier n'est plus à cet endroit." in trace_text(store.url, "T1", 1.0)


def test_a_file_that_no_longer_reads_is_told(store: Store, tmp_path: Path) -> None:
    empty = tmp_path / "vide.csv"
    empty.write_bytes(b"")
    load_export(store, empty, A)
    assert "ne se relit pas" in trace(store.url, "T1", 1.0).gone


def test_a_line_beyond_the_file_is_told(store: Store, export: Path) -> None:
    load_export(store, export, (9, *A[1:]))
    assert trace(store.url, "T1", 1.0).gone == "le fichier n'a plus cette ligne"


def test_the_mapping_of_the_run_reads_its_file_again(store: Store, tmp_path: Path) -> None:
    export, mapping = tmp_path / "tiers.csv", tmp_path / "tiers.yaml"
    export.write_text("ref,loco,quand,poids,etat\nT1,M1,2026-01-05,10,ERR\n", encoding="utf-8")
    mapping.write_text(
        "columns:\n  transaction_id: ref\n  machine_id: loco\n  date: quand\n"
        "  volume_transferred: poids\n  status_code: etat\n",
        encoding="utf-8",
    )
    store.load(
        part([A]),
        transactions_path=str(export),
        sha256=hashlib.sha256(export.read_bytes()).hexdigest(),
        mapping_path=str(mapping),
        mapping_sha256=hashlib.sha256(mapping.read_bytes()).hexdigest(),
    )
    assert trace(store.url, "T1", 1.0).cells[3] == ("poids", "10")
    mapping.write_text(mapping.read_text(encoding="utf-8") + "# autre\n", encoding="utf-8")
    assert "fichier de correspondance" in trace(store.url, "T1", 1.0).gone


def test_states_that_corrections_replaced_are_told_latest_first(store: Store) -> None:
    for volume in (10.0, 11.25, 12.0):
        store.load(part([(2, "T1", "M1", "2026-01-05 08:00", volume, "OK")]))
    found = trace(store.url, "T1", 1.0)
    assert [state.volume for state in found.earlier] == [11.25, 10.0]
    text = trace_text(store.url, "T1", 1.0)
    assert "État remplacé, écrit par le lot R2\n  machine M1, site Douala" in text
    assert "11,25 t" in text


def test_a_resubmitted_transaction_leads_back_to_its_rejects(store: Store) -> None:
    store.load(part([], [7]), transactions_sheet="Janvier")
    store.load(part([], [3]), closing={3: 1})
    store.load(part([A]), closing={2: 2})
    found = trace(store.url, "T1", 1.0)
    assert [(reject.lot.run_id, reject.line) for reject in found.rejects] == [("R2", 3), ("R1", 7)]
    assert "erp.csv, feuille ou table « Janvier », ligne 7" in trace_text(store.url, "T1", 1.0)


def test_an_unknown_transaction_is_refused(store: Store) -> None:
    store.load(part([A]), machines=MACHINES)
    with pytest.raises(TransactionUnknown, match=r"aucune transaction « T_ »"):
        trace(store.url, "T_", 1.0)


def test_a_transaction_whose_line_was_abandoned_is_told_with_the_reason(store: Store) -> None:
    row = part([], [5]).rejects.assign(raw_row='{"transaction_id": "T5", "date": "hier"}')
    store.load(replace(part([], [5]), rejects=row))
    abandon_rejects(store.url, "1", None, "essai", datetime(2026, 2, 1, 12, tzinfo=UTC), 1.0)
    with pytest.raises(
        TransactionUnknown, match=r"erp\.csv, ligne 5.*abandonnée le 01/02/2026 à 13:00 : essai"
    ):
        trace(store.url, "T5", 1.0)


def test_a_transaction_that_waits_among_the_rejects_is_told(store: Store) -> None:
    store.load(part([A], [5]))
    store.execute('UPDATE rejets SET raw_row = \'{"id": "T_5%"}\'')
    with pytest.raises(TransactionUnknown, match=r"parmi les rejets : erp.csv, ligne 5\. La date"):
        trace(store.url, "T_5%", 1.0)
    with pytest.raises(TransactionUnknown, match="aucune"):
        trace(store.url, "TX5%", 1.0)
