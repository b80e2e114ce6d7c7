"""A run cut into parts on two Dask workers gives what one process gives, to the last reject."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask_cluster
import pandas as pd
import pytest
from dask_cluster import Cluster

from dpa import csv_source, dask_engine, pipeline
from dpa.checking import checked_parts
from dpa.dask_engine import DaskEngine
from dpa.engine import LocalEngine
from dpa.errors import EngineError, SourceUnreadable
from dpa.machine_source import read_machines
from dpa.mapping import Mapping
from dpa.overview import overview
from dpa.parts import CheckedPart, TransactionSource
from dpa.sources import read_transactions
from dpa.synthetic import MACHINES_FILE, TRANSACTIONS_FILE, write_samples

from .conftest import Desk


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a busy machine minutes to connect."""
    monkeypatch.setattr(dask_engine, "CONNECT_S", 240.0)
    monkeypatch.setattr(dask_engine, "WORKERS_S", 240.0)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder, rows=6_000)
    return folder


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with dask_cluster.cluster(tmp_path_factory.mktemp("dask"), workers=2) as found:
        yield found


@pytest.fixture(scope="module")
def one_part(samples: Path) -> TransactionSource:
    return read_transactions(samples / TRANSACTIONS_FILE, Mapping(), None)


@pytest.fixture
def source(samples: Path, monkeypatch: pytest.MonkeyPatch) -> TransactionSource:
    """The sample in parts of 20 kB."""
    monkeypatch.setattr(csv_source, "FIRST_BYTES", 20_000)
    monkeypatch.setattr(csv_source, "PART_BYTES", 20_000)
    found = read_transactions(samples / TRANSACTIONS_FILE, Mapping(), None)
    assert len(found.parts) > 10
    return found


def machines(samples: Path) -> pd.DataFrame:
    return read_machines(samples / MACHINES_FILE, samples, samples).table


Whole = tuple[pd.DataFrame, pd.DataFrame, dict[str, int]]


def whole(parts: list[CheckedPart]) -> Whole:
    """Put the parts together: accepted rows and rejects by line, and the counts."""
    names = {"machine_id": "str", "status_code": "str"}
    accepted = pd.concat([part.accepted.astype(names) for part in parts], ignore_index=True)
    rejects = pd.concat([part.rejects for part in parts], ignore_index=True)
    counts = {
        name: sum(getattr(part, name) for part in parts)
        for name in ("read", "duplicates", "skipped", "blank_lines")
    }
    by_line = "source_line"
    return (
        accepted.sort_values(by_line, ignore_index=True),
        rejects.sort_values([by_line, "rule_code"], ignore_index=True),
        counts,
    )


@pytest.fixture(scope="module")
def wanted(one_part: TransactionSource) -> Whole:
    """What this process makes of the sample, in hardly any parts."""
    assert len(one_part.parts) <= 2
    with LocalEngine(1) as engine:
        return whole(list(checked_parts(one_part, engine)))


def same(found: Whole, wanted: Whole) -> None:
    pd.testing.assert_frame_equal(found[0], wanted[0])
    pd.testing.assert_frame_equal(found[1], wanted[1])
    assert found[2] == wanted[2]


def dask(source: TransactionSource, address: str | None) -> list[CheckedPart]:
    with DaskEngine(address) as engine:
        return list(checked_parts(source, engine))


def test_two_workers_give_the_rows_rejects_and_lines_of_one_process(
    source: TransactionSource, two_workers: Cluster, wanted: Whole
) -> None:
    assert wanted[2]["duplicates"] > 0
    assert "ID_EN_CONFLIT" in set(wanted[1]["rule_code"])
    same(whole(dask(source, two_workers.address)), wanted)


def test_a_worker_killed_between_the_passes_changes_nothing(
    source: TransactionSource, tmp_path: Path, wanted: Whole
) -> None:
    with (
        dask_cluster.cluster(tmp_path, workers=2) as cluster,
        DaskEngine(cluster.address) as engine,
    ):
        parts = checked_parts(source, engine)
        found = [next(parts)]
        cluster.stop_worker()
        found.extend(parts)
    same(whole(found), wanted)


@pytest.mark.parametrize("kind", ["local", "dask"])
def test_the_overview_is_that_of_one_part(
    samples: Path,
    one_part: TransactionSource,
    source: TransactionSource,
    two_workers: Cluster,
    kind: str,
) -> None:
    with LocalEngine(1) as engine:
        wanted = overview(one_part, machines(samples), engine)
    with LocalEngine(2) if kind == "local" else DaskEngine(two_workers.address) as engine:
        found = overview(source, machines(samples), engine)
    pd.testing.assert_frame_equal(found.stats.round(2), wanted.stats.round(2))
    assert (found.read, found.duplicates, found.rejected) == (
        wanted.read,
        wanted.duplicates,
        wanted.rejected,
    )
    assert found.read == found.accepted + found.duplicates + sum(found.rejected.values())


def test_a_file_changed_under_the_workers_is_refused_with_the_worker(
    tmp_path: Path, two_workers: Cluster
) -> None:
    path = tmp_path / "erp.csv"
    path.write_text(
        "transaction_id,machine_id,date,volume_transferred,status_code\nT,M,2026-01-05,1,OK\n",
        encoding="utf-8",
    )
    found = read_transactions(path, Mapping(), None)
    path.unlink()
    with pytest.raises(SourceUnreadable, match=r"Worker tcp://.*erp\.csv : fichier introuvable"):
        dask(found, two_workers.address)


def test_a_relative_path_is_the_same_file_for_workers_elsewhere(
    samples: Path, two_workers: Cluster, monkeypatch: pytest.MonkeyPatch, wanted: Whole
) -> None:
    monkeypatch.chdir(samples)
    found = read_transactions(Path(TRANSACTIONS_FILE), Mapping(), None)
    same(whole(dask(found, two_workers.address)), wanted)


FACTS = (
    "SELECT transaction_id, date, volume_transferred, site_location, source_line "
    "FROM fact_transactions ORDER BY transaction_id"
)
REJECTS = "SELECT source_line, rule_code, raw_row FROM rejets ORDER BY source_line"
STATS = "SELECT * FROM aggr_daily_site_stats ORDER BY date_key, site_key"


def test_a_load_on_two_workers_leaves_the_warehouse_of_one_process(
    source: TransactionSource,
    samples: Path,
    two_workers: Cluster,
    make_desk: Callable[[], Desk],
) -> None:
    contents = []
    for engine, scheduler in (("pandas", None), ("dask", two_workers.address)):
        desk = make_desk()
        desk.run(
            erp=source.path,
            machines=str(samples / MACHINES_FILE),
            engine=engine,
            scheduler=scheduler,
        )
        contents.append([desk.query(sql) for sql in (FACTS, REJECTS, STATS)])
    assert contents[0] == contents[1]
    assert all(contents[0])


def test_a_load_that_loses_all_its_workers_changes_nothing(
    source: TransactionSource, tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.erp("T1,M1,2026-01-05,12.5,OK")
    desk.run()
    before = [desk.query(sql) for sql in (FACTS, REJECTS, STATS)]
    monkeypatch.setattr(dask_engine, "POLL_S", 0.1)
    with dask_cluster.cluster(tmp_path, workers=1) as cluster:

        def killing(parts: Iterator[CheckedPart], *_: Any) -> Iterator[CheckedPart]:
            yield next(parts)
            monkeypatch.setattr(dask_engine, "WORKERS_S", 0.1)
            cluster.stop_worker()
            yield from parts

        monkeypatch.setattr(pipeline, "tracked", killing)
        with pytest.raises(EngineError, match="aucun worker"):
            desk.run(erp=source.path, engine="dask", scheduler=cluster.address)
    assert [desk.query(sql) for sql in (FACTS, REJECTS, STATS)] == before
