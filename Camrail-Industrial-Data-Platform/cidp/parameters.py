"""The parameters of a request's address, checked against what its route takes."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from werkzeug.datastructures import MultiDict

from cidp.errors import FieldError, ParametersRefused
from cidp.telemetry import is_loco_id, parse_instant

T = TypeVar("T")
Reader = Callable[[str], Any]


def read_parameters(given: MultiDict[str, str], readers: Mapping[str, Reader]) -> dict[str, Any]:
    """Read every parameter by its reader, which raises ValueError with a French message.

    What is not given is absent from the result. Raises `ParametersRefused` for unknown, repeated
    and unreadable ones.
    """
    found: dict[str, Any] = {}
    details: list[FieldError] = []
    for name, values in given.lists():
        reader = readers.get(name)
        if reader is None or len(values) > 1:
            message = "paramètre inconnu" if reader is None else "paramètre donné plusieurs fois"
            details.append(FieldError(field=name[:80], message=message))
            continue
        try:
            found[name] = reader(values[0])
        except ValueError as error:
            details.append(FieldError(field=name, message=str(error)))
    if details:
        raise ParametersRefused(details)
    return found


def one_of(*allowed: str) -> Reader:
    """Read one word of a closed list."""

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"l'un de {', '.join(allowed)} est attendu")
        return text

    return read


def whole(lowest: int, highest: int) -> Reader:
    """Read a whole number between two bounds."""

    def read(text: str) -> int:
        digits = text.isascii() and text.isdecimal() and len(text) <= 19
        if not digits or not lowest <= int(text) <= highest:
            raise ValueError(f"un entier de {lowest} à {highest} est attendu")
        return int(text)

    return read


def instant(text: str) -> datetime:
    """Read an instant with its offset; a plus that became a space in the address is put back."""
    found = parse_instant(text.replace(" ", "+") if text.count(" ") == 1 else text)
    if found is None:
        raise ValueError("une date ISO 8601 avec son décalage est attendue, par exemple Z")
    return found


def loco_id(text: str) -> str:
    """Read the name of a locomotive."""
    if not is_loco_id(text):
        raise ValueError("un identifiant de locomotive est attendu, par exemple LOCO_001")
    return text
