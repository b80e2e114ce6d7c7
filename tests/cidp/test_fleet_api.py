"""`/fleet` and its history on either database: newest readings, kinds apart, bounded pasts."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conformity import conforms
from flask.testing import FlaskClient
from postgres import BACK_ENDS
from stores import NOON, batch, event, new_url

from cidp.assembly import Parts, assemble
from cidp.fleet_trend import FleetTrend
from cidp.http_api import app_of
from cidp.registry import Registry
from cidp.settings import Settings, StoreSettings

KEY = {"X-API-KEY": "une-cle-sans-droits"}  # which may only read
HISTORY = "/fleet/{loco_id}/history"


@pytest.fixture(params=BACK_ENDS)
def stored(request: pytest.FixtureRequest, tmp_path: Path, settings: Settings) -> Iterator[Parts]:
    url = new_url(request, request.param, tmp_path)
    store = StoreSettings(url=url.target, timeout_s=60)
    parts = assemble(settings.model_copy(update={"store": store}), now=lambda: NOON)
    yield parts
    parts.store.close()


@pytest.fixture
def client(stored: Parts) -> FlaskClient:
    return app_of(stored).test_client()


def get(client: FlaskClient, path: str = "/fleet", **query: str) -> Any:
    answer = client.get(path, headers=KEY, query_string=query)
    return conforms(answer, HISTORY if "history" in path else "/fleet", "get")


def test_an_empty_fleet_is_an_empty_list(client: FlaskClient) -> None:
    assert get(client).json == {
        "at": "2026-03-01T12:00:00.000000Z",
        "trend_error": None,
        "locomotives": [],
    }


def test_a_line_has_the_newest_reading_its_risk_its_age_and_its_alerts(
    client: FlaskClient, stored: Parts
) -> None:
    past = [event(second, risk=0.3 + 0.005 * second) for second in range(40)]
    critical = [event(second, vibration=9, risk=0.9) for second in range(-3, 0)]
    stored.store.save(batch(*critical, *past[:20], door="kafka"), [], NOON)
    stored.store.save(batch(*past[20:], door="kafka"), [], NOON)
    (line,) = get(client).json["locomotives"]
    assert line["recent_risks"] == [round(event["risk"], 4) for event in past[10:]]
    assert [(alert["cause"], alert["state"]) for alert in line.pop("alerts")] == [
        ("vibration", "new")
    ]
    del line["recent_risks"]
    assert line == {
        "loco_id": "L1",
        "series": "real",
        "source": "kafka",
        "timestamp": "2026-03-01T12:00:39.000000Z",
        "age_seconds": 0,
        "state": "nominal",
        "readings": {"flow_rate": 500, "pressure": 5, "vibration": 2, "temperature": 45},
        "critical_risk": 0,
        "risk_probability": 0.495,
        "model_version": "v1",
        "trend": None,
    }


def test_real_and_simulated_readings_are_lines_of_their_own(
    client: FlaskClient, stored: Parts
) -> None:
    stored.store.save(batch(event(-2, risk=0.1), door="simulator"), [], NOON)
    stored.store.save(batch(event(-1, risk=0.2), door="mqtt"), [], NOON)
    stored.store.save(batch(event(-3, risk=0.3), door="http"), [], NOON)
    lines = get(client).json["locomotives"]
    assert [(line["series"], line["source"], line["recent_risks"]) for line in lines] == [
        ("real", "mqtt", [0.2]),
        ("simulated", "simulator", [0.1]),
    ]
    (line,) = get(client, series="simulated").json["locomotives"]
    assert line["series"] == "simulated"


@pytest.mark.parametrize(
    ("age_s", "risk", "state"), [(59, 0.1, "nominal"), (59, 0.9, "critical"), (61, 0.9, "silent")]
)
def test_a_locomotive_that_says_nothing_is_silent(
    client: FlaskClient, stored: Parts, age_s: float, risk: float, state: str
) -> None:
    stored.store.save(batch(event(-age_s, risk=risk)), [], NOON)
    (line,) = get(client).json["locomotives"]
    assert (line["state"], line["age_seconds"]) == (state, age_s)


def test_the_past_is_given_from_the_oldest_and_cut_at_its_old_end(
    client: FlaskClient, stored: Parts
) -> None:
    stored.store.save(batch(*[event(n) for n in range(-5, 0)], door="http"), [], NOON)
    stored.store.save(batch(event(-2.5), event(1), door="kafka"), [], NOON)
    stored.store.save(batch(event(-2.2), door="simulator"), [], NOON)
    path = "/fleet/L1/history"
    whole = get(client, path).json
    assert [row["timestamp"][17:21] for row in whole["rows"]] == [
        "55.0", "56.0", "57.0", "57.5", "58.0", "59.0",
    ]  # fmt: skip
    assert (whole["truncated"], whole["from"][:16]) == (False, "2026-02-28T12:00")
    cut = get(client, path, limit="2").json
    assert [row["timestamp"] for row in cut["rows"]] == [
        row["timestamp"] for row in whole["rows"][-2:]
    ]
    assert cut["truncated"] is True
    earlier = get(client, path, limit="2", to=cut["rows"][0]["timestamp"]).json
    assert [row["source"] for row in earlier["rows"]] == ["http", "kafka"]


def test_hours_gather_the_readings_of_every_real_door(client: FlaskClient, stored: Parts) -> None:
    stored.store.save(batch(event(-7200, vibration=2, risk=0.1), event(-3600)), [], NOON)
    stored.store.save(batch(event(-7199, vibration=4, risk=0.9), door="kafka"), [], NOON)
    stored.store.save(batch(event(-7198, vibration=9), door="simulator"), [], NOON)
    answer = get(client, "/fleet/L1/history", step="hourly").json
    first, second = answer["rows"]
    assert first["readings"].pop("vibration") == {"mean": 3, "minimum": 2, "maximum": 4}
    del first["readings"]
    assert first == {
        "hour": "2026-03-01T10:00:00.000000Z",
        "count": 2,
        "critical": 1,
        "risk_mean": 0.5,
        "risk_maximum": 0.9,
    }
    assert second["hour"] == "2026-03-01T11:00:00.000000Z"
    assert answer["from"] == "2026-01-30T12:00:00.000000Z"


def test_hours_add_up_over_batches(client: FlaskClient, stored: Parts) -> None:
    for second in range(3):
        stored.store.save(batch(event(second - 60, vibration=second)), [], NOON)
        stored.store.save(batch(event(second - 60, vibration=second)), [], NOON)
    (hour,) = get(client, "/fleet/L1/history", step="hourly").json["rows"]
    assert (hour["count"], hour["readings"]["vibration"]) == (
        3,
        {"mean": 1, "minimum": 0, "maximum": 2},
    )


def test_an_unknown_locomotive_is_not_found(client: FlaskClient, stored: Parts) -> None:
    stored.store.save(batch(event()), [], NOON)
    for loco_id in ("L2", "%00", "é", "L1%0A"):
        assert get(client, f"/fleet/{loco_id}/history").status_code == 404


def test_a_parameter_that_cannot_be_answered_is_named(client: FlaskClient) -> None:
    for field, value in (
        ("step", "daily"),
        ("series", "real,simulated"),
        ("limit", "0"),
        ("limit", "10001"),
        ("limit", "٣"),
        ("from", "yesterday"),
        ("from", "2026-03-01T12:00:00"),
        ("from", "2026-03-02T00:00:00Z"),
        ("to", "99999999999"),
        ("depth", "1"),
    ):
        answer = get(client, "/fleet/L1/history", **{field: value})
        assert (answer.status_code, answer.json["details"][0]["field"]) == (400, field)


def test_a_repeated_parameter_is_refused(client: FlaskClient) -> None:
    answer = client.get("/fleet?series=real&series=simulated", headers=KEY)
    assert answer.status_code == 400


def test_an_offset_may_be_written_with_a_bare_plus(client: FlaskClient, stored: Parts) -> None:
    stored.store.save(batch(event()), [], NOON)
    answer = client.get("/fleet/L1/history?to=2026-03-01T13:00:01+01:00", headers=KEY)
    assert answer.json is not None
    assert answer.json["to"] == "2026-03-01T12:00:01.000000Z"
    assert len(answer.json["rows"]) == 1


def test_a_period_may_end_at_the_first_day_that_there_is(
    client: FlaskClient, stored: Parts
) -> None:
    stored.store.save(batch(event()), [], NOON)
    answer = get(client, "/fleet/L1/history", to="0001-01-01T12:00:00Z").json
    assert (answer["from"], answer["rows"]) == ("0001-01-01T00:00:00.000000Z", [])


def test_the_past_ends_where_retention_begins_and_hours_stay(
    client: FlaskClient, stored: Parts
) -> None:
    stored.store.save(batch(event(-29 * 86_400)), [], NOON)
    stored.store.prune(NOON - timedelta(days=10))
    period = {"from": "2026-01-01T00:00:00Z"}
    assert get(client, "/fleet/L1/history", **period).json["rows"] == []
    assert len(get(client, "/fleet/L1/history", step="hourly", **period).json["rows"]) == 1
    (line,) = get(client).json["locomotives"]
    assert (line["state"], line["recent_risks"]) == ("silent", [])


def test_a_promoted_trend_model_tells_its_risk_of_who_has_a_day_of_history(
    stored: Parts, trend: Path
) -> None:
    hours = [event(-3600 * hour, loco_id="L1") for hour in range(1, 30)]
    stored.store.save(
        batch(*hours, event(loco_id="L1"), event(loco_id="L2"), door="kafka"), [], NOON
    )
    stored.model.registry.promote(trend.name, "trend")
    old, new = get(app_of(stored).test_client()).json["locomotives"]
    assert (old["trend"]["model_version"], new["trend"]) == (trend.name, None)
    assert old["trend"]["critical_risk"] == int(old["trend"]["risk_probability"] > 0.5)


def test_the_trend_is_renewed_every_minute_and_a_refused_model_leaves_the_last_one(
    stored: Parts, trend: Path
) -> None:
    at = [NOON]
    renewing = FleetTrend(stored.model.registry, stored.store, stored.metrics, lambda: at[0])
    assert renewing.risks() == {}
    stored.model.registry.promote(trend.name, "trend")
    hours = [event(-3600 * hour) for hour in range(30)]
    stored.store.save(batch(*hours, door="kafka"), [], NOON)
    at[0] += timedelta(seconds=59)
    assert renewing.risks() == {}
    at[0] += timedelta(seconds=1)
    (risk,) = renewing.risks().values()
    assert risk.model_version == trend.name
    shutil.copytree(trend, trend.parent / "20260303T120000Z-00000000")
    pointer = stored.model.registry.models / "promoted.json"
    pointer.write_text(pointer.read_text().replace(trend.name, "20260303T120000Z-00000000"))
    at[0] += timedelta(minutes=1)
    assert [again.model_version for again in renewing.risks().values()] == [trend.name]
    fresh = FleetTrend(stored.model.registry, stored.store, stored.metrics, lambda: at[0])
    assert fresh.risks() == {}


def test_a_promoted_trend_model_that_is_refused_is_told_until_another_serves(
    stored: Parts, client: FlaskClient, models: Path, trend: Path
) -> None:
    stored.model.registry.promote(trend.name, "trend")
    intact = (trend / "model.onnx").read_bytes()
    (trend / "model.onnx").write_bytes(b"damaged")
    told = get(client).json["trend_error"]
    assert told.startswith(f"Modèle {trend.name} refusé : model.onnx")
    ready = conforms(client.get("/ready"), "/ready", "get").json
    assert ready["trend"] == {"status": "missing", "version": None, "error": told}
    (listed,) = [
        one for one in client.get("/models", headers=KEY).json["models"] if one["slot"] == "trend"
    ]
    assert listed["error"] == told
    pointer = models / "promoted.json"
    pointer.rename(models / "aside.json")
    assert get(client).json["trend_error"] is None
    (models / "aside.json").rename(pointer)
    assert get(client).json["trend_error"] == told
    (trend / "model.onnx").write_bytes(intact)
    assert get(client).json["trend_error"] == told  # tried again a minute later, or promoted anew
    Registry(models).promote(trend.name, "trend")
    assert get(client).json["trend_error"] is None
    ready = conforms(client.get("/ready"), "/ready", "get").json
    assert ready["trend"] == {"status": "serving", "version": trend.name, "error": None}


def test_a_refused_trend_model_is_counted_once(stored: Parts, trend: Path) -> None:
    stored.model.registry.promote(trend.name, "trend")
    (trend / "model.onnx").write_bytes(b"damaged")
    for _ in range(3):
        assert stored.trend.status().error
    count = stored.metrics.registry.get_sample_value
    assert count("api_model_load_failures_total") == 1


def test_a_refused_trend_model_is_tried_again_a_minute_later(stored: Parts, trend: Path) -> None:
    at = [NOON]
    renewing = FleetTrend(stored.model.registry, stored.store, stored.metrics, lambda: at[0])
    stored.model.registry.promote(trend.name, "trend")
    manifest = (trend / "manifest.json").read_bytes()
    (trend / "manifest.json").unlink()
    assert "illisible" in (renewing.status().error or "")
    (trend / "manifest.json").write_bytes(manifest)
    assert renewing.status().status == "missing"
    at[0] += timedelta(minutes=1)
    assert renewing.status() == ("serving", trend.name, None)
