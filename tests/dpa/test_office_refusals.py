"""Files that no reader should open are refused fast, in little memory, with the cause named."""

import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from openpyxl import Workbook

from dpa.columns import TRANSACTION_COLUMNS
from dpa.errors import SourceError

from .conftest import Desk

FIXTURES = Path(__file__).parent / "fixtures"
SOURCE_ROOT = Path(__file__).parents[2] / "Data-Pipeline-Automation" / "src"
MOST_CPU_SECONDS, MOST_MEGABYTES = 5.0, 500
PROBE = """
import json, sys, threading, time
from pathlib import Path

import psutil

from dpa.errors import SourceError
from dpa.mapping import Mapping
from dpa.sources import read_transactions

process, peak, over = psutil.Process(), [0], threading.Event()

def watch():
    while not over.wait(0.005):
        peak[0] = max(peak[0], process.memory_info().rss)

# The readers import Arrow and calamine when they are first needed.
import dpa.access_source, dpa.excel_source

watcher = threading.Thread(target=watch)
watcher.start()
outcomes = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    started = time.process_time()
    try:
        read_transactions(path, Mapping())
        said = ""
    except SourceError as error:
        said = str(error)
    seconds = time.process_time() - started
    outcomes[path.name] = said, seconds, max(peak[0], process.memory_info().rss) / 1e6
over.set()
watcher.join()
print(json.dumps(outcomes))
"""
BOMB_BYTES = 600_000_000


def minimal() -> bytes:
    """A workbook that holds a header and nothing else."""
    book, buffer = Workbook(), io.BytesIO()
    assert book.active is not None
    book.active.append(TRANSACTION_COLUMNS)
    book.save(buffer)
    return buffer.getvalue()


def of_workbook(changes: dict[str, bytes]) -> bytes:
    """A small workbook with members replaced or added."""
    with zipfile.ZipFile(io.BytesIO(minimal())) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in (members | changes).items():
            packed.writestr(name, content)
    return buffer.getvalue()


def bomb(name: str, content: bytes, declared: int = BOMB_BYTES) -> bytes:
    """A workbook with one more member, which unpacks to BOMB_BYTES; packed by hand to be fast."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    block = packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = block * (BOMB_BYTES // len(content)) + zlib.compressobj(wbits=-zlib.MAX_WBITS).flush()
    workbook = of_workbook({})
    at, end = workbook.index(b"PK\x01\x02"), workbook.index(b"PK\x05\x06")
    count = workbook.count(b"PK\x01\x02") + 1
    same = struct.pack("<4H3I2H", 0, 8, 0, 0, 0, len(packed), declared, len(name), 0)
    local = b"PK\x03\x04" + struct.pack("<H", 20) + same + name.encode() + packed
    entry = b"PK\x01\x02" + struct.pack("<2H", 20, 20) + same + struct.pack("<3H2I", 0, 0, 0, 0, at)
    directory = workbook[at:end] + entry + name.encode()
    tail = struct.pack("<4H2IH", 0, 0, count, count, len(directory), at + len(local), 0)
    return workbook[:at] + local + directory + b"PK\x05\x06" + tail


def zeros() -> bytes:
    return bomb("xl/worksheets/sheet2.xml", bytes(1_000_000))


def many_strings() -> bytes:
    return bomb("xl/sharedStrings.xml", b"<si><t>a</t></si>" * 50_000)


def lying_directory() -> bytes:
    return bomb("xl/worksheets/sheet2.xml", bytes(1_000_000), declared=5_000)


def many_members() -> bytes:
    return of_workbook({f"xl/media/{n}.png": b"" for n in range(20_000)})


def far_cell() -> bytes:
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="1"><c r="A1"><v>1</v></c></row>'
        b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>'
    )
    return of_workbook({"xl/worksheets/sheet1.xml": sheet})


def fixture(name: str) -> Callable[[], bytes]:
    return (FIXTURES / name).read_bytes


def locked_database() -> bytes:
    data = bytearray((FIXTURES / "access" / "transactions_2010.accdb").read_bytes())
    data[0x3E] ^= 0x55
    return bytes(data)


def text() -> bytes:
    return (FIXTURES / "access" / "transactions.csv").read_bytes()


REFUSED = {
    "zeros.xlsx": (zeros, "se décompresse plus de 200 fois"),
    "directory.xlsx": (lying_directory, "plus que la taille annoncée"),
    "strings.xlsx": (many_strings, "se décompresse plus de 200 fois"),
    "members.xlsx": (many_members, "fichiers internes"),
    "far.xlsx": (far_cell, "1048576 lignes et 16384 colonnes"),
    "locked.xlsx": (fixture("excel/protege.xlsx"), "mot de passe"),
    "locked.accdb": (locked_database, "chiffrée"),
    "text.xlsx": (text, "du texte"),
    "text.mdb": (text, "du texte"),
    "page.xls": (lambda: b"<html><table><tr><td>1</td></tr></table></html>", "une page HTML"),
    "empty.xlsx": (lambda: b"", "le fichier est vide"),
    "empty.accdb": (lambda: b"", "le fichier est vide"),
    "header.xlsx": (minimal, "n'est suivi d'aucune ligne"),
    "cut.xlsx": (lambda: minimal()[:-2_000], "tronqué ou abîmé"),
    "cut.accdb": (
        lambda: fixture("access/transactions_2010.accdb")()[:-2_000],
        "lecture sûre impossible",
    ),
    "workbook.mdb": (minimal, "un classeur ou une archive"),
    "database.xlsx": (fixture("access/transactions_2000.mdb"), "une base Access"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, float, float]]:
    """What was said of each file, in how many seconds of a processor, the peak of memory so far."""
    folder = tmp_path_factory.mktemp("refused")
    for name, (made, _) in REFUSED.items():
        (folder / name).write_bytes(made())
    done = subprocess.run(
        [sys.executable, "-c", PROBE, folder],
        capture_output=True,
        cwd=SOURCE_ROOT,
        timeout=900,
        check=True,
        encoding="utf-8",
    )
    found: dict[str, tuple[str, float, float]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_is_refused_fast_in_little_memory_with_its_cause(
    name: str, outcomes: dict[str, tuple[str, float, float]]
) -> None:
    said, cpu_s, megabytes = outcomes[name]
    assert REFUSED[name][1] in said
    assert name in said
    assert cpu_s < MOST_CPU_SECONDS
    assert megabytes < MOST_MEGABYTES


@pytest.mark.parametrize("name", ["locked.xlsx", "locked.accdb", "far.xlsx", "empty.xlsx"])
def test_a_refusal_leaves_the_warehouse_and_the_report_as_they_were(name: str, desk: Desk) -> None:
    desk.erp("T1,M1,2026-01-02,12.5,OK")
    desk.run()
    kept = [desk.settings.dwh.path, desk.settings.report]
    before = [path.read_bytes() for path in kept]
    path = desk.folder / name
    path.write_bytes(REFUSED[name][0]())
    with pytest.raises(SourceError):
        desk.run(erp=path)
    assert [path.read_bytes() for path in kept] == before
