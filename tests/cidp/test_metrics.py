"""Metric labels come from closed lists; the values of several workers add up."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest, values

from cidp.event_batch import Door
from cidp.event_store import LetterKind
from cidp.metrics import LetterCollector, Metrics, SourceCollector, known_method
from cidp.workers import Worker


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A worker whose values are kept in files, in a process that goes on without."""
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    joined = Worker(tmp_path)
    yield joined
    joined.close()
    values.close_all_multiprocess_files()


def test_a_method_that_nobody_knows_is_counted_as_other() -> None:
    assert [known_method(method) for method in ("BREW", "A" * 1000, "GET")] == [
        *["other"] * 2,
        "GET",
    ]


def test_an_answer_counts_with_its_duration(metrics: Metrics) -> None:
    for seconds in (0.002, 0.3):
        metrics.request_answered("/predict", "POST", 200, seconds)
    labels = {"route": "/predict", "method": "POST", "status": "200"}
    value = metrics.registry.get_sample_value
    assert value("api_requests_total", labels) == 2
    assert value("api_request_duration_seconds_sum", labels) == pytest.approx(0.302)
    assert value("api_request_duration_seconds_bucket", labels | {"le": "0.0025"}) == 1


def test_a_prediction_counts_its_latency_its_risk_and_its_alert(metrics: Metrics) -> None:
    metrics.prediction_answered(0.002, 0.93, critical=True)
    metrics.prediction_answered(0.002, 0.01, critical=False)
    value = metrics.registry.get_sample_value
    assert value("api_predictions_total") == 2
    assert value("api_risk_alerts_total") == 1
    assert value("api_prediction_latency_seconds_count") == 2
    assert value("api_risk_probability_bucket", {"le": "0.01"}) == 1
    assert value("api_risk_probability_bucket", {"le": "0.9"}) == 1


def test_two_sets_of_metrics_do_not_share_a_registry(metrics: Metrics) -> None:
    metrics.prediction_answered(0.1, 0.5, critical=True)
    other = Metrics(CollectorRegistry())
    assert other.registry.get_sample_value("api_predictions_total") == 0


def test_only_the_model_that_serves_is_named(metrics: Metrics) -> None:
    assert b"api_model_info{" not in metrics.exposition()
    for version in ("v1", "v2"):
        metrics.model_loaded(version, datetime(2026, 3, 1, tzinfo=UTC))
    value = metrics.registry.get_sample_value
    assert value("api_model_info", {"version": "v1"}) is None
    assert value("api_model_info", {"version": "v2"}) == 1
    created = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    assert value("api_model_created_timestamp_seconds") == created


def test_the_source_is_read_at_each_scrape(metrics: Metrics) -> None:
    answers: list[tuple[str, float | None, dict[str, int]]] = [
        ("none", None, {}),
        ("kafka", 2.5, {"kafka": 7}),
    ]
    metrics.registry.register(SourceCollector(lambda: answers.pop(0)))
    assert len(answers) == 2
    text = generate_latest(metrics.registry).decode()
    assert 'telemetry_source_info{mode="none"} 1.0' in text
    assert "telemetry_last_event_age_seconds" not in text
    text = generate_latest(metrics.registry).decode()
    assert 'telemetry_source_info{mode="kafka"} 1.0' in text
    assert 'telemetry_lag_messages{source="kafka"} 7.0' in text
    assert "telemetry_last_event_age_seconds 2.5" in text


def test_dead_letters_are_counted_at_each_scrape_by_door_and_kind(metrics: Metrics) -> None:
    answers: list[dict[tuple[Door, LetterKind], int] | None] = [{("kafka", "refused"): 3}, None]
    registry = metrics.registry
    registry.register(LetterCollector(lambda: answers.pop(0)))
    text = generate_latest(registry).decode()
    assert 'telemetry_dead_letters_open{kind="refused",source="kafka"} 3.0' in text
    assert 'telemetry_dead_letters_open{kind="conflict",source="mqtt"} 0.0' in text
    assert text.count("telemetry_dead_letters_open{") == 8
    assert "telemetry_dead_letters_open" not in generate_latest(registry).decode()


def test_a_scrape_of_one_worker_counts_what_any_of_them_answered(worker: Worker) -> None:
    first = Metrics(CollectorRegistry(), worker)
    first.request_answered("/predict", "POST", 200, 0.01)
    first.prediction_answered(0.01, 0.2, critical=True)
    worker.number = 2
    second = Metrics(CollectorRegistry(), worker)
    for _ in range(2):
        second.request_answered("/predict", "POST", 200, 0.01)
    text = second.exposition().decode()
    assert 'api_requests_total{method="POST",route="/predict",status="200"} 3.0' in text
    assert "api_predictions_total 1.0" in text
    assert "api_workers 2.0" in text
    assert "api_risk_probability_sum 0.2" in text


def test_a_worker_that_ended_is_no_longer_counted_and_what_it_answered_is(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics(CollectorRegistry(), worker)
    metrics.prediction_answered(0.01, 0.2, critical=True)
    monkeypatch.setattr(worker, "dead", lambda: [1])
    text = metrics.exposition().decode()
    assert "api_predictions_total 1.0" in text
    assert "api_workers" not in text
