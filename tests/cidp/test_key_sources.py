"""Keys of a file are read again when it changes; one that cannot be used changes nothing."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from loguru import logger

from cidp.auth import ApiKey
from cidp.errors import SettingsError
from cidp.key_sources import LOOK_EVERY_S, LiveKeys, read_key_file, write_key_file

HERE = "127.0.0.1"
FIRST, SECOND = ApiKey.of("première", "un"), ApiKey.of("seconde", "deux")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        self.now_s += LOOK_EVERY_S
        return self.now_s


@pytest.fixture(params=["keys.yaml", "keys.json"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = tmp_path / request.param
    write_key_file(path, [FIRST])
    return path


@pytest.fixture
def live(file: Path) -> LiveKeys:
    return LiveKeys([ApiKey.of("API_KEY", "trois")], file, [FIRST], lambda: NOW, Clock())


def known(live: LiveKeys) -> list[str]:
    found = (live.ring().find(text, HERE) for text in ("un", "deux", "trois"))
    return [key.id for key in found if key]


def test_what_is_written_is_read(file: Path) -> None:
    keys = (
        FIRST.model_copy(update={"expires_at": NOW, "requests_per_minute": 3}),
        SECOND.model_copy(update={"revoked_at": NOW, "scopes": ("read",)}),
    )
    write_key_file(file, keys)
    assert read_key_file(file) == keys


def test_a_key_that_is_added_or_revoked_counts_without_a_restart(
    live: LiveKeys, file: Path
) -> None:
    assert known(live) == ["première", "API_KEY"]
    write_key_file(file, [FIRST, SECOND])
    assert known(live) == ["première", "seconde", "API_KEY"]
    write_key_file(file, [FIRST.model_copy(update={"revoked_at": NOW}), SECOND])
    assert known(live) == ["seconde", "API_KEY"]
    write_key_file(file, [])
    assert known(live) == ["API_KEY"]


@pytest.mark.parametrize(
    "content", ["{", "- id: a", json.dumps([{"id": "API_KEY", "sha256": "0" * 64, "scopes": []}])]
)
def test_a_file_that_cannot_be_used_leaves_the_last_keys_and_is_said_once(
    live: LiveKeys, file: Path, content: str
) -> None:
    lines: list[str] = []
    known(live)
    file.write_text(content, encoding="utf-8")
    sink = logger.add(lines.append, level="ERROR", format="{message}")
    try:
        assert known(live) == known(live) == ["première", "API_KEY"]
        file.unlink()
        assert known(live) == known(live) == ["première", "API_KEY"]
    finally:
        logger.remove(sink)
    assert len(lines) == 2
    assert all("restent valables" in line for line in lines)


def test_the_file_is_looked_at_only_from_time_to_time(file: Path) -> None:
    live = LiveKeys([], file, [FIRST], lambda: NOW, clock=lambda: 0.0)
    assert known(live) == ["première"]
    write_key_file(file, [SECOND])
    assert known(live) == ["première"]


def test_a_fixed_key_is_known_at_every_instant_of_a_reload(live: LiveKeys, file: Path) -> None:
    seen: set[tuple[str, ...]] = set()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            seen.add(tuple(k.id for k in [live.ring().find("trois", HERE)] if k))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(30):
        write_key_file(file, [FIRST, SECOND][: 1 + turn % 2])
    stop.set()
    for thread in threads:
        thread.join()
    assert seen == {("API_KEY",)}


def test_two_keys_of_one_name_in_a_file_are_refused(file: Path) -> None:
    write_key_file(file, [FIRST, FIRST])
    with pytest.raises(SettingsError, match="plusieurs fois"):
        read_key_file(file)
