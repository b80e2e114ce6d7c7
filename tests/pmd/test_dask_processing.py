import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from distributed import LocalCluster

from pmd import dask_processing
from pmd.dask_processing import process_on_dask
from pmd.errors import EngineError, InvalidOption, MissingColumns, UnusableFile
from pmd.history import History
from pmd.processing import PROCESSED, label_telemetry, processed_table

NOW = datetime(2026, 2, 1, tzinfo=UTC)


class Inline:
    """A client whose workers are this process."""

    def map(self, function, items, pure, **same):  # type: ignore[no-untyped-def]
        return [function(item, **same) for item in items]

    def gather(self, results):  # type: ignore[no-untyped-def]
        return results


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small buckets, and no other process."""
    from contextlib import nullcontext

    monkeypatch.setattr(dask_processing, "_cluster", lambda *_: nullcontext(Inline()))
    monkeypatch.setattr(dask_processing, "BUCKET_ROWS", 500)


@pytest.fixture
def raw(history: History, tmp_path: Path) -> Path:
    """Two files in the order of time, with a bad row and two that repeat others."""
    rows = history.telemetry.head(3000).copy()
    rows.loc[5, "pressure"] = 99.0
    rows = pd.concat([rows, rows.iloc[[10, 1700]]], ignore_index=True)
    folder = tmp_path / "raw"
    folder.mkdir()
    rows.iloc[:1600].to_parquet(folder / "a.parquet", row_group_size=700)
    rows.iloc[1600:].to_parquet(folder / "b.parquet")
    return folder


def read(folder: Path) -> pd.DataFrame:
    parts = [pd.read_parquet(path) for path in sorted(folder.iterdir())]
    return comparable(pd.concat(parts))


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.astype({"loco_id": str, "failure_type": str})
    return rows.sort_values(["loco_id", "timestamp"], ignore_index=True)


def check_same(raw: Path, maintenance: Path, folder: Path, workers: int | None = None) -> None:
    output, rejects = folder / "processed", folder / "rejects.csv"
    account = process_on_dask(raw, maintenance, 24, NOW, output, rejects, workers)
    whole = label_telemetry(raw, maintenance, 24, NOW)
    table = processed_table(whole.rows, 24)
    assert account == whole.account
    pd.testing.assert_frame_equal(read(output), comparable(table.to_pandas()), check_exact=True)
    assert pd.read_csv(rejects).to_dict("list") == whole.rejects.to_dict("list")
    assert (account.rejected, account.duplicates) == (1, 2)
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_two_workers_make_what_one_memory_makes(
    raw: Path, history_files: tuple[Path, Path], tmp_path: Path
) -> None:
    check_same(raw, history_files[1], tmp_path, workers=2)


@pytest.mark.parametrize("closes", [True, False])
def test_workers_that_die_are_told_even_where_dask_cannot_close(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closes: bool
) -> None:
    class Closing(LocalCluster):
        def close(self, timeout: float | None = None) -> None:
            super().close(timeout)
            # What Dask raises when a worker that was killed is starting again.
            assert closes, "can only join a started process"

    monkeypatch.setattr(dask_processing, "LocalCluster", Closing)
    monkeypatch.setattr(dask_processing, "check_piece", lambda piece, plan: os._exit(1))
    with pytest.raises(EngineError, match="des processus sont morts"):
        process_on_dask(raw, None, 24, NOW, tmp_path / "made", tmp_path / "rejects.csv", 1)
    assert not (tmp_path / "made").exists()


@pytest.mark.usefixtures("inline")
def test_locomotives_spread_over_buckets_stay_whole(
    raw: Path, history_files: tuple[Path, Path], tmp_path: Path
) -> None:
    check_same(raw, history_files[1], tmp_path)
    owners = [set(pd.read_parquet(path)["loco_id"]) for path in (tmp_path / "processed").iterdir()]
    assert len(owners) > 3
    assert sum(map(len, owners)) == len(set().union(*owners)) == 24


@pytest.mark.usefixtures("inline")
def test_a_second_run_replaces_the_folder(
    raw: Path, history_files: tuple[Path, Path], tmp_path: Path
) -> None:
    check_same(raw, history_files[1], tmp_path)
    (tmp_path / "processed").rename(tmp_path / "real")
    (tmp_path / "processed").symlink_to(tmp_path / "real")
    check_same(raw, history_files[1], tmp_path)
    assert (tmp_path / "processed").is_symlink()
    (raw / "b.parquet").unlink()
    output = tmp_path / "processed"
    process_on_dask(raw, history_files[1], 24, NOW, output, tmp_path / "rejects.csv")
    assert len(read(output)) < 1600


@pytest.mark.usefixtures("inline")
def test_rejects_that_cannot_be_written_leave_the_old_folder(
    raw: Path, history_files: tuple[Path, Path], tmp_path: Path
) -> None:
    output = tmp_path / "processed"
    output.mkdir()
    (output / "old.parquet").write_bytes(b"old")
    with pytest.raises(UnusableFile, match="écriture impossible"):
        process_on_dask(raw, history_files[1], 24, NOW, output, tmp_path)
    assert [path.name for path in output.iterdir()] == ["old.parquet"]


def test_another_folder_is_never_replaced(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/note.txt").write_text("mine", encoding="utf-8")
    for output in (tmp_path / "notes", tmp_path / "notes/note.txt"):
        with pytest.raises(InvalidOption, match=r"note\.txt"):
            process_on_dask(raw, None, 24, NOW, output, tmp_path / "r.csv")


def test_a_place_where_no_folder_can_be_made_is_named(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    output = tmp_path / "file/processed"
    with pytest.raises(UnusableFile, match=r"processed : écriture impossible .* autre chemin"):
        process_on_dask(raw, None, 24, NOW, output, tmp_path / "r.csv")
    assert not (tmp_path / "r.csv").exists()


def test_a_folder_that_may_not_be_listed_is_named(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "processed"
    closed.mkdir()
    listing = Path.iterdir

    def refusing(path: Path) -> Iterator[Path]:
        if path == closed:
            raise PermissionError(errno.EACCES, "Permission denied")
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", refusing)
    rejects = tmp_path / "r.csv"
    with pytest.raises(UnusableFile, match=r"processed : écriture impossible \(Permission"):
        process_on_dask(raw, None, 24, NOW, closed, rejects)
    with pytest.raises(UnusableFile, match=r"processed : lecture impossible \(Permission"):
        process_on_dask(closed, None, 24, NOW, tmp_path / "out", rejects)


def test_a_name_that_no_disk_takes_is_told(raw: Path, tmp_path: Path) -> None:
    long, rejects = tmp_path / ("n" * 300), tmp_path / "r.csv"
    with pytest.raises(UnusableFile, match=r"n : écriture impossible"):
        process_on_dask(raw, None, 24, NOW, long, rejects)
    refused = "lecture impossible"
    with suppress(OSError):  # which later releases of Python no longer raise
        long.is_dir()
        refused = "--engine dask"
    with pytest.raises(UnusableFile, match=f"n : {refused}"):
        process_on_dask(long, None, 24, NOW, tmp_path / "out", rejects)


def test_what_cannot_be_processed_is_told_before_any_work(raw: Path, tmp_path: Path) -> None:
    for content, reason in ((b"a,b\n", "lit du Parquet"), (b"", "lit du Parquet")):
        path = tmp_path / "t.csv"
        path.write_bytes(content)
        with pytest.raises(UnusableFile, match=reason):
            process_on_dask(path, None, 24, NOW, tmp_path / "out", tmp_path / "r.csv")
    pd.DataFrame({"loco_id": ["A"]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(MissingColumns, match="flow_rate"):
        process_on_dask(tmp_path / "t.parquet", None, 24, NOW, tmp_path / "out", tmp_path / "r.csv")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("inline")
def test_telemetry_without_a_usable_row_is_refused(raw: Path, tmp_path: Path) -> None:
    bad = pd.read_parquet(raw / "b.parquet").assign(pressure=-1.0)
    bad.to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(UnusableFile, match=r"aucune ligne utilisable.*ligne 1 : pressure"):
        process_on_dask(
            tmp_path / "bad.parquet", None, 24, NOW, tmp_path / "out", tmp_path / "r.csv"
        )
    assert not (tmp_path / "out").exists()


def test_the_schema_is_that_of_a_processed_file(history_files: tuple[Path, Path]) -> None:
    whole = label_telemetry(*history_files, 24, NOW)
    assert processed_table(whole.rows.head(10), 24).schema == PROCESSED
