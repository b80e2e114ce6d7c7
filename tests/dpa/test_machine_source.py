"""Where the machine list comes from, and what gives way to what, said aloud."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from machine_api import Answer, MachineApi, serving

from dpa.errors import InvalidMachines, SourceUnreadable, UsageError
from dpa.http_fetch import FetchLimits
from dpa.machine_source import LastGoodCopy, MachineTable, read_machines

LISTING = '[{"machine_id": "API-1", "site_location": "Edéa", "installation_year": 2001}]'.encode()
SAMPLE = LISTING.replace(b"API-1", b"EXEMPLE-1")
NOON = datetime(2026, 2, 1, 11, tzinfo=UTC)
QUICK = FetchLimits(read_s=60, deadline_s=120, retries=0)
DOWN = Answer(status=503)


class Place:
    """An API, a folder of copies and a sample; reads the list as the pipeline does."""

    def __init__(self, api: MachineApi, folder: Path) -> None:
        self.api = api
        self.copies = folder / "copies"
        self.sample = folder / "exemple.json"
        self.sample.write_bytes(SAMPLE)

    def read(self, now: datetime = NOON, url: str = "", key: str | None = None) -> MachineTable:
        return read_machines(
            url or self.api.url, self.copies, self.sample, key, now=now, limits=QUICK
        )

    def copy(self) -> Path:
        (path,) = self.copies.iterdir()
        return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with serving() as api:
        api.answer(Answer(LISTING))
        yield Place(api, tmp_path)


def first(found: MachineTable) -> str:
    return str(found.table["machine_id"].iloc[0])


def test_a_file_is_read_with_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(LISTING)
    found = read_machines(path, tmp_path / "copies", tmp_path / "absent.json")
    assert (found.source.path, found.source.rows, found.notes) == (str(path), 1, ())
    assert found.source.sha256 == hashlib.sha256(LISTING).hexdigest()
    assert not (tmp_path / "copies").exists()


def test_a_bad_file_never_gives_way_to_the_sample(place: Place) -> None:
    bad = place.sample.with_name("m.json")
    with pytest.raises(SourceUnreadable, match="introuvable"):
        read_machines(bad, place.copies, place.sample)
    bad.write_bytes(b"[1]")
    with pytest.raises(InvalidMachines, match="n° 1"):
        read_machines(bad, place.copies, place.sample)


def test_an_api_gives_the_list_and_leaves_a_copy(place: Place) -> None:
    found = place.read(key="k")
    assert (first(found), found.notes, found.source.path) == ("API-1", (), place.api.url)
    assert found.source.sha256 == hashlib.sha256(LISTING).hexdigest()
    assert place.api.requests[0]["X-API-KEY"] == "k"
    kept = json.loads(place.copy().read_bytes())
    assert kept["document"].encode() == LISTING
    assert kept["fetched_at"] == "2026-02-01T11:00:00+00:00"


@pytest.mark.parametrize(
    ("later", "age"),
    [
        (timedelta(minutes=5), "il y a 5 minutes"),
        (timedelta(hours=30), "il y a 30 heures"),
        (timedelta(days=3), "il y a 3 jours"),
        (timedelta(minutes=-9), "il y a 0 minute)"),
    ],
)
def test_an_api_that_fails_gives_way_to_its_last_good_copy_with_its_age(
    place: Place, later: timedelta, age: str
) -> None:
    whole = place.read()
    place.api.answer(DOWN)
    found = place.read(now=NOON + later)
    assert first(found) == "API-1"
    assert found.source == whole.source
    assert not found.only_adds
    (note,) = found.notes
    for words in ("HTTP 503", "copie", "du 01/02/2026 à 12:00", age):
        assert words in note.replace("\u00a0", " ")


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"", b"[]", b"\xff", b'{"data": 1}'])
def test_an_answer_that_is_no_list_counts_as_a_failure_and_keeps_the_copy(
    place: Place, body: bytes
) -> None:
    place.read()
    kept = place.copy().read_bytes()
    place.api.answer(Answer(body))
    assert first(place.read()) == "API-1"
    assert place.copy().read_bytes() == kept


def test_without_a_copy_the_sample_is_taken_and_said(place: Place) -> None:
    place.api.answer(DOWN)
    found = place.read()
    assert (first(found), found.source.path) == ("EXEMPLE-1", str(place.sample))
    assert found.only_adds
    (note,) = found.notes
    for words in ("HTTP 503", "Aucune copie", "exemple.json", "ne connaît pas", "--machines"):
        assert words in note


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b'{"document": "[]"}'])
def test_a_damaged_copy_gives_way_to_the_sample(place: Place, damage: bytes) -> None:
    place.read()
    place.copy().write_bytes(damage)
    place.api.answer(DOWN)
    found = place.read()
    assert first(found) == "EXEMPLE-1"
    assert "abîmée" in found.notes[0]


def test_a_copy_that_was_touched_is_damaged(place: Place) -> None:
    place.read()
    place.copy().write_bytes(place.copy().read_bytes().replace(b"API-1", b"API-2"))
    place.api.answer(DOWN)
    assert first(place.read()) == "EXEMPLE-1"


def test_nothing_usable_is_an_error_that_tells_all(place: Place) -> None:
    place.api.answer(DOWN)
    place.sample.unlink()
    with pytest.raises(SourceUnreadable) as raised:
        place.read()
    for words in ("HTTP 503", "Aucune copie", "exemple.json : fichier introuvable"):
        assert words in str(raised.value)


def test_each_address_has_a_copy_of_its_own_that_its_passwords_share(place: Place) -> None:
    place.read()
    place.read(url=place.api.url + "?site=edea")
    place.read(url=place.api.url.replace("http://", "http://moi:motdepasse@"))
    assert len(list(place.copies.iterdir())) == 2


def test_a_copy_that_cannot_be_kept_is_said_and_costs_nothing_else(place: Place) -> None:
    place.copies.write_text("un fichier à la place du dossier", encoding="utf-8")
    found = place.read()
    assert first(found) == "API-1"
    assert "non gardée" in found.notes[0]


def test_no_note_and_no_file_shows_a_secret(place: Place) -> None:
    secret = "x" * 9
    url = place.api.url.replace("http://", f"http://moi:{secret}@") + f"?token={secret}"
    fetched = place.read(url=url, key=secret)
    kept = place.copy().read_text(encoding="utf-8")
    place.api.answer(DOWN)
    copied = place.read(url=url, key=secret)
    place.copy().unlink()
    sampled = place.read(url=url, key=secret)
    for found in (fetched, copied, sampled):
        assert secret not in repr((found.source, found.notes)) + kept


@pytest.mark.parametrize(
    "location", ["ftp://hote/m.json", "http://", "https://hote:x/", "http:/moi:cle@hote/"]
)
def test_an_impossible_address_is_a_misuse(tmp_path: Path, location: str) -> None:
    with pytest.raises(UsageError, match="--machines"):
        read_machines(location, tmp_path, tmp_path)


def test_the_copy_of_an_address_is_found_again(tmp_path: Path) -> None:
    copy = LastGoodCopy.of("http://hote/m", tmp_path)
    assert copy.keep(LISTING, NOON) == ""
    assert LastGoodCopy.of("http://HOTE/m", tmp_path).read() == (LISTING, NOON)
