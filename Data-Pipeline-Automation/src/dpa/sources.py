"""Input files become text tables that know where each row comes from."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, NoReturn

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dpa.columns import MACHINE_COLUMNS, TRANSACTION_COLUMNS, UNKNOWN
from dpa.csv_records import Malformed, split_records
from dpa.errors import InvalidMachines, MissingColumns, SourceEmpty, SourceUnreadable
from dpa.files import read_bytes
from dpa.mapping import Mapping
from dpa.validation import french_errors

_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_DECLARE_ENCODING: Final = (
    " ou indiquez son « encoding » dans un fichier de correspondance (--mapping)"
)


@dataclass(frozen=True)
class SourceFile:
    """One input file as it was read."""

    path: Path
    sha256: str
    rows: int


@dataclass(frozen=True)
class TransactionTable:
    """The transactions of one file, all cells still text.

    `table`: the five columns under our names and `source_line`; `records[i]` holds all the cells
    of row i under `header`. `malformed` lines are rows too, which could not be cut into cells.
    `defaulted` counts, by column, the empty cells that the mapping's defaults filled.
    """

    source: SourceFile
    header: list[str]
    records: list[list[str]]
    table: pd.DataFrame
    malformed: list[Malformed]
    blank_lines: int
    defaulted: dict[str, int]


@dataclass(frozen=True)
class MachineTable:
    """The machine list: machine_id (unique), site_location, installation_year (may be missing)."""

    source: SourceFile
    table: pd.DataFrame


Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


class Machine(BaseModel):
    """One entry of the machine list; further keys are ignored."""

    model_config = ConfigDict(strict=True, str_strip_whitespace=True)

    machine_id: Name
    site_location: Name
    installation_year: Annotated[int, Field(ge=1900, le=2100)] | None


def _content(path: Path) -> bytes:
    """Read a file that must not be empty; raise SourceUnreadable or SourceEmpty."""
    data = read_bytes(path)
    if not data.strip():
        raise SourceEmpty(f"{path} : le fichier est vide.")
    return data


def _decode(data: bytes, encoding: str, path: Path, otherwise: str) -> str:
    """Decode a whole file; raise SourceUnreadable with the line of the first wrong byte.

    `otherwise` is the remedy beside saving the file as UTF-8.
    """
    if encoding == "utf-8" and data.startswith(_UTF16_MARKS):
        raise SourceUnreadable(
            f"{path} : le fichier est en UTF-16 ; enregistrez le fichier en UTF-8{otherwise}."
        )
    try:
        return data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceUnreadable(
            f"{path} : ligne {line}, octet {data[error.start]:#04x} illisible en {encoding} ; "
            f"enregistrez le fichier en UTF-8{otherwise}."
        ) from error


def read_transactions(path: Path, mapping: Mapping) -> TransactionTable:
    """Read an ERP export (CSV) under the names and conventions of `mapping`.

    Raises SourceUnreadable, SourceEmpty or MissingColumns; a bad row never raises.
    """
    data = _content(path)
    delimiter = None if mapping.delimiter == "auto" else mapping.delimiter
    text = _decode(data, mapping.encoding, path, _DECLARE_ENCODING)
    found = split_records(text, delimiter)
    header = [name.strip() for name in found.header]
    columns = _columns_of(path, header, mapping)
    rows = len(found.fields) + len(found.malformed)
    if rows == 0:
        raise SourceEmpty(f"{path} : l'en-tête n'est suivi d'aucune ligne.")
    cells = _select(found.fields, columns)
    defaulted = _fill_defaults(cells, mapping)
    return TransactionTable(
        source=SourceFile(path, hashlib.sha256(data).hexdigest(), rows),
        header=header,
        records=found.fields,
        table=pd.DataFrame(cells, dtype="str").assign(source_line=found.lines),
        malformed=found.malformed,
        blank_lines=found.blank_lines,
        defaulted=defaulted,
    )


def _columns_of(path: Path, header: list[str], mapping: Mapping) -> dict[str, int | None]:
    """Find each of our columns in the header; None where a default stands for it."""
    names = mapping.columns.model_dump()
    defaults = mapping.defaults.model_dump()
    wanted = {column: names[column] for column in TRANSACTION_COLUMNS}
    missing = [
        name
        for column, name in wanted.items()
        if name not in header and defaults.get(column) is None
    ]
    if missing:
        raise MissingColumns(
            f"{path} : colonnes absentes {missing} ; attendues {list(wanted.values())} ; "
            f"trouvées {header[:40]}. Corrigez l'en-tête ou passez un fichier de correspondance "
            "(--mapping)."
        )
    twice = sorted({name for name in wanted.values() if header.count(name) > 1})
    if twice:
        raise MissingColumns(f"{path} : colonnes en double {twice} ; gardez-en une seule.")
    return {
        column: header.index(name) if name in header else None for column, name in wanted.items()
    }


def _select(
    records: Sequence[Sequence[str]], columns: dict[str, int | None]
) -> dict[str, list[str]]:
    return {
        column: [""] * len(records) if at is None else [record[at] for record in records]
        for column, at in columns.items()
    }


def _fill_defaults(cells: dict[str, list[str]], mapping: Mapping) -> dict[str, int]:
    """Put the mapping's defaults into empty cells, in place; count them by column."""
    filled = {}
    for column, default in mapping.defaults.model_dump(exclude_none=True).items():
        empty = [at for at, cell in enumerate(cells[column]) if not cell.strip()]
        for at in empty:
            cells[column][at] = default
        if empty:
            filled[column] = len(empty)
    return filled


def read_machines(path: Path) -> MachineTable:
    """Read the machine list: a JSON array of objects, each machine once.

    Raises SourceUnreadable, SourceEmpty or InvalidMachines, naming the file and the entry.
    """
    data = _content(path)
    document = _json_document(_decode(data, "utf-8", path, ""), path)
    if not isinstance(document, list):
        raise InvalidMachines(f"{path} : une liste de machines est attendue : [{{…}}, {{…}}].")
    if not document:
        raise SourceEmpty(f"{path} : la liste de machines est vide.")
    machines = [_machine(path, number, entry) for number, entry in enumerate(document, start=1)]
    _refuse_repeats(path, machines)
    table = pd.DataFrame(
        [[getattr(machine, name) for name in MACHINE_COLUMNS] for machine in machines],
        columns=list(MACHINE_COLUMNS),
    ).astype({"machine_id": "str", "site_location": "str", "installation_year": "Int64"})
    return MachineTable(SourceFile(path, hashlib.sha256(data).hexdigest(), len(table)), table)


def _json_document(text: str, path: Path) -> object:
    """Read JSON strictly: no NaN, no key twice in an object; raise InvalidMachines."""

    def refused(reason: str) -> NoReturn:
        raise InvalidMachines(f"{path} : JSON illisible ({reason}).")

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            refused(f"une clé est écrite deux fois dans {dict(pairs)}")
        return found

    try:
        return json.loads(
            text,
            parse_constant=lambda name: refused(f"{name} n'est pas un nombre"),
            object_pairs_hook=unique,
        )
    except json.JSONDecodeError as error:
        refused(f"ligne {error.lineno}, colonne {error.colno}")
    except ValueError:
        # Python converts no integer of more than 4,300 digits.
        refused("un nombre a trop de chiffres")
    except RecursionError:
        refused("trop imbriqué")


def _machine(path: Path, number: int, entry: object) -> Machine:
    try:
        machine = Machine.model_validate(entry)
    except ValidationError as error:
        raise InvalidMachines(f"{path} : machine n° {number} : {french_errors(error)}.") from error
    if UNKNOWN in (machine.machine_id, machine.site_location):
        raise InvalidMachines(
            f"{path} : machine n° {number} : « {UNKNOWN} » est réservé aux machines absentes de "
            "la liste ; donnez son vrai nom."
        )
    return machine


def _refuse_repeats(path: Path, machines: list[Machine]) -> None:
    first_seen: dict[str, int] = {}
    for number, machine in enumerate(machines, start=1):
        first = first_seen.setdefault(machine.machine_id, number)
        if first != number:
            raise InvalidMachines(
                f"{path} : machine_id « {machine.machine_id} » figure deux fois "
                f"(n° {first} et n° {number}) ; gardez une seule entrée."
            )
