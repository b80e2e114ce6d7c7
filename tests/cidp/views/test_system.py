import pytest
from api_samples import Open, job, jobs
from fake_api import FakeApi, readiness

from cidp.api_answers import Readiness
from cidp.views.system import health

NBSP = "\N{NO-BREAK SPACE}"


def test_each_part_says_whether_it_is_well() -> None:
    parts = health(Readiness.model_validate(readiness()))
    assert [well for well, _ in parts.values()] == [True] * 4
    assert parts["Source des données"][1] == (
        f"Simulateur local ; dernier événement il y a 3{NBSP}s"
    )
    ill = readiness(
        status="not_ready",
        model={"status": "missing", "version": None, "error": "rien à servir"},
        store={"status": "unavailable", "backend": "sqlite", "error": "verrouillée"},
        source={
            "mode": "none", "last_event_at": None, "last_event_age_seconds": None, "stale": True,
        },
    )  # fmt: skip
    parts = health(Readiness.model_validate(ill))
    assert not any(well for well, _ in parts.values())
    assert "rien à servir" in parts["Modèle"][1]
    assert "verrouillée" in parts["Base d’événements"][1]


def test_a_refused_trend_model_is_told() -> None:
    trend = {"status": "missing", "version": None, "error": "Modèle v2 refusé : illisible."}
    well, said = health(Readiness.model_validate(readiness(trend=trend)))["Modèle"]
    assert not well
    assert "tendance : Modèle v2 refusé" in said


def test_messages_that_wait_are_counted() -> None:
    feeds = [{"door": "kafka", "since": "2026-03-01T13:02:30Z", "reason": "", "lag": 1_200}]
    known = readiness()
    known["source"] |= {"mode": "kafka", "feeds": feeds}
    said = health(Readiness.model_validate(known))["Source des données"][1]
    assert said.endswith(f"; 1{NBSP}200 messages en attente")


def test_versions_jobs_and_links_are_shown(opened: Open, fake_api: FakeApi) -> None:
    screen = opened("system").run()
    said = "\n".join(text.value for text in screen.markdown)
    assert "**API** : 3.0.0" in said
    assert "**Processus qui répondent** : 2" in said
    assert f"**Adresse de l’API** : `{fake_api.url}`" in said  # as code: no link to its root
    table = screen.dataframe[0].value
    assert table["État"].tolist() == ["succès"]
    assert table["Travail"].tolist() == ["Travail etl"]
    assert table["Pour"].tolist() == ["A. Ngo"]
    links = [link.proto.url for link in screen.get("link_button")]
    assert links == [f"{fake_api.url}/{page}" for page in ("docs", "metrics", "ready")]


def test_the_account_in_the_address_of_the_api_is_not_shown(
    opened: Open, fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_URL", fake_api.url.replace("//", "//nom:secret@"))
    screen = opened("system").run()
    assert not screen.exception
    shown = [text.value for text in screen.markdown]
    shown += [link.proto.url for link in screen.get("link_button")]
    assert "secret" not in "\n".join(shown)
    assert f"{fake_api.url}/docs" in shown


def test_a_platform_that_ran_nothing_says_so(opened: Open, fake_api: FakeApi) -> None:
    fake_api.answers["/jobs"] = (200, jobs())
    screen = opened("system").run()
    assert "Aucun travail" in screen.caption[-1].value
    fake_api.answers["/jobs"] = (200, jobs(job(state="cancelled")))
    screen.run()
    assert screen.dataframe[0].value["État"].tolist() == ["arrêt"]


def test_why_a_job_failed_is_told_whole(opened: Open, fake_api: FakeApi) -> None:
    failed = job(state="failed", error="l'entrepôt est tenu " * 20 + "par un autre programme")
    fake_api.answers["/jobs"] = (200, jobs(failed, job()))
    screen = opened("system").run()
    (said,) = [text.value for text in screen.markdown if "Travail etl" in text.value]
    assert said == f"- **Travail etl, 01/03/2026 13:00:00** : {failed['error']}"
