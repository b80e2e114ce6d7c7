"""Metric labels come from closed lists."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from cidp.metrics import Metrics, SourceCollector


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def test_a_method_that_nobody_knows_is_counted_as_other(metrics: Metrics) -> None:
    for method in ("BREW", "A" * 1000, "GET"):
        metrics.request_answered("unmatched", method, 404)
    labels = {"route": "unmatched", "method": "other", "status": "404"}
    assert metrics.registry.get_sample_value("api_requests_total", labels) == 2


def test_a_prediction_counts_its_latency_and_its_alert(metrics: Metrics) -> None:
    metrics.prediction_answered(0.002, critical=True)
    metrics.prediction_answered(0.002, critical=False)
    value = metrics.registry.get_sample_value
    assert value("api_predictions_total") == 2
    assert value("api_risk_alerts_total") == 1
    assert value("api_prediction_latency_seconds_count") == 2


def test_two_sets_of_metrics_do_not_share_a_registry(metrics: Metrics) -> None:
    metrics.prediction_answered(0.1, critical=True)
    other = Metrics(CollectorRegistry())
    assert other.registry.get_sample_value("api_predictions_total") == 0


def test_the_source_is_read_at_each_scrape(metrics: Metrics) -> None:
    answers: list[tuple[str, float | None]] = [("none", None), ("simulator", 2.5)]
    metrics.registry.register(SourceCollector(lambda: answers.pop(0)))
    assert len(answers) == 2
    text = generate_latest(metrics.registry).decode()
    assert 'telemetry_source_info{mode="none"} 1.0' in text
    assert "telemetry_last_event_age_seconds" not in text
    text = generate_latest(metrics.registry).decode()
    assert 'telemetry_source_info{mode="simulator"} 1.0' in text
    assert "telemetry_last_event_age_seconds 2.5" in text
