"""The readings of one series are written as PM-D reads them, whichever database keeps them."""

import csv
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from postgres import BACK_ENDS
from stores import NOMINAL, NOON, batch, event, new_url, store_at

from cidp import training_export
from cidp.errors import NothingToLearn
from cidp.event_batch import Series
from cidp.event_store import EventStore
from cidp.training_export import Exported, export_readings

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture(params=BACK_ENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    made = store_at(new_url(request, request.param, tmp_path))
    yield made
    made.close()


def exported(
    store: EventStore, folder: Path, step: timedelta = timedelta(0), series: Series = "real"
) -> tuple[Exported, list[list[str]]]:
    path = folder / "readings.csv"
    path.unlink(missing_ok=True)
    found = export_readings(store, path, series, NOON, NOON + HOUR, step)
    with path.open(encoding="utf-8", newline="") as file:
        return found, list(csv.reader(file))


def test_the_readings_of_a_window_are_written_by_locomotive_and_time(
    store: EventStore, tmp_path: Path
) -> None:
    early, late = event(second=-1), event(second=3600)
    inside = [event(second=2.5, vibration=3.25, at=1), event(second=0, at=2)]
    store.save(batch(early, late, *inside, event(loco_id='L"0', at=3)), [], NOON)
    found, rows = exported(store, tmp_path)
    assert rows == [
        ["timestamp", "loco_id", "flow_rate", "pressure", "vibration", "temperature"],
        ["2026-03-01T12:00:00.000000Z", 'L"0', *map(str, NOMINAL)],
        ["2026-03-01T12:00:00.000000Z", "L1", *map(str, NOMINAL)],
        ["2026-03-01T12:00:02.500000Z", "L1", "500.0", "5.0", "3.25", "45.0"],
    ]
    assert found == (3, 2, NOON, NOON + timedelta(seconds=2.5))


def test_the_series_do_not_mix(store: EventStore, tmp_path: Path) -> None:
    store.save(batch(event(loco_id="REAL"), door="kafka", topic="t"), [], NOON)
    store.save(batch(event(loco_id="SIM"), door="simulator"), [], NOON)
    assert [row[1] for row in exported(store, tmp_path)[1][1:]] == ["REAL"]
    assert [row[1] for row in exported(store, tmp_path, series="simulated")[1][1:]] == ["SIM"]


@pytest.fixture(params=["looked up", "read"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the first readings of steps of a minute by either way, whose answers are the same."""
    shortest = MINUTE if request.param == "looked up" else HOUR
    monkeypatch.setattr(training_export, "SHORTEST_SOUGHT", shortest)


@pytest.mark.usefixtures("way")
def test_the_first_reading_of_each_step_is_taken(store: EventStore, tmp_path: Path) -> None:
    seconds = (10, 50, 60, 61, 200, 3599)
    store.save(batch(*(event(second=s, at=s) for s in seconds)), [], NOON)
    rows = exported(store, tmp_path, MINUTE)[1][1:]
    assert [row[0][14:19] for row in rows] == ["00:10", "01:00", "03:20", "59:59"]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("page_steps", [1, 7, 500])
def test_the_first_reading_by_any_door_is_taken_once(
    store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page_steps: int
) -> None:
    monkeypatch.setattr(training_export, "PAGE_STEPS", page_steps)
    store.save(batch(*(event(second=s, at=s) for s in (5, 70, 120, 3599))), [], NOON)
    by_kafka = [event(second=s, vibration=3, at=s) for s in (0, 59, 65, 120, 1800)]
    store.save(batch(*by_kafka, door="kafka", topic="t"), [], NOON)
    store.save(batch(event(second=65, vibration=4), door="simulator"), [], NOON)
    found, rows = exported(store, tmp_path, MINUTE)
    assert [(row[0][14:19], row[4]) for row in rows[1:]] == [
        ("00:00", "3.0"), ("01:05", "3.0"), ("02:00", "2.0"), ("30:00", "3.0"), ("59:59", "2.0"),
    ]  # fmt: skip
    assert found == (5, 1, NOON, NOON + timedelta(seconds=3599))


@pytest.mark.usefixtures("way")
def test_a_last_step_that_the_window_cuts_ends_with_it(store: EventStore, tmp_path: Path) -> None:
    store.save(batch(*(event(second=s, at=s) for s in (0, 3599, 3600))), [], NOON)
    rows = exported(store, tmp_path, timedelta(minutes=59.5))[1][1:]
    assert [row[0][14:19] for row in rows] == ["00:00", "59:59"]


def test_pages_join_without_a_gap_or_a_repeat(
    store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_export, "PAGE_ROWS", 3)
    store.save(batch(*(event(second=s, at=s) for s in range(9))), [], NOON)
    rows = exported(store, tmp_path)[1][1:]
    assert [float(row[0][17:-1]) for row in rows] == list(range(9))


def test_an_empty_window_is_told_and_the_other_series_named(
    store: EventStore, tmp_path: Path
) -> None:
    with pytest.raises(NothingToLearn, match=r"Aucune lecture réelle .* Laissez la plateforme"):
        exported(store, tmp_path)
    store.save(batch(event(), door="simulator"), [], NOON)
    with pytest.raises(NothingToLearn, match="L'autre série en a : --series simulated"):
        exported(store, tmp_path)
