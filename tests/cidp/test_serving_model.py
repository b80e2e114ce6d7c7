"""The last good model serves; a newly promoted one takes over without a restart."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cidp.errors import NoModel
from cidp.metrics import Metrics
from cidp.model_bundle import Bundle
from cidp.registry import Registry
from cidp.serving_model import ServingModel


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
def serving(models: Path, metrics: Metrics) -> Iterator[ServingModel]:
    model = ServingModel(Registry(models), metrics, poll_s=0.01)
    yield model
    model.stop()


def refusals(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("api_model_load_failures_total")


def test_before_the_first_load_the_status_is_loading(serving: ServingModel) -> None:
    assert serving.status() == ("loading", None, None)
    with pytest.raises(NoModel, match="en cours de chargement"):
        serving.scorer()


def test_a_request_waits_for_the_first_load(serving: ServingModel, bundles: list[Path]) -> None:
    serving.start()
    serving.start()
    assert serving.scorer(wait_s=240).version == bundles[0].name
    assert serving.status() == ("serving", bundles[0].name, None)


def test_without_a_promoted_model_the_status_says_what_to_do(
    tmp_path: Path, metrics: Metrics
) -> None:
    model = ServingModel(Registry(tmp_path), metrics, poll_s=60)
    model.start()
    with pytest.raises(NoModel, match="bootstrap_local"):
        model.scorer(wait_s=240)
    status = model.status()
    assert (status.status, status.version) == ("missing", None)
    assert refusals(metrics) == 0
    model.stop()


def test_a_newly_promoted_version_takes_over(
    serving: ServingModel, models: Path, bundles: list[Path], metrics: Metrics
) -> None:
    swapped = threading.Event()
    loaded = metrics.model_loaded

    def note(version: str, created_at: object) -> None:
        loaded(version, created_at)  # type: ignore[arg-type]  # passed through as it came
        if version == bundles[1].name:
            swapped.set()

    metrics.model_loaded = note  # type: ignore[method-assign]  # the one place that hears of a swap
    serving.start()
    assert serving.scorer(wait_s=240).version == bundles[0].name
    Registry(models).promote(bundles[1].name)
    assert swapped.wait(240)
    assert serving.scorer().version == bundles[1].name
    value = metrics.registry.get_sample_value
    assert value("api_model_info", {"version": bundles[1].name}) == 1
    assert value("api_model_info", {"version": bundles[0].name}) is None


def test_a_refused_version_leaves_the_last_good_one_and_is_said_once(
    serving: ServingModel, models: Path, bundles: list[Path], metrics: Metrics
) -> None:
    serving.refresh()
    Registry(models).promote(bundles[1].name)
    (models / "instant" / bundles[1].name / "model.onnx").write_bytes(b"damaged")
    serving.refresh()
    serving.refresh()
    assert serving.scorer().version == bundles[0].name
    status = serving.status()
    assert status.status == "serving"
    assert status.error is not None
    assert bundles[1].name in status.error
    assert refusals(metrics) == 1


def test_once_the_promoted_version_serves_again_the_error_is_forgotten(
    serving: ServingModel, models: Path, bundles: list[Path]
) -> None:
    serving.refresh()
    pointer = models / "promoted.json"
    good = pointer.read_bytes()
    pointer.write_bytes(b"{")
    serving.refresh()
    assert serving.status().error is not None
    pointer.write_bytes(good)
    serving.refresh()
    assert serving.status() == ("serving", bundles[0].name, None)


def test_a_version_that_serves_is_not_loaded_again(
    models: Path, metrics: Metrics, bundles: list[Path]
) -> None:
    class Counting(Registry):
        loads = 0

        def load(self, version: str) -> Bundle:
            self.loads += 1
            return super().load(version)

    registry = Counting(models)
    model = ServingModel(registry, metrics, poll_s=60)
    model.refresh()
    model.refresh()
    assert registry.loads == 1
