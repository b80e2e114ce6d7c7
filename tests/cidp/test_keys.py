"""The command makes a random key, lists keys without their text, and revokes one."""

import hashlib
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from cidp import keys
from cidp.auth import utc_now
from cidp.key_sources import read_key_file


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cles" / "keys.yaml"
    monkeypatch.setattr(keys, "launch_environment", lambda _: {"API_KEYS_FILE": str(path)})
    return path


def test_a_key_is_random_and_only_its_digest_is_kept(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys.main(["make", "capteurs", "--scopes", "ingest", "read"]) == 0
    assert keys.main(["make", "tableau", "--scopes", "predict", "--days", "90"]) == 0
    first, second = capsys.readouterr().out.split()
    assert first != second
    assert len(bytes.fromhex(first)) == keys.KEY_BYTES
    sensors, board = read_key_file(file)
    assert sensors.sha256 == hashlib.sha256(first.encode()).hexdigest()
    assert (sensors.id, sensors.scopes, sensors.expires_at) == (
        "capteurs",
        ("ingest", "read"),
        None,
    )
    assert board.expires_at is not None
    assert timedelta(days=89) < board.expires_at - utc_now() <= timedelta(days=90)
    assert first not in file.read_text(encoding="utf-8")


def test_the_list_shows_states_and_no_text(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys.main(["make", "a", "--scopes", "predict", "--per-minute", "600"])
    keys.main(["make", "b", "--scopes", "admin"])
    secrets = capsys.readouterr().out.split()
    assert keys.main(["revoke", "b"]) == 0
    assert "dans la seconde" in capsys.readouterr().out
    assert keys.main(["list", "--file", str(file)]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["ID", "DROITS", "ÉTAT", "CRÉÉE", "EXPIRE", "PAR", "MINUTE"]
    assert first.split()[:3] == ["a", "predict", "valable"]
    assert first.endswith("600")
    assert second.split()[:3] == ["b", "admin", "révoquée"]
    assert not any(secret in head + first + second for secret in secrets)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["make", "a", "--scopes", "read"], "« a » est donné plusieurs fois"),
        (["revoke", "z"], "pas de clé « z »"),
        (["list", "--file", "absent.yaml"], "absent.yaml illisible"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    file: Path, capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    keys.main(["make", "a", "--scopes", "predict"])
    before = file.read_bytes()
    capsys.readouterr()
    assert keys.main(argv) == 1
    output = capsys.readouterr()
    assert said in output.err
    assert output.out == ""
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["keys.yaml"]


def test_a_revoked_key_is_not_revoked_again_and_its_name_is_not_given_again(file: Path) -> None:
    keys.main(["make", "a", "--scopes", "predict"])
    assert keys.main(["revoke", "a"]) == 0
    assert keys.main(["revoke", "a"]) == 1
    assert keys.main(["make", "a", "--scopes", "predict"]) == 1


def test_commands_at_the_same_time_lose_no_key(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []

    def make(number: int) -> None:
        codes.append(keys.main(["make", f"k{number}", "--scopes", "predict"]))

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_key_file(file)) == codes.count(0) >= 1


def test_a_lock_that_was_left_names_the_file_to_remove(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.parent.mkdir()
    (file.parent / ".keys.yaml.lock").touch()
    assert keys.main(["make", "a", "--scopes", "predict"]) == 1
    assert ".keys.yaml.lock" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "keys.yaml"
    assert keys.main(["make", "a", "--scopes", "predict", "--file", str(path)]) == 1
    assert "ne peut pas être écrit" in capsys.readouterr().err


def test_without_a_file_the_remedy_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(keys, "launch_environment", lambda _: {})
    assert keys.main(["list"]) == 1
    assert "API_KEYS_FILE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "COMMANDE"),
        (["make", "a"], "--scopes"),
        (["make", "a", "--scopes"], "une valeur au moins"),
        (["make", "a", "--scopes", "tout"], "'tout' n'est pas de"),
        (["make", "a", "--scopes", "read", "--days", "0"], "nombre positif"),
        (["make", "a", "--scopes", "read", "--days", "1e9"], "au plus 36500 jours"),
        (["make", "a", "--scopes", "read", "--per-minute", "0"], "entier de 1 à"),
        (["make", "a\nb", "--scopes", "read"], "imprimables"),
    ],
)
def test_misuse_is_said_in_french(
    capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        keys.main(argv)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
