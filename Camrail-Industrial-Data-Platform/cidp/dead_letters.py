"""Dead letters: listed, written out for correction, replayed once corrected, or abandoned."""

import argparse
import base64
import getpass
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from msgspec.structs import replace

from cidp.assembly import Parts, assemble
from cidp.cli import FrenchParser, add_command
from cidp.errors import CidpError, DeadLetterError
from cidp.event_batch import Door, Message
from cidp.event_store import CONFLICT, EventStore, utc_text
from cidp.french import counted
from cidp.ingest import Prepared
from cidp.logs import escaped
from cidp.settings import Settings, launch_environment

BATCH = 5_000
NOT_OPEN = "pas de lettre ouverte de ce numéro ; « list » montre celles qui le sont"
_COLUMNS = "id, door, topic, partition, position, received_at, reason, payload, payload_bytes"


class Letter(NamedTuple):
    """A dead letter that is open; `payload` may be cut, and is then shorter than `whole_bytes`.

    One that came by MQTT speaks of the locomotive of its topic; where that is not known any more,
    someone has to vouch for it by a correction.
    """

    id: int
    door: Door
    message: Message
    received_at: str
    reason: str
    whole_bytes: int
    vouched: bool = False

    @property
    def payload(self) -> bytes:
        """What was received, or what it was corrected to."""
        return self.message.payload or b""

    def corrected(self, payload: bytes) -> "Letter":
        """Return the letter with other bytes, if they are, in place of all that was received."""
        if payload == self.payload:
            return self
        message = replace(self.message, payload=payload, loco_id=None)
        return self._replace(message=message, whole_bytes=len(payload), vouched=True)


class Report(NamedTuple):
    """What became of replayed letters: how many are on record now, and why others are not."""

    stored: int
    duplicates: int
    refused: dict[int, str]


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command says; 1 when it cannot, or when a letter stays refused."""
    chosen = _parser().parse_args(argv)
    try:
        parts = assemble(Settings.from_environ(launch_environment(os.environ)))
        try:
            code: int = chosen.run(parts, chosen)
        finally:
            parts.store.close()
    except CidpError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return code


def open_letters(store: EventStore, after: int = 0, count: int = BATCH) -> list[Letter]:
    """Return `count` open letters at most, from the oldest one after the number `after`."""
    with store.session(writes=False) as session:
        found = session.rows(
            f"SELECT {_COLUMNS} FROM dead_letters"  # noqa: S608 (our names)
            " WHERE state = 'open' AND id > :after ORDER BY id LIMIT :count",
            after=after,
            count=count,
        )
        return [
            Letter(
                number,
                door,
                Message(position, bytes(payload), topic, partition, None, _sender(door, topic)),
                utc_text(session.instant(at)),
                reason,
                size,
            )
            for number, door, topic, partition, position, at, reason, payload, size in found
        ]


def all_open(store: EventStore) -> Iterator[Letter]:
    """Yield every open letter, oldest first."""
    after = 0
    while letters := open_letters(store, after):
        yield from letters
        after = letters[-1].id


def replay(parts: Parts, letters: Sequence[Letter], who: str) -> Report:
    """Hand `letters` in by their doors, and close those whose event is on record now.

    What is refused again stays open and is not kept a second time. Raises `StoreError`, `NoModel`.
    """
    parts.model.refresh()
    refused = {letter.id: why for letter in letters if (why := _hopeless(letter))}
    stored = duplicates = 0
    for door in sorted({letter.door for letter in letters}):
        ours = [each for each in letters if each.door == door and each.id not in refused]
        number = {id(letter.message): letter.id for letter in ours}
        batch, still = parts.ingest.prepare([letter.message for letter in ours], door)
        refused |= {number[id(message)]: reason for message, reason in still}
        tally, conflicts = parts.ingest.store(Prepared(batch, []), keeps_conflicts=False)
        refused |= {number[id(message)]: reason for message, reason in conflicts}
        stored += tally.stored
        duplicates += tally.duplicates
        close(parts, [each.id for each in ours if each.id not in refused], "replayed", who)
    return Report(stored, duplicates, refused)


def close(parts: Parts, numbers: Sequence[int], state: str, who: str) -> set[int]:
    """Close open letters; return the numbers of those that were open."""
    if not numbers:
        return set()
    with parts.store.session() as session:
        closed = session.rows(
            "UPDATE dead_letters SET state = :state, handled_at = :now, handled_by = :who"
            " WHERE id IN :numbers AND state = 'open' RETURNING id",
            state=state,
            now=parts.now(),
            who=who,
            numbers=list(numbers),
        )
        return {number for (number,) in closed}


def as_line(letter: Letter) -> bytes:
    """Write a letter as a line of a file for correction; bytes that are no text in base64."""
    line: dict[str, Any] = {
        "id": letter.id,
        "door": letter.door,
        "topic": letter.message.topic,
        "partition": letter.message.partition,
        "position": letter.message.position,
        "received_at": letter.received_at,
        "reason": letter.reason,
    }
    try:
        line["payload"] = letter.payload.decode()
    except UnicodeDecodeError:
        line["payload_base64"] = base64.b64encode(letter.payload).decode()
    return orjson.dumps(line) + b"\n"


def corrections(path: Path) -> dict[int, bytes]:
    """Read the payloads of a corrected file by the numbers of their letters.

    Raises `DeadLetterError` naming the line that cannot be read.
    """
    found: dict[int, bytes] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise DeadLetterError(f"{path.name} est illisible ({error.strerror}).") from error
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            line = orjson.loads(raw)
            coded = line.get("payload_base64")
            text = line["payload"].encode() if coded is None else base64.b64decode(coded)
            found[int(line["id"])] = text
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DeadLetterError(
                f"{path.name}, ligne {number} : « id » et « payload » (un texte) sont attendus."
            ) from error
    return found


def _hopeless(letter: Letter) -> str | None:
    if len(letter.payload) < letter.whole_bytes:
        return f"coupé à {len(letter.payload)} octets sur {letter.whole_bytes} : à corriger"
    if letter.door == "mqtt" and letter.message.loco_id is None and not letter.vouched:
        return "venu par MQTT, de quelle locomotive n'est plus connu : à corriger ou abandonner"
    return None


def _sender(door: Door, topic: str | None) -> str | None:
    """Return the locomotive whose topic brought a message directly; Kafka's topic names none."""
    found = re.fullmatch(r"camrail/([^/]+)/telemetry", topic or "") if door == "mqtt" else None
    return found[1] if found else None


def _with_fields(letter: Letter, fields: Sequence[str]) -> Letter:
    """Set `name=value` fields of a letter's JSON; raises `DeadLetterError`."""
    if not fields:
        return letter
    try:
        event = orjson.loads(letter.payload)
    except orjson.JSONDecodeError:
        event = None
    if not isinstance(event, dict):
        raise DeadLetterError(
            f"La lettre {letter.id} n'est pas un objet JSON : corrigez-la par « export »."
        )
    for field in fields:
        name, separator, value = field.partition("=")
        if not separator:
            raise DeadLetterError(f"--set {field!r} : champ=valeur est attendu.")
        try:
            event[name] = orjson.loads(value)
        except orjson.JSONDecodeError:
            event[name] = value
    return letter.corrected(orjson.dumps(event))


def _list(parts: Parts, chosen: argparse.Namespace) -> int:
    found = open_letters(parts.store, 0, chosen.limit + 1)
    for letter in found[: chosen.limit]:
        message = letter.message
        parted = "" if message.partition is None else f"[{message.partition}]"
        place = f"{message.topic or ''}{parted}@{message.position}"
        text = f"{letter.id}  {letter.received_at}  {letter.door}  {place}  {letter.reason}"
        sys.stdout.write(f"{escaped(text)}\n")
    if len(found) > chosen.limit:
        sys.stdout.write("… et d'autres : --limit N en montre plus, export les écrit toutes\n")
    return 0


def _export(parts: Parts, chosen: argparse.Namespace) -> int:
    try:
        with chosen.file.open("xb") as file:
            for letter in all_open(parts.store):
                file.write(as_line(letter))
    except OSError as error:
        raise DeadLetterError(
            f"{chosen.file.name} ne peut pas être écrit ({error.strerror})."
        ) from error
    return 0


def _replay(parts: Parts, chosen: argparse.Namespace) -> int:
    changed = corrections(chosen.file) if chosen.file else {}
    wanted = changed.keys() | set(chosen.id)
    if not wanted and not chosen.all:
        raise DeadLetterError("Quelles lettres ? Donnez leurs numéros, --file ou --all.")
    stored = duplicates = 0
    refused: dict[int, str] = {}
    after = 0
    while found := open_letters(parts.store, after):
        after = found[-1].id
        known = {letter.id for letter in found}
        letters = [
            _with_fields(letter.corrected(changed.get(letter.id, letter.payload)), chosen.set)
            for letter in found
            if chosen.all or letter.id in wanted
        ]
        for letter in letters:
            if letter.reason == CONFLICT and not letter.vouched and letter.id in wanted:
                refused[letter.id] = "conflit : à corriger ou abandonner"
        again = [each for each in letters if each.reason != CONFLICT or each.vouched]
        report = replay(parts, again, getpass.getuser())
        stored, duplicates = stored + report.stored, duplicates + report.duplicates
        refused |= report.refused
        wanted -= known
    refused |= dict.fromkeys(wanted, NOT_OPEN)
    _say_refused(refused)
    sys.stdout.write(
        f"{stored} événements enregistrés, {duplicates} déjà connus, {len(refused)} refusés\n"
    )
    return 1 if refused else 0


def _abandon(parts: Parts, chosen: argparse.Namespace) -> int:
    wanted = set(chosen.id)
    closed = close(parts, chosen.id, "abandoned", getpass.getuser())
    _say_refused(dict.fromkeys(wanted - closed, NOT_OPEN))
    sys.stdout.write(f"Abandon : {counted(len(closed), 'lettre')} sur {len(wanted)}\n")
    return 0 if closed == wanted else 1


def _say_refused(refused: Mapping[int, str]) -> None:
    for number, reason in sorted(refused.items()):
        sys.stderr.write(f"Lettre {number} : {escaped(reason)}\n")


def _parser() -> argparse.ArgumentParser:
    parser = FrenchParser(
        prog="dead_letters", description="Liste, corrige, rejoue ou abandonne les lettres mortes."
    )
    commands = parser.add_subparsers(required=True, metavar="commande", parser_class=FrenchParser)
    listing = add_command(commands, "list", "les lettres ouvertes, la plus ancienne d'abord")
    listing.add_argument("--limit", type=int, default=50, help="au plus (défaut : 50)")
    listing.set_defaults(run=_list)
    export = add_command(commands, "export", "écrit les lettres ouvertes, pour les corriger")
    export.add_argument("file", type=Path, metavar="FICHIER", help="un objet JSON par ligne")
    export.set_defaults(run=_export)
    again = add_command(commands, "replay", "rejoue des lettres, telles quelles ou corrigées")
    again.add_argument("id", type=int, nargs="*", metavar="N", help="numéros")
    again.add_argument("--file", type=Path, help="fichier de « export », « payload » corrigé")
    again.add_argument("--all", action="store_true", help="toutes les lettres ouvertes")
    again.add_argument(
        "--set", action="append", default=[], metavar="CHAMP=VALEUR", help="corrige un champ"
    )
    again.set_defaults(run=_replay)
    abandon = add_command(commands, "abandon", "ferme des lettres sans les rejouer")
    abandon.add_argument("id", type=int, nargs="+", metavar="N", help="numéros")
    abandon.set_defaults(run=_abandon)
    return parser


if __name__ == "__main__":
    sys.exit(main())
