"""Each call of the client understands what the application itself answers."""

import io
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from fake_services import SAYS, with_etl
from flask_transport import client_of
from stores import NOON, batch, event
from waiting import until
from warehouses import FIRST, LAST, SITES, Seeded, seeded

from cidp.api_client import REPORT, ApiClient, UncheckedReading, WarehouseFilter
from cidp.api_errors import FieldsRefused, KeyRefused, NotNow, NotThere, ServiceUnavailable
from cidp.assembly import Parts, assemble
from cidp.http_api import app_of
from cidp.settings import EtlSettings, Settings

READING = UncheckedReading("LOCO_001", 500.0, 5.0, 2.0, 45.0)
DANGER = UncheckedReading("LOCO_001", 500.0, 5.0, 12.0, 110.0)


@pytest.fixture
def api(parts: Parts) -> ApiClient:
    return client_of(app_of(parts), "une-cle-pour-les-tests")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    folder = tmp_path_factory.mktemp("seeded")
    return seeded(folder, str(folder / "dwh.sqlite"))


@pytest.fixture
def logistics(settings: Settings, loaded: Seeded) -> ApiClient:
    etl = EtlSettings(dwh=loaded.dwh, report=loaded.whole.with_name(REPORT))
    app = app_of(assemble(settings.model_copy(update={"etl": etl})))
    return client_of(app, "une-cle-sans-droits")


@pytest.fixture
def worker(settings: Settings, tmp_path: Path) -> Iterator[ApiClient]:
    parts = assemble(with_etl(settings, tmp_path, SAYS))
    yield client_of(app_of(parts), "une-cle-pour-les-tests")
    parts.model.stop()
    parts.store.close()


def test_a_risk_comes_with_its_reasons(api: ApiClient) -> None:
    explained = api.predict(DANGER)
    assert explained.critical_risk == 1
    assert explained.explanation
    assert set(explained.explanation.contributions) == {
        "flow_rate", "pressure", "vibration", "temperature",
    }  # fmt: skip
    nearest = explained.explanation.counterfactual
    assert nearest
    moved = UncheckedReading(**{
        "loco_id": "LOCO_001", "flow_rate": 500.0, "pressure": 5.0, "vibration": 12.0,
        "temperature": 110.0, **nearest.changes,
    })  # fmt: skip
    assert api.predict(moved).critical_risk == 0


def test_many_readings_are_scored_in_their_order(api: ApiClient) -> None:
    rows = api.predict_many([READING, DANGER]).results
    assert [row.critical_risk for row in rows] == [0, 1]
    refused = UncheckedReading("LOCO_001", -1.0, 5.0, 2.0, 45.0)
    assert api.predict_many([refused]).results[0].risk_probability is None


def test_what_ifs_of_a_screen_count_nowhere(api: ApiClient) -> None:
    api.predict(DANGER)
    api.predict_many([READING, DANGER])
    assert api.metric("api_drift_readings") == {"predict": 0.0, "telemetry": 0.0}
    assert api.metric("api_predictions_total") == {"": 0.0}


def test_the_holder_of_the_key_is_known(api: ApiClient) -> None:
    assert api.whoami().id == "tests"
    assert "admin" in api.whoami().scopes


def test_fleet_and_history(api: ApiClient, parts: Parts) -> None:
    parts.store.save(batch(event(-2), event(-1, 3.0)), [], NOON)
    (loco,) = api.fleet().locomotives
    assert (loco.loco_id, loco.readings["vibration"]) == ("L1", 3.0)
    past = api.history("L1", "real", NOON - timedelta(hours=1), rows=1)
    assert past.truncated
    assert past.rows[-1].readings["vibration"] == 3.0
    with pytest.raises(NotThere, match="rien envoyé"):
        api.history("L2", "real", NOON - timedelta(hours=1), rows=1)


def test_an_alert_is_followed_by_name(api: ApiClient, parts: Parts) -> None:
    parts.store.save(batch(*(event(n, 9.0, 0.9) for n in range(5))), [], NOON)
    (opened,) = api.alerts({"state": "open"}).alerts
    assert opened.cause == "vibration"
    api.act_on_alert(opened.id, "acknowledge", "Aïcha Ngo")
    api.act_on_alert(opened.id, "comment", "Aïcha Ngo", text="roulement changé")
    api.act_on_alert(opened.id, "verdict", "Aïcha Ngo", true_alarm=True)
    closed = api.act_on_alert(opened.id, "close", "Aïcha Ngo")
    assert (closed.state, closed.true_alarm) == ("closed", True)
    assert {action.author for action in closed.actions} == {"Aïcha Ngo"}
    with pytest.raises(NotNow, match="fermée"):
        api.act_on_alert(opened.id, "close", "Aïcha Ngo")
    with pytest.raises(FieldsRefused) as caught:
        api.act_on_alert(opened.id, "comment", "=cmd", text="x")
    assert caught.value.details[0][0] == "X-Operator"


def test_jobs_are_started_followed_and_refused(worker: ApiClient) -> None:
    assert [kind.kind for kind in worker.jobs().kinds][:2] == ["etl", "etl-resubmit"]
    started = worker.start_job("etl", {"sites": ["Douala"]}, "A. Ngo")
    until(lambda: worker.job(started.id).ended_at)
    ended = worker.job(started.id)
    assert (ended.state, ended.on_behalf_of) == ("succeeded", "A. Ngo")
    assert ended.result
    assert ended.result["loaded"] == 3
    with pytest.raises(NotNow):
        worker.cancel_job(started.id, "A. Ngo")
    with pytest.raises(NotThere):
        worker.job("20260101T000000Z-00000000")
    with pytest.raises(FieldsRefused):
        worker.start_job("etl", {"source": "autre chose"}, "")


def test_a_corrected_workbook_is_handed_back(worker: ApiClient) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    job = worker.resubmit("rejets.xlsx", content.getvalue(), "A. Ngo")
    assert (job.kind, job.on_behalf_of) == ("etl-resubmit", "A. Ngo")
    until(lambda: worker.job(job.id).ended_at)
    with pytest.raises(FieldsRefused):
        worker.resubmit("rejets.xlsx", b"autre chose", "")


def test_figures_of_the_warehouse(logistics: ApiClient) -> None:
    known = logistics.warehouse_scope()
    assert set(SITES) <= set(known.sites)
    shown = WarehouseFilter(SITES, FIRST, LAST)
    kpis = logistics.kpis(shown)
    assert (kpis.filters.sites, kpis.filters.first, kpis.filters.last) == (SITES, FIRST, LAST)
    assert {row.site for row in logistics.volumes(shown).volumes} <= set(SITES)
    assert len(logistics.machines(shown, 2).machines) == 2
    assert logistics.rejects().rejects
    assert len(logistics.runs(1).runs) == 1
    with pytest.raises(FieldsRefused, match="Corrigez"):
        logistics.kpis(WarehouseFilter(("Paris",)))


def test_a_right_that_lacks_is_named(logistics: ApiClient) -> None:
    with pytest.raises(KeyRefused, match="« lecture » n'a pas le droit « operate »"):
        logistics.start_job("etl", {}, "")


def test_workbooks_are_whole_or_absent(logistics: ApiClient, loaded: Seeded) -> None:
    with pytest.raises(NotThere, match="Aucun rapport"):
        logistics.check_workbook(REPORT)
    loaded.whole.with_name(REPORT).write_bytes(loaded.whole.read_bytes())
    logistics.check_workbook(REPORT)
    assert logistics.workbook(REPORT) == loaded.whole.read_bytes()


def test_without_a_warehouse_the_service_is_unavailable(worker: ApiClient) -> None:
    with pytest.raises(ServiceUnavailable, match="pas encore d'entrepôt"):
        worker.kpis(WarehouseFilter())


def test_the_model_its_versions_and_a_promotion(api: ApiClient) -> None:
    card = api.model()
    versions = api.models().models
    assert card.version == next(v.version for v in versions if v.serving)
    other = next(v.version for v in versions if not v.serving)
    assert api.promote(other, "A. Ngo").promoted == other
    with pytest.raises(NotThere):
        api.promote("inconnue", "A. Ngo")


def test_a_gauge_is_read_by_its_label(api: ApiClient) -> None:
    version = api.model().version
    assert api.metric("api_model_info") == {version: 1.0}
    assert api.metric("inconnue") == {}


def test_options_of_the_report_are_those_of_the_figures() -> None:
    shown = WarehouseFilter(("Douala",), date(2026, 1, 2), None)
    assert shown.query() == {"sites": "Douala", "from": "2026-01-02"}
    assert shown.options() == {"sites": ["Douala"], "first_day": "2026-01-02"}
    assert WarehouseFilter().options() == {}
