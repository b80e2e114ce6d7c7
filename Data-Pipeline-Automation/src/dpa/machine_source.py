"""Where the machine list comes from: a file, or an API with its last good copy and the sample."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from dpa import french
from dpa.drafts import replacing
from dpa.errors import SourceError, SourceUnreadable, UsageError
from dpa.files import cause, read_bytes
from dpa.http_fetch import FetchLimits, checked_address, fetch, is_address, shown
from dpa.machine_list import MachineTable, parse_machines
from dpa.parts import SourceFile

__all__ = ["LastGoodCopy", "MachineTable", "read_machines"]

KEY_HEADER: Final = "X-API-KEY"


def read_machines(
    location: str | Path,
    cache_dir: Path,
    sample: Path,
    api_key: str | None = None,
    *,
    now: datetime | None = None,
    limits: FetchLimits | None = None,
) -> MachineTable:
    """Read the machine list from a JSON file or from an http(s) address.

    An API that fails gives way to the last good copy of its answer, kept in `cache_dir`, then to
    `sample`, which only adds machines; the notes say so. `api_key` is sent as X-API-KEY. Raises
    UsageError for an impossible address, SourceError when nothing can be used.
    """
    text = str(location)
    if is_address(text):
        address = checked_address(text)
        copy = LastGoodCopy.of(address, cache_dir)
        return _from_api(address, copy, sample, api_key, now or datetime.now(UTC), limits)
    if "://" in text or text.lower().startswith(("http:", "https:")):
        raise UsageError("--machines : seules les adresses http:// et https:// sont admises.")
    return _table(read_bytes(Path(location)), text)


def _table(data: bytes, name: str, notes: tuple[str, ...] = ()) -> MachineTable:
    table = parse_machines(data, name)
    digest = hashlib.sha256(data).hexdigest()
    return MachineTable(SourceFile(name, digest, len(table)), table, notes)


def _from_api(
    address: str,
    copy: "LastGoodCopy",
    sample: Path,
    api_key: str | None,
    now: datetime,
    limits: FetchLimits | None,
) -> MachineTable:
    headers = {KEY_HEADER: api_key} if api_key else {}
    try:
        data = fetch(address, headers, limits or FetchLimits())
        found = _table(data, shown(address))
    except SourceError as error:
        return _fallback(copy, sample, error, now)
    kept = copy.keep(data, now)
    return MachineTable(found.source, found.table, (kept,) if kept else ())


def _fallback(
    copy: "LastGoodCopy", sample: Path, failure: SourceError, now: datetime
) -> MachineTable:
    """Take the last good copy, else the sample, and say why."""
    why = f"Liste des machines non obtenue : {failure}"
    try:
        data, fetched_at = copy.read()
        moment = french.douala_time(fetched_at)
        note = (
            f"{why} La dernière bonne copie est utilisée, du {moment:%d/%m/%Y à %H:%M} "
            f"({_age(fetched_at, now)})."
        )
        return _table(data, copy.name, (note,))
    except SourceError as damage:
        return _sample(sample, f"{why} {damage}")


def _sample(sample: Path, why: str) -> MachineTable:
    try:
        data = read_bytes(sample)
        note = (
            f"{why} La liste d'exemple {sample.name} est utilisée, pour les seules machines que "
            "l'entrepôt ne connaît pas : les sites des vôtres peuvent manquer ; relancez quand "
            "l'API répond, ou donnez un fichier à --machines."
        )
        return replace(_table(data, str(sample), (note,)), only_adds=True)
    except SourceError as error:
        raise SourceUnreadable(f"{why} Liste d'exemple inutilisable : {error}") from error


def _age(then: datetime, now: datetime) -> str:
    minutes = max(0, int((now - then).total_seconds() // 60))
    if minutes < 60:
        return f"il y a {french.plural(minutes, 'minute', 'minutes')}"
    if minutes < 48 * 60:
        return f"il y a {french.plural(minutes // 60, 'heure', 'heures')}"
    return f"il y a {french.plural(minutes // (24 * 60), 'jour', 'jours')}"


class _Kept(BaseModel):
    """What the file of a copy holds."""

    model_config = ConfigDict(extra="forbid")

    address: str
    fetched_at: AwareDatetime
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    document: str


@dataclass(frozen=True)
class LastGoodCopy:
    """The last good answer of one address, in a file of its own; `name` shows the address."""

    path: Path
    name: str

    @classmethod
    def of(cls, address: str, folder: Path) -> Self:
        """Find the copy of an address; another user or password of the same address shares it."""
        parts = urlsplit(address)
        place = parts.netloc.rpartition("@")[2].lower()
        key = urlunsplit((parts.scheme, place, parts.path, parts.query, ""))
        return cls(folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json", shown(address))

    def keep(self, data: bytes, now: datetime) -> str:
        """Replace the copy; give the French reason if it could not be kept, else nothing."""
        kept = {
            "address": self.name,
            "fetched_at": now.astimezone(UTC).isoformat(timespec="seconds"),
            "sha256": hashlib.sha256(data).hexdigest(),
            "document": data.decode("utf-8"),
        }
        try:
            with replacing(self.path) as draft:
                draft.write_bytes(json.dumps(kept, ensure_ascii=False, indent=1).encode())
        except OSError as error:
            return (
                f"Copie de la liste des machines non gardée dans {self.path.parent} "
                f"({cause(error)}) : elle manquera si l'API ne répond plus."
            )
        return ""

    def read(self) -> tuple[bytes, datetime]:
        """Give the copy and when it was fetched; raise SourceUnreadable when there is none fit."""
        if not self.path.exists():
            raise SourceUnreadable("Aucune copie d'un passage antérieur.")
        try:
            kept = _Kept.model_validate_json(read_bytes(self.path))
        except ValidationError as error:
            raise self._damaged() from error
        data = kept.document.encode()
        if hashlib.sha256(data).hexdigest() != kept.sha256:
            raise self._damaged()
        return data, kept.fetched_at

    def _damaged(self) -> SourceUnreadable:
        return SourceUnreadable(f"La copie {self.path} est abîmée ; elle est laissée de côté.")
