"""The mapping file (YAML) that says how a foreign export names and writes our columns."""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from dpa.cells import Conventions
from dpa.dates import date_regex
from dpa.errors import InvalidMapping
from dpa.files import read_bytes
from dpa.validation import french_errors

MAX_BYTES: Final = 1_000_000
Text = Annotated[str, Field(min_length=1)]
Unit = Literal["t", "kg", "g", "q", "kt", "lb", "short_ton", "long_ton"]

TONNES: Final[dict[Unit, float]] = {
    "t": 1.0,
    "kg": 0.001,
    "g": 0.000_001,
    "q": 0.1,
    "kt": 1_000.0,
    "lb": 0.000_453_592_37,
    "short_ton": 0.907_184_74,
    "long_ton": 1.016_046_908_8,
}
"""Tonnes in one unit of mass: metric (q is the metric quintal), and avoirdupois (NIST SP 811)."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnNames(_Strict):
    """The header of each of our columns in the foreign file."""

    transaction_id: Text = "transaction_id"
    machine_id: Text = "machine_id"
    date: Text = "date"
    volume_transferred: Text = "volume_transferred"
    status_code: Text = "status_code"


class Defaults(_Strict):
    """What an empty cell, or a column that the file lacks, stands for; written as in the file."""

    machine_id: Text | None = None
    date: Text | None = None
    volume_transferred: Text | None = None
    status_code: Text | None = None


class Mapping(_Strict):
    """One mapping file; every key may be left out and then means our own layout.

    `encoding`, `delimiter` and `decimal` "auto" are decided from each file. `sheet` (name or
    number) and `header_row` (the first is 1) are found by the reader when they are None.
    """

    encoding: Literal["auto", "utf-8", "utf-16", "cp1252", "iso-8859-15"] = "auto"
    delimiter: Literal["auto", ",", ";", "\t", "|"] = "auto"
    decimal: Literal["auto", ".", ","] = "auto"
    sheet: Text | None = None
    header_row: Annotated[int, Field(ge=1, le=1_000)] | None = None
    columns: ColumnNames = ColumnNames()
    date_formats: Annotated[tuple[str, ...], Field(min_length=1)] = Conventions.date_formats
    volume_unit: Unit = "t"
    volume_factor: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    status_codes: dict[Text, Literal["OK", "WARN", "ERR"]] = {}
    defaults: Defaults = Defaults()

    @field_validator("date_formats")
    @classmethod
    def _known_formats(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in formats:
            date_regex(pattern)
        return formats

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if {"volume_unit", "volume_factor"} <= self.model_fields_set:
            raise ValueError("« volume_unit » et « volume_factor » s'excluent ; gardez-en une")
        return self

    @property
    def tonnes_per_unit(self) -> float:
        """What turns the file's volumes into tonnes."""
        return self.volume_factor or TONNES[self.volume_unit]

    def conventions(self) -> Conventions:
        """Give the part that concerns the writing of cells; a decimal to detect stays "auto"."""
        return Conventions(
            date_formats=self.date_formats,
            decimal=self.decimal,
            volume_factor=self.tonnes_per_unit,
            status_codes=dict(self.status_codes),
        )


@dataclass(frozen=True)
class MappingFile:
    """A mapping and the digest of the file that it was read from."""

    mapping: Mapping
    sha256: str


class _RepeatedKey(Exception):
    """A key stands twice in one group; its text is the French sentence."""


class _TextLoader(yaml.BaseLoader):
    """Reads every scalar as text (a status NO stays "NO") and refuses a key written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                line = node.start_mark.line + 1
                raise _RepeatedKey(f"clé « {key} » écrite deux fois (groupe de la ligne {line}).")
        return super().construct_mapping(node, deep)


def read_mapping(path: Path) -> MappingFile:
    """Read and check a mapping file.

    Raises SourceUnreadable, or InvalidMapping, naming the key, when it breaks a rule.
    """
    data = read_bytes(path)
    if len(data) > MAX_BYTES:
        raise InvalidMapping(
            f"{path} : plus de {MAX_BYTES // 1_000_000} Mo, ce n'est pas un fichier de "
            "correspondance ; vérifiez le chemin donné à --mapping."
        )
    try:
        # BaseLoader builds nothing but text, lists and dictionaries, like SafeLoader.
        document = yaml.load(data, Loader=_TextLoader)  # noqa: S506
    except _RepeatedKey as error:
        raise InvalidMapping(f"{path} : {error}") from error
    except yaml.YAMLError as error:
        raise InvalidMapping(f"{path} : YAML illisible{_where(error)}") from error
    except RecursionError as error:
        raise InvalidMapping(f"{path} : YAML trop imbriqué.") from error
    try:
        mapping = Mapping.model_validate(document or {})
    except ValidationError as error:
        raise InvalidMapping(f"{path} : {french_errors(error)}") from error
    return MappingFile(mapping, hashlib.sha256(data).hexdigest())


def _where(error: yaml.YAMLError) -> str:
    """Say the place at fault, which PyYAML knows for all but undecodable bytes."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " : octets ou caractères non admis."
    return (
        f" à la ligne {mark.line + 1}, colonne {mark.column + 1} ; vérifiez le retrait (espaces, "
        "pas de tabulation), les deux-points, les guillemets et les crochets."
    )
