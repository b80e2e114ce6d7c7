import pytest
from api_samples import CARD, METRICS, Open, job, jobs, version
from fake_api import VERSION, FakeApi, Request

from cidp.api_answers import ModelCard, Promotion
from cidp.views.model import compared, promotion_said, why_the_forest

NBSP = "\N{NO-BREAK SPACE}"


def sent(api: FakeApi, path: str) -> list[Request]:
    return [request for request in api.received if request.path == path and request.body]


def test_the_card_and_the_rules_beside_it_are_written_in_french(opened: Open) -> None:
    screen = opened("model").run()
    said = "\n".join(text.value for text in screen.markdown).replace(NBSP, " ")
    assert "**Version** : 20260301T120001Z-ab12cd34" in said
    assert "du 17/11/2025 au 15/12/2025" in said
    assert "3 336 lectures jamais vues" in said
    rows = compared(ModelCard.model_validate(CARD).metrics)
    assert rows[0] == {
        "Mesure": "Précision moyenne", "Ce modèle": "0,728", "« Jamais de panne »": "0,067",
    }  # fmt: skip


def test_where_another_rule_ranks_better_the_page_says_why_the_forest_serves(
    opened: Open, fake_api: FakeApi
) -> None:
    ranks = {"model": {"average_precision": 0.728}, "never_fails": {"average_precision": 0.067}}
    assert why_the_forest(ranks) == ""
    better = ranks | {"logistic_regression": {"average_precision": 0.786}}
    fake_api.answers["/model"] = (200, CARD | {"metrics": better})
    screen = opened("model").run()
    (said,) = [c.value for c in screen.caption if "sert pourtant" in c.value]
    assert "(0,728 de précision moyenne) : régression logistique 0,786." in said
    assert "monotone par construction" in said


def test_curves_and_drift_are_drawn(opened: Open, fake_api: FakeApi) -> None:
    screen = opened("model").run()
    assert len(screen.get("vega_lite_chart")) == 5
    said = "\n".join(caption.value for caption in screen.caption)
    assert "une lecture par locomotive et heure : 812 lectures, comparées à l’entraînement" in said
    assert "/predict dans l’heure : pas encore mesurable. 0 lecture ; il en faut 500." in said
    assert "débit d’huile 500, pression 5, vibrations 2, température 45" in said


def test_drift_of_a_store_that_is_away_is_not_told_as_no_reading(
    opened: Open, fake_api: FakeApi
) -> None:
    kept = [line for line in METRICS.splitlines(True) if b'source="telemetry"' not in line]
    fake_api.answers["/metrics"] = (200, b"".join(kept))
    said = "\n".join(caption.value for caption in opened("model").run().caption)
    assert "et heure : pas encore lue, ou la base d’événements ne répond pas." in said
    assert "/predict dans l’heure : pas encore mesurable. 0 lecture" in said


def test_a_training_is_started_with_its_choices(opened: Open, fake_api: FakeApi) -> None:
    screen = opened("model").run()
    screen.number_input(key="trials").set_value(3).run()
    screen.button(key="train").click().run()
    assert sent(fake_api, "/jobs")[0].body == {
        "kind": "training", "options": {"trials": 3, "seed": 42}, "on_behalf_of": None,
    }  # fmt: skip


def test_a_training_may_learn_from_what_was_recorded(opened: Open, fake_api: FakeApi) -> None:
    screen = opened("model").run()
    screen.selectbox(key="lesson").set_value("recueillies, avec les ordres de travail").run()
    screen.button(key="train").click().run()
    assert sent(fake_api, "/jobs")[0].body == {
        "kind": "retraining", "options": {"trials": 1, "seed": 42}, "on_behalf_of": None,
    }  # fmt: skip


def test_what_became_of_each_model_is_told(opened: Open, fake_api: FakeApi) -> None:
    done = job(kind="retraining")
    models = [
        {"slot": "instant", "version": VERSION, "promoted": True, "why": "meilleur"},
        {"slot": "trend", "version": VERSION, "promoted": False, "why": "coût 9 contre 8"},
    ]
    result = {"status": "ok", "source": "bootstrap", "fell_back": True, "models": models}
    fake_api.answers |= {
        "/jobs": (200, jobs(done)), f"/jobs/{done['id']}": (200, done | {"result": result}),
    }  # fmt: skip
    screen = opened("model").run()
    said = "\n".join(caption.value for caption in screen.caption)
    assert " promu ; meilleur." in said
    assert "gardé au registre, non promu ; coût 9 contre 8." in said
    assert "ne répondait pas" in "\n".join(warning.value for warning in screen.warning)


def test_only_one_training_at_a_time(opened: Open, fake_api: FakeApi) -> None:
    training = job(kind="training", state="running", ended_at=None)
    fake_api.answers |= {
        "/jobs": (200, jobs(training)), f"/jobs/{training['id']}": (200, training),
    }  # fmt: skip
    screen = opened("model").run()
    assert screen.button(key="train").disabled


def test_a_promotion_asks_to_be_sure(opened: Open, fake_api: FakeApi) -> None:
    promoted = {"slot": "instant", "promoted": "20260228T1-autre", "previous": VERSION}
    path = "/models/20260228T1-autre/promote"
    fake_api.answers[path] = (200, promoted | {"serving": "20260228T1-autre"})
    screen = opened("model").run()
    assert screen.button(key="promote").disabled
    screen.checkbox(key="promote_sure").check().run()
    screen.text_input(key="person").set_value("Aïcha Ngo")
    screen.button(key="promote").click().run()
    assert "20260228T1-autre en service" in screen.success[0].value
    assert [r.person for r in fake_api.received if r.path == path] == ["Aïcha Ngo"]
    assert screen.button(key="promote").disabled


def test_the_slot_is_named_and_another_choice_must_be_made_sure_of_again(
    opened: Open, fake_api: FakeApi
) -> None:
    listed = [version("20260228T1-autre"), version("20260228T2-suite", slot="trend")]
    fake_api.answers["/models"] = (200, {"count": 2, "models": listed})
    screen = opened("model").run()
    assert screen.checkbox(key="promote_sure").label.startswith("Je remplace le modèle instantané")
    screen.checkbox(key="promote_sure").check().run()
    screen.selectbox(key="promoted_version").set_value("20260228T2-suite").run()
    assert screen.checkbox(key="promote_sure").label.startswith("Je remplace le modèle de tendance")
    assert screen.button(key="promote").disabled


@pytest.mark.parametrize(
    ("slot", "serving", "said"),
    [
        ("instant", "neuf", "Version neuf en service."),
        ("instant", "vieux", "mais vieux répond encore"),
        ("instant", None, "mais aucun modèle ne répond"),
        ("trend", None, "Celui qui répond n’a pas changé"),
    ],
)
def test_a_promotion_says_which_version_answers(slot: str, serving: str | None, said: str) -> None:
    body = {"slot": slot, "promoted": "neuf", "previous": "vieux", "serving": serving}
    assert said in promotion_said(Promotion.model_validate(body))


def test_a_refused_version_is_told_with_its_reason(opened: Open, fake_api: FakeApi) -> None:
    refusal = {"error": "Conflict", "message": "Empreinte différente."}
    fake_api.answers["/models/20260228T1-autre/promote"] = (409, refusal)
    screen = opened("model").run()
    screen.checkbox(key="promote_sure").check().run()
    screen.button(key="promote").click().run()
    assert "Empreinte différente." in screen.warning[0].value


def test_a_broken_version_is_not_offered(opened: Open, fake_api: FakeApi) -> None:
    broken = version("20260227T1-cassee", error="manifeste illisible")
    fake_api.answers["/models"] = (200, {"count": 1, "models": [broken]})
    screen = opened("model").run()
    assert "promote" not in [button.key for button in screen.button]
    assert screen.dataframe[1].value["État"].tolist() == ["inutilisable"]


def test_what_serves_is_told_so_though_its_files_are_damaged(
    opened: Open, fake_api: FakeApi
) -> None:
    damaged = version("20260227T1-abimee", error="model.pkl illisible", serving=True)
    fake_api.answers["/models"] = (200, {"count": 1, "models": [damaged]})
    screen = opened("model").run()
    assert screen.dataframe[1].value["État"][0] == "en service"
    assert "- **20260227T1-abimee** : model.pkl illisible" in [m.value for m in screen.markdown]


def test_without_a_model_versions_remain(opened: Open, fake_api: FakeApi) -> None:
    fake_api.answers["/model"] = (503, {"error": "No Model", "message": "rien à servir"})
    screen = opened("model").run()
    assert "Aucun modèle en service" in screen.warning[0].value
    assert len(screen.dataframe) == 1
    assert not screen.button(key="train").disabled
