"""The machine list, JSON: each machine once, with its site and its year of installation."""

import json
from dataclasses import dataclass
from typing import Annotated, Final, NoReturn

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dpa.columns import MACHINE_COLUMNS, UNKNOWN
from dpa.errors import InvalidMachines, SourceEmpty, SourceUnreadable
from dpa.parts import SourceFile
from dpa.validation import french_errors

WRAPPERS: Final = ("machines", "data", "items", "results")
"""Keys under which an API may hand over its array."""

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


@dataclass(frozen=True)
class MachineTable:
    """The machine list: machine_id (unique), site_location, installation_year (may be missing).

    `notes` are French sentences to say aloud, on where the list had to be taken from. A list that
    `only_adds` is not good enough to change what is known of a machine.
    """

    source: SourceFile
    table: pd.DataFrame
    notes: tuple[str, ...] = ()
    only_adds: bool = False


class Machine(BaseModel):
    """One entry of the machine list; further keys are ignored."""

    model_config = ConfigDict(strict=True, str_strip_whitespace=True)

    machine_id: Name
    site_location: Name
    installation_year: Annotated[int, Field(ge=1900, le=2100)] | None


def parse_machines(data: bytes, name: str) -> pd.DataFrame:
    """Read a machine list: an array of objects, or an object that holds one under a wrapper key.

    Raises SourceUnreadable, SourceEmpty or InvalidMachines, naming the source by `name` and the
    entry.
    """
    entries = _entries(_json_document(_text(data, name), name), name)
    if not entries:
        raise SourceEmpty(f"{name} : la liste de machines est vide.")
    machines = [_machine(name, number, entry) for number, entry in enumerate(entries, start=1)]
    _refuse_repeats(name, machines)
    return pd.DataFrame(
        [[getattr(machine, column) for column in MACHINE_COLUMNS] for machine in machines],
        columns=list(MACHINE_COLUMNS),
    ).astype({"machine_id": "str", "site_location": "str", "installation_year": "Int64"})


def _text(data: bytes, name: str) -> str:
    if not data.strip():
        raise SourceEmpty(f"{name} : le contenu est vide.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceUnreadable(
            f"{name} : ligne {line}, octet {data[error.start]:#04x} illisible en utf-8 ; la liste "
            "des machines est un fichier JSON, enregistré en UTF-8."
        ) from error


def _json_document(text: str, name: str) -> object:
    """Read JSON strictly: no NaN, no key twice in an object; raise InvalidMachines."""

    def refused(reason: str) -> NoReturn:
        raise InvalidMachines(f"{name} : JSON illisible ({reason}).")

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            refused(f"une clé est écrite deux fois dans {str(found)[:200]}")
        return found

    try:
        return json.loads(
            text,
            parse_constant=lambda constant: refused(f"{constant} n'est pas un nombre"),
            object_pairs_hook=unique,
        )
    except json.JSONDecodeError as error:
        refused(f"ligne {error.lineno}, colonne {error.colno}")
    except ValueError:
        # Python converts no integer of more than 4,300 digits.
        refused("un nombre a trop de chiffres")
    except RecursionError:
        refused("trop imbriqué")


def _entries(document: object, name: str) -> list[object]:
    """Take the array out of its wrapper; an answer in pages would be a list cut in silence."""
    if isinstance(document, dict):
        if document.get("next"):
            raise InvalidMachines(
                f"{name} : réponse en plusieurs pages (« next ») ; demandez la liste entière à "
                "l'API."
            )
        wrapped = [key for key in WRAPPERS if isinstance(document.get(key), list)]
        document = document[wrapped[0]] if len(wrapped) == 1 else document
    if not isinstance(document, list):
        raise InvalidMachines(
            f"{name} : une liste de machines est attendue, [{{…}}, {{…}}], seule ou sous une des "
            f"clés {', '.join(WRAPPERS)}."
        )
    return document


def _machine(name: str, number: int, entry: object) -> Machine:
    try:
        machine = Machine.model_validate(entry)
    except ValidationError as error:
        raise InvalidMachines(f"{name} : machine n° {number} : {french_errors(error)}.") from error
    if UNKNOWN in (machine.machine_id, machine.site_location):
        raise InvalidMachines(
            f"{name} : machine n° {number} : « {UNKNOWN} » est réservé aux machines absentes de "
            "la liste ; donnez son vrai nom."
        )
    return machine


def _refuse_repeats(name: str, machines: list[Machine]) -> None:
    first_seen: dict[str, int] = {}
    for number, machine in enumerate(machines, start=1):
        first = first_seen.setdefault(machine.machine_id, number)
        if first != number:
            raise InvalidMachines(
                f"{name} : machine_id « {machine.machine_id} » figure deux fois "
                f"(n° {first} et n° {number}) ; gardez une seule entrée."
            )
