from typing import Any

import pytest
from api_samples import KPIS, VOLUMES, Open, job, jobs
from fake_api import FakeApi, Request

from cidp.api_answers import Machines, Volumes
from cidp.french import figure
from cidp.views.logistics import machines_chart, volume_chart

NBSP = "\N{NO-BREAK SPACE}"
RUNNING = {
    "state": "running",
    "ended_at": None,
    "exit_code": None,
    "result": None,
    "progress": {"percent": 40.0, "text": "contrôle des lignes"},
}
JOB = "/jobs/20260301T120000Z-0123abcd"


def sent(api: FakeApi, path: str) -> list[Request]:
    return [request for request in api.received if request.path == path]


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "said"),
    [(129576.13, "t", 0, "129 576 t"), (0.0893, "%", 1, "8,9 %"), (2911, "", 0, "2 911")],
)
def test_figures_are_written_in_french(value: float, unit: str, decimals: int, said: str) -> None:
    assert figure(value, unit, decimals).replace(NBSP, " ") == said


def test_key_figures_stand_beside_the_period_before(opened: Open) -> None:
    screen = opened("logistics").run()
    shown = {m.label: (m.value.replace(NBSP, " "), m.delta) for m in screen.metric}
    assert shown["Volume"] == ("129 576 t", f"+9{NBSP}576{NBSP}t")
    assert shown["Alertes critiques"] == ("260", "-40")
    assert shown["Taux d’alerte"] == ("8,9 %", f"-1,1{NBSP}pts")
    assert shown["Transactions"] == ("2 911", "")
    assert any("comparé à la période du 30/12/2025" in c.value for c in screen.caption)
    assert len(screen.get("vega_lite_chart")) == 3


def test_filters_reach_the_figures_and_the_report(opened: Open, fake_api: FakeApi) -> None:
    fake_api.answers["/jobs"] = (200, jobs())
    screen = opened("logistics")
    screen.query_params["du"] = "2026-01-15"
    screen.run()
    screen.multiselect(key="sites").set_value(["Edéa"]).run()
    assert sent(fake_api, "/warehouse/kpis")[-1].query == "sites=Ed%C3%A9a&from=2026-01-15"

    fake_api.answers["/jobs"] = (202, job(**RUNNING))
    screen.button(key="run_etl").click()
    fake_api.received.clear()
    screen.run()
    (started,) = [request for request in sent(fake_api, "/jobs") if request.body]
    assert started.body == {
        "kind": "etl",
        "options": {"source": "echantillon", "sites": ["Edéa"], "first_day": "2026-01-15"},
        "on_behalf_of": None,
    }


def test_a_running_load_shows_its_progress_and_may_be_stopped(
    opened: Open, fake_api: FakeApi
) -> None:
    fake_api.answers |= {
        "/jobs": (200, jobs(job(**RUNNING))),
        JOB: (200, job(**RUNNING)),
        f"{JOB}/cancel": (202, job(**RUNNING)),
    }
    screen = opened("logistics").run()
    assert not screen.exception
    assert screen.button(key="run_etl").disabled
    (progress,) = screen.get("progress")
    assert "Travail etl (par A. Ngo, le 01/03/2026" in progress.proto.text
    assert "contrôle des lignes" in progress.proto.text
    screen.text_input(key="person").set_value("Aïcha Ngo").run()
    screen.button(key="cancel_20260301T120000Z-0123abcd").click().run()
    assert [request.person for request in sent(fake_api, f"{JOB}/cancel")] == ["Aïcha Ngo"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "failed", "error": "Fichier illisible."}, "échec**. Fichier illisible."),
        ({"state": "interrupted"}, "interruption par l’arrêt de l’API"),
        ({"result": {"warnings": ["trop de rejets"]}}, "trop de rejets"),
    ],
)
def test_how_the_last_load_ended_is_told(
    opened: Open, fake_api: FakeApi, changes: dict[str, Any], said: str
) -> None:
    fake_api.answers |= {"/jobs": (200, jobs(job(**changes))), JOB: (200, job(**changes))}
    screen = opened("logistics").run()
    assert said in screen.warning[0].value


def test_what_became_of_the_lines_of_a_load_is_told(opened: Open, fake_api: FakeApi) -> None:
    balance = {"read": 1003, "loaded": 1000, "rejected": 2, "duplicates": 1, "open_rejects": 5}
    rules = {"rejects_by_rule": {"VOLUME_MANQUANT": 2}}
    done = job(kind="etl-resubmit", result=balance | rules)
    fake_api.answers |= {"/jobs": (200, jobs(done)), JOB: (200, done)}
    screen = opened("logistics").run()
    said = screen.warning[0].value.replace(NBSP, " ")
    assert "1 003 lignes lues : 1 000 chargées, 2 à corriger, 1 en double" in said
    assert " (VOLUME_MANQUANT : 2). " in said
    assert "« Télécharger les rejets à corriger »" in said

    done = job(kind="etl-resubmit", result={"read": 1, "loaded": 1, "rejected": 0})
    fake_api.answers |= {"/jobs": (200, jobs(done)), JOB: (200, done)}
    screen = opened("logistics").run()
    assert not screen.warning
    assert "1 ligne lue : 1 chargée, 0 à corriger." in [text.value for text in screen.caption]


def test_a_file_that_is_no_workbook_is_said_as_such(opened: Open, fake_api: FakeApi) -> None:
    screen = opened("logistics").run()
    screen.file_uploader[0].upload("rejets.xlsx", b"texte", "application/octet-stream").run()
    detail = {"field": "workbook", "message": "ce fichier n'est pas un classeur .xlsx"}
    refusal = {"error": "Validation Error", "details": [detail]}
    fake_api.answers["/jobs"] = (400, refusal)
    screen.button(key="resubmit").click()
    screen.run()
    said = screen.warning[0].value
    assert "**Fichier** : ce fichier" in said
    assert "workbook" not in said
    assert "revient aussitôt" not in said


def test_a_load_that_cannot_start_is_said(opened: Open, fake_api: FakeApi) -> None:
    screen = opened("logistics").run()
    fake_api.answers["/jobs"] = (409, {"error": "Conflict", "message": "Un chargement tourne."})
    screen.button(key="run_etl").click().run()
    assert "Un chargement tourne." in screen.warning[0].value


def test_without_a_warehouse_the_etl_can_still_be_run(opened: Open, fake_api: FakeApi) -> None:
    body = {"error": "Service Unavailable", "message": "Il n'y a pas encore d'entrepôt."}
    for name in ("filters", "rejects", "runs"):
        fake_api.answers[f"/warehouse/{name}"] = (503, body)
    absent = {"error": "Not Found", "message": "Aucun rapport n'est encore écrit."}
    fake_api.answers["/reports/rapport_supply_chain.xlsx"] = (404, absent)
    screen = opened("logistics").run()
    assert "pas encore d'entrepôt" in screen.info[0].value
    assert any("Aucun rapport" in caption.value for caption in screen.caption)
    assert not screen.button(key="run_etl").disabled
    assert not screen.warning


def test_what_a_newer_api_adds_or_leaves_out_breaks_nothing(
    opened: Open, fake_api: FakeApi
) -> None:
    fake_api.answers["/warehouse/kpis"] = (200, KPIS | {"kpis": KPIS["kpis"][:5]})
    added = job(kind="etl-resubmit", on_behalf_of=None)
    fake_api.answers |= {"/jobs": (200, {"jobs": [added], "kinds": []}), JOB: (200, added)}
    screen = opened("logistics").run()
    assert not screen.exception
    assert len(screen.metric) == 5
    assert any("etl-resubmit (par demo" in caption.value for caption in screen.caption)
    assert screen.selectbox[-1].options == ["défaut"]
    assert not screen.file_uploader


def test_an_empty_period_is_said(opened: Open, fake_api: FakeApi) -> None:
    fake_api.answers["/warehouse/volumes"] = (200, VOLUMES | {"volumes": []})
    screen = opened("logistics").run()
    assert "Aucune transaction" in screen.info[0].value


def test_corrected_rejects_are_handed_back(opened: Open, fake_api: FakeApi) -> None:
    screen = opened("logistics").run()
    assert screen.button(key="resubmit").disabled
    (uploader,) = screen.file_uploader
    assert uploader.label == "Rendre le classeur corrigé (.xlsx, 5 Mio au plus)"
    uploader.upload("rejets.xlsx", b"PK corriges", "application/octet-stream").run()
    screen.button(key="resubmit").click().run()
    assert not screen.exception
    (sent_form,) = [r for r in sent(fake_api, "/jobs") if isinstance(r.body, bytes)]
    assert b'name="workbook"; filename="rejets.xlsx"' in sent_form.body
    assert b"PK corriges" in sent_form.body


def test_who_may_only_read_starts_nothing(opened: Open, fake_api: FakeApi) -> None:
    fake_api.answers["/whoami"] = (200, {"id": "lecture", "scopes": ["read"]})
    screen = opened("logistics").run()
    assert [button.key for button in screen.button] == []
    assert len(screen.get("download_button")) == 2
    assert any("rôle d’analyste" in caption.value for caption in screen.caption)


def test_who_may_only_read_stops_nothing(opened: Open, fake_api: FakeApi) -> None:
    fake_api.answers |= {
        "/whoami": (200, {"id": "lecture", "scopes": ["read"]}),
        "/jobs": (200, jobs(job(**RUNNING))),
        JOB: (200, job(**RUNNING)),
    }
    screen = opened("logistics").run()
    assert len(screen.get("progress")) == 1
    assert [button.key for button in screen.button] == []


def test_charts_name_what_they_show() -> None:
    volumes = volume_chart(Volumes.model_validate(VOLUMES)).to_dict()
    assert volumes["encoding"]["y"]["title"] == "Volume (t)"
    assert volumes["encoding"]["color"]["scale"]["domain"] == ["Douala", "Edéa"]
    machine = {"machine": "M", "site": "S", "transactions": 8, "errors": 1, "alerts": 0}
    found = Machines.model_validate({"machines": [machine | {"error_rate": 0.125}]})
    (rows,) = machines_chart(found).to_dict()["datasets"].values()
    assert rows[0]["said"] == f"12,5{NBSP}% (1 sur 8)"
