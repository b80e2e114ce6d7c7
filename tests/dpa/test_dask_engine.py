"""Functions run in Dask workers, of this machine or of a real cluster, and what their loss does."""

import operator
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dask_cluster
import pytest
from dask_cluster import Cluster
from distributed import LocalCluster

from dpa import dask_engine
from dpa.dask_engine import DaskEngine
from dpa.errors import EngineError, SourceEmpty, SourceUnreadable
from dpa.files import read_bytes
from dpa.french import number
from dpa.machine_list import parse_machines


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a busy machine minutes to connect, and to start again the workers that die."""
    monkeypatch.setattr(dask_engine, "CONNECT_S", 240.0)
    monkeypatch.setattr(dask_engine, "WORKERS_S", 240.0)


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with dask_cluster.cluster(tmp_path_factory.mktemp("dask"), workers=2) as found:
        yield found


@pytest.fixture
def engine(two_workers: Cluster) -> Iterator[DaskEngine]:
    with DaskEngine(two_workers.address) as found:
        yield found


def test_results_come_in_the_order_of_the_items(engine: DaskEngine) -> None:
    items = list(range(20))
    assert list(engine.map(number, items, 1)) == [f"{item},0" for item in items]


def test_kept_results_stay_on_the_workers_until_they_are_worked_on(engine: DaskEngine) -> None:
    kept = engine.keep(number, [1, 10, 100])
    assert list(engine.map(operator.add, kept, "€")) == ["1€", "10€", "100€"]


def test_both_workers_work(engine: DaskEngine, two_workers: Cluster) -> None:
    # Each item takes a moment, so that the first worker cannot take them all.
    answers = engine.map(subprocess.check_output, [("sh", "-c", "sleep 0.2; echo $PPID")] * 20)
    assert {int(pid) for pid in answers} == {process.pid for process in two_workers.workers}


def test_a_file_that_a_worker_cannot_see_is_told_with_the_worker(
    engine: DaskEngine, tmp_path: Path
) -> None:
    with pytest.raises(SourceUnreadable) as raised:
        list(engine.map(read_bytes, [tmp_path / "absent.csv"]))
    for words in ("Worker tcp://127.0.0.1:", "absent.csv : fichier introuvable", "même chemin"):
        assert words in str(raised.value)


def test_another_fault_of_a_source_keeps_its_kind(engine: DaskEngine) -> None:
    with pytest.raises(SourceEmpty, match=r"Worker tcp.*m\.json : le contenu est vide"):
        list(engine.map(parse_machines, [b""], "m.json"))


def test_a_second_run_sends_its_own_package(two_workers: Cluster) -> None:
    for _ in range(2):
        with DaskEngine(two_workers.address) as engine:
            assert list(engine.map(number, [1])) == ["1"]


def test_workers_of_this_machine_are_started_and_ended() -> None:
    with DaskEngine() as engine:
        pids = set(engine.map(operator.methodcaller("__call__"), [os.getpid] * 8))
        assert list(engine.map(number, engine.keep(len, ["ab"]))) == ["2"]
    assert os.getpid() not in pids


def test_workers_that_cannot_start_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(**_: object) -> None:
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(dask_engine, "LocalCluster", failing)
    with pytest.raises(EngineError, match="n'ont pas pu démarrer"):
        DaskEngine()


def test_a_task_that_kills_every_worker_fails_in_french() -> None:
    with DaskEngine() as engine, pytest.raises(EngineError, match="plusieurs workers sont morts"):
        list(engine.map(os._exit, [1]))


def test_a_cluster_that_fails_to_close_does_not_hide_why_the_run_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Unclosed(LocalCluster):
        def close(self, timeout: float | None = None) -> None:
            super().close(timeout)
            # What Dask raises when a worker that was killed is starting again.
            raise AssertionError("can only join a started process")

    monkeypatch.setattr(dask_engine, "LocalCluster", Unclosed)
    with pytest.raises(EngineError, match="of this run"), DaskEngine():
        raise EngineError("of this run")


def test_what_a_killed_worker_held_is_made_again(tmp_path: Path) -> None:
    with (
        dask_cluster.cluster(tmp_path, workers=2) as cluster,
        DaskEngine(cluster.address) as engine,
    ):
        items = list(range(10))
        kept = engine.keep(number, items)
        assert list(engine.map(len, kept)) == [1] * 10
        cluster.stop_worker()
        assert list(engine.map(operator.add, kept, "!")) == [f"{item}!" for item in items]


def test_a_run_without_any_worker_left_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_engine, "POLL_S", 0.1)
    with (
        dask_cluster.cluster(tmp_path, workers=1) as cluster,
        DaskEngine(cluster.address) as engine,
    ):
        monkeypatch.setattr(dask_engine, "WORKERS_S", 0.1)
        cluster.stop_worker()
        with pytest.raises(EngineError, match="aucun worker en"):
            list(engine.map(number, [1]))


def test_a_scheduler_without_workers_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_engine, "WORKERS_S", 0.1)
    with (
        dask_cluster.cluster(tmp_path, workers=0) as cluster,
        pytest.raises(EngineError, match="aucun worker en"),
    ):
        DaskEngine(cluster.address)


def test_a_scheduler_that_dies_ends_the_run(tmp_path: Path) -> None:
    with (
        dask_cluster.cluster(tmp_path, workers=1) as cluster,
        DaskEngine(cluster.address) as engine,
    ):
        # Dask looks for a lost scheduler for as long as it would have waited for it at first.
        assert hasattr(engine._client, "_timeout")
        engine._client._timeout = 0.1
        results = engine.map(number, [1, 2, 3])
        assert next(results) == "1"
        cluster.stop_scheduler()
        with pytest.raises(EngineError, match="rompue"):
            list(engine.map(number, [4]))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "ftp://x:1", "tcp://", "tcp://h:x"])
def test_a_scheduler_that_is_not_there_is_told(address: str) -> None:
    with pytest.raises(EngineError, match="pas de connexion") as raised:
        DaskEngine(address)
    assert address in str(raised.value)


def test_other_versions_on_a_worker_are_refused_by_name() -> None:
    ours = {**dict.fromkeys(dask_engine.MATCHED_PACKAGES, "1.0"), "python": "3.12.1.final.0"}
    theirs = {**ours, "pandas": None, "python": "3.11.9.final.0"}
    workers = {"tcp://a:1": {"packages": ours}, "tcp://b:2": {"packages": theirs}}
    with pytest.raises(EngineError) as raised:
        dask_engine.refuse_other_versions(
            {"client": {"packages": ours}, "workers": workers}, "tcp://s:1"
        )
    assert "Python 3.11 sur tcp://b:2 (3.12 ici) ; pandas absent sur tcp://b:2 (1.0 ici)" in str(
        raised.value
    )
    assert "tcp://a:1" not in str(raised.value)
