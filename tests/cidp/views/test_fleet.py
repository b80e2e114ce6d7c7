import re
from typing import Any

import pytest
import streamlit as st
from api_samples import Open, fleet, history, locomotive
from fake_api import FakeApi

from cidp.api_answers import Fleet, History
from cidp.views.fleet import (
    by_risk,
    history_frame,
    reading_chart,
    risk_chart,
    rows,
    series_counted,
    written,
)
from cidp.views.gauges import GAUGES

NBSP = "\N{NO-BREAK SPACE}"


def test_the_riskiest_come_first_though_silent_and_the_calm_silent_last() -> None:
    found = Fleet.model_validate(
        fleet(
            locomotive("A", 0.1),
            locomotive("B", 0.9),
            locomotive("C", 0.99, state="silent", age_seconds=400),
            locomotive("D", 0.9, series="real"),
            locomotive("E", 0.3, state="silent", age_seconds=400),
        )
    )
    assert [loco.loco_id for loco in by_risk(found)] == ["C", "B", "D", "A", "E"]
    table = rows(by_risk(found))
    states = ["✕ Muette (DANGER)", "⬤ DANGER", "⬤ DANGER", "◯ Nominale", "✕ Muette"]
    assert list(table["État"]) == states
    assert list(table["Série"]) == ["Simulée", "Simulée", "Réelle", "Simulée", "Simulée"]
    assert table["Dernière lecture"].iloc[-1] == f"il y a 6{NBSP}min"
    assert list(table["Récent"].iloc[1]) == [0.1, 0.9]


def test_an_open_alert_comes_first_though_its_locomotive_is_silent() -> None:
    alert = {"id": 3, "cause": "vibration", "state": "new"}
    silent = locomotive("C", 0.4, state="silent", age_seconds=400, alerts=[alert])
    found = Fleet.model_validate(fleet(locomotive("A", 0.5), silent))
    assert [loco.loco_id for loco in by_risk(found)] == ["C", "A"]


def test_the_table_counts_what_is_in_danger(opened: Open, fake_api: FakeApi) -> None:
    alert = {"id": 3, "cause": "vibration", "state": "new"}
    found = fleet(locomotive("A", 0.1), locomotive("B", 0.9, alerts=[alert]))
    fake_api.answers["/fleet"] = (200, found)
    screen = opened("fleet").run()
    assert {metric.label: metric.value for metric in screen.metric} == {
        "Locomotives": "2",
        "En danger": "1",
        "Muettes": "0",
        "Alertes ouvertes": "1",
    }
    table = screen.dataframe[0].value
    assert list(table["Locomotive"]) == ["B", "A"]
    assert list(table["Alertes ouvertes"]) == ["Vibrations", ""]


def test_a_locomotive_that_fell_silent_in_danger_still_counts(
    opened: Open, fake_api: FakeApi
) -> None:
    silent = {"state": "silent", "age_seconds": 400}
    found = fleet(locomotive("A", 0.84, **silent), locomotive("B", 0.1, **silent))
    fake_api.answers["/fleet"] = (200, found)
    screen = opened("fleet").run()
    assert [metric.value for metric in screen.metric] == ["2", "1", "2", "0"]
    assert list(screen.dataframe[0].value["État"]) == ["✕ Muette (DANGER)", "✕ Muette"]


def test_a_locomotive_with_two_series_counts_once(opened: Open, fake_api: FakeApi) -> None:
    found = fleet(
        locomotive("A", 0.9),
        locomotive("A", 0.9, series="real"),
        locomotive("B", 0.1),
        locomotive("B", 0.1, series="real", state="silent", age_seconds=400),
        locomotive("C", 0.1, state="silent", age_seconds=400),
    )
    fake_api.answers["/fleet"] = (200, found)
    screen = opened("fleet").run()
    assert [metric.value for metric in screen.metric] == ["3", "1", "2", "0"]
    assert len(screen.dataframe[0].value) == 5
    said = "\n".join(caption.value for caption in screen.caption).replace(NBSP, " ")
    assert "2 locomotives réelles (1 en danger) et 3 locomotives simulées (1 en danger)" in said
    assert "celle qui est dans les deux compte une fois" in said


@pytest.mark.parametrize(("series", "said"), [("real", "réelle"), ("simulated", "simulée")])
def test_the_only_series_that_is_counted_is_named(series: str, said: str) -> None:
    found = Fleet.model_validate(fleet(locomotive("A", 0.9, series=series)))
    assert series_counted(found.locomotives) == f"Série {said} seulement."


def test_each_column_has_its_decimals_in_french() -> None:
    found = Fleet.model_validate(fleet(locomotive("A", 0.02), locomotive("B", 0.025)))
    shown = written(rows(found.locomotives)).to_html().replace(NBSP, " ")
    for said in ("2,0 %", "2,5 %", "480,5", "5,0", "95,0"):
        assert f">{said}</td>" in shown


def test_the_trend_is_a_column_where_a_model_tells_it(opened: Open, fake_api: FakeApi) -> None:
    trend = {"critical_risk": 1, "risk_probability": 0.342, "model_version": "v1"}
    found = fleet(locomotive("A", 0.02) | {"trend": trend}, locomotive("B", 0.01))
    table = rows(Fleet.model_validate(found).locomotives)
    assert list(table["État"]) == ["◯ Nominale ↗", "◯ Nominale"]
    shown = written(table).to_html().replace(NBSP, " ")
    assert ">34,2 %</td>" in shown
    assert ">–</td>" in shown
    fake_api.answers["/fleet"] = (200, found)
    assert "une panne qui vient" in opened("fleet").run().caption[-2].value
    fake_api.answers["/fleet"] = (200, fleet(locomotive("A", 0.02)))
    screen = opened("fleet").run()
    assert "Tendance" not in screen.dataframe[0].value
    assert "tendance" not in screen.caption[-2].value


def test_a_refused_trend_model_is_told_below_the_table(opened: Open, fake_api: FakeApi) -> None:
    error = "Modèle v2 refusé : model.onnx illisible."
    fake_api.answers["/fleet"] = (200, fleet(locomotive("A", 0.02)) | {"trend_error": error})
    shown = "\n".join(text.value for text in opened("fleet").run().caption)
    assert "Le modèle de tendance promu ne sert pas ; le dernier bon, s’il y en a un," in shown
    assert "Modèle v2 refusé : model.onnx illisible. Promouvez-en" in shown


def test_an_empty_fleet_says_how_to_fill_it(opened: Open, fake_api: FakeApi) -> None:
    fake_api.answers["/fleet"] = (200, fleet())
    screen = opened("fleet").run()
    assert "Démarrez le simulateur" in screen.info[0].value


def test_the_address_opens_the_history_of_a_locomotive(opened: Open, fake_api: FakeApi) -> None:
    screen = opened("fleet")
    screen.query_params["loco"] = "LOCO_002"
    screen.run()
    assert not screen.exception
    assert screen.subheader[0].value == r"Historique de LOCO_002"
    assert len(screen.get("vega_lite_chart")) == 5
    assert "3 lectures, jusqu’à 13:00:00" in screen.caption[-1].value
    asked = [r for r in fake_api.received if r.path == "/fleet/LOCO_002/history"]
    assert "series=simulated" in asked[-1].query

    screen.button(key="fleet_close").click().run()
    assert not screen.subheader


def test_a_locomotive_without_history_is_told_apart(opened: Open, fake_api: FakeApi) -> None:
    said = {"error": "Not Found", "message": "Cette locomotive n'a encore rien envoyé."}
    fake_api.answers["/fleet/LOCO_002/history"] = (404, said)
    screen = opened("fleet")
    screen.query_params["loco"] = "LOCO_002"
    screen.run()
    assert "n'a encore rien envoyé" in screen.warning[0].value
    assert len(screen.dataframe) == 1


def test_the_address_alone_opens_the_series_that_exists(opened: Open, fake_api: FakeApi) -> None:
    fake_api.answers["/fleet"] = (200, fleet(locomotive("LOCO_002", 0.9, series="real")))
    screen = opened("fleet")
    screen.query_params["loco"] = "LOCO_002"
    screen.run()
    asked = [r.query for r in fake_api.received if r.path == "/fleet/LOCO_002/history"]
    assert "series=real" in asked[-1]


@pytest.mark.parametrize(("real_s", "series"), [(400.0, "simulated"), (1.0, "real")])
def test_of_two_series_the_address_alone_opens_the_one_that_lives(
    opened: Open, fake_api: FakeApi, real_s: float, series: str
) -> None:
    real = locomotive("LOCO_002", 0.9, series="real", age_seconds=real_s)
    fake_api.answers["/fleet"] = (200, fleet(real, locomotive("LOCO_002", 0.1)))
    screen = opened("fleet")
    screen.query_params["loco"] = "LOCO_002"
    screen.run()
    asked = [r.query for r in fake_api.received if r.path == "/fleet/LOCO_002/history"]
    assert f"series={series}" in asked[-1]
    names = {"real": "Réelle", "simulated": "Simulée"}
    assert screen.query_params["serie"] in ([names[series]], names[series])


def test_the_address_names_the_series(opened: Open, fake_api: FakeApi) -> None:
    fake_api.answers["/fleet"] = (200, fleet(locomotive("LOCO_002", 0.9, series="real")))
    screen = opened("fleet")
    screen.query_params |= {"loco": "LOCO_002", "serie": "Simulée"}
    screen.run()
    asked = [r.query for r in fake_api.received if r.path == "/fleet/LOCO_002/history"]
    assert "series=simulated" in asked[-1]


def test_without_a_model_the_history_remains(opened: Open, fake_api: FakeApi) -> None:
    fake_api.answers["/model"] = (503, {"error": "No Model", "message": "rien à servir"})
    fake_api.answers["/fleet/LOCO_002/history"] = (200, history(1))
    screen = opened("fleet")
    screen.query_params["loco"] = "LOCO_002"
    screen.run()
    assert len(screen.get("vega_lite_chart")) == 5
    said = screen.caption[-1].value.replace(NBSP, " ")
    assert said.startswith("1 lecture, jusqu’à")
    assert said.endswith("Sans modèle en service, ni seuil ni plage habituelle.")


@pytest.mark.parametrize(("live", "every_s"), [(True, 2.0), (False, None)])
def test_a_pause_stops_the_renewal(
    opened: Open, monkeypatch: pytest.MonkeyPatch, live: bool, every_s: float | None
) -> None:
    opened("fleet").run()  # the strip is decorated at its import, not by what follows
    asked = []
    fragment = st.fragment

    def noted(draw: Any, *, run_every: float | None = None) -> Any:
        asked.append(run_every)
        return fragment(draw, run_every=run_every)

    monkeypatch.setattr(st, "fragment", noted)
    screen = opened("fleet")
    screen.query_params["loco"] = "LOCO_002"
    screen.session_state["fleet_live"] = live
    screen.run()
    assert not screen.exception
    assert asked == [every_s, every_s]
    assert len(screen.warning) == (not live)


def test_a_pause_is_told_with_its_time_until_it_ends(opened: Open) -> None:
    screen = opened("fleet").run()
    screen.toggle(key="fleet_live").set_value(False).run()
    told = screen.warning[0].value
    assert re.search(r"EN PAUSE depuis \d\d:\d\d:\d\d\*\*", told)
    screen.run()
    assert screen.warning[0].value == told
    screen.toggle(key="fleet_live").set_value(True).run()
    assert not screen.warning


def test_the_address_follows_what_is_shown_whatever_it_was(opened: Open) -> None:
    screen = opened("fleet")
    screen.session_state["loco"] = "LOCO_002"
    screen.session_state["fleet_chosen_series"] = "Simulée"
    screen.query_params |= {"loco": "LOCO_001", "serie": "Réelle"}
    screen.run()
    assert screen.subheader[0].value == "Historique de LOCO_002"
    address = {name: screen.query_params[name] for name in ("loco", "serie")}
    assert address in (
        {"loco": "LOCO_002", "serie": "Simulée"},
        {"loco": ["LOCO_002"], "serie": ["Simulée"]},
    )


def test_charts_carry_thresholds_units_and_french_numbers() -> None:
    frame = history_frame(History.model_validate(history()))
    assert str(frame["t"].iloc[0]) == "2026-03-01 13:00:00"
    risk = risk_chart(frame, 0.42).to_dict()
    assert risk["config"]["locale"]["number"]["decimal"] == ","
    assert risk["layer"][1]["encoding"]["y"] == {"datum": 0.42}
    vibration = reading_chart(frame, GAUGES[2], [1.4, 2.5]).to_dict()
    assert "datum" not in str(risk_chart(frame, None).to_dict())
    assert vibration["title"] == "Vibrations (mm/s)"
    assert vibration["layer"][0]["encoding"] == {"y": {"datum": 1.4}, "y2": {"datum": 2.5}}
