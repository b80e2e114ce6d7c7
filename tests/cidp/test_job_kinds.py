"""The command of each kind is made of what the settings name and of checked choices."""

from pathlib import Path
from typing import Any

import pytest
from conformity import SPEC

from cidp.errors import RequestRefused
from cidp.job_kinds import KINDS, parse_options
from cidp.settings import EtlSettings, EtlSource, PmdSettings, Settings

SCHEMAS = SPEC["components"]["schemas"]
REQUESTS = {kind["properties"]["kind"]["const"]: kind for kind in SCHEMAS["JobRequest"]["oneOf"]}


def command(settings: Settings, name: str, options: dict[str, Any], folder: Path) -> list[str]:
    kind = KINDS[name]
    return kind.command(settings, parse_options(kind, options, settings), folder)


def test_the_first_source_is_the_one_of_a_request_that_names_none(tmp_path: Path) -> None:
    sources = {
        "nuit": EtlSource(
            erp=tmp_path / "erp.xlsx",
            sheet="Feuil1",
            machines="https://exemple.cm/machines",
            mapping=tmp_path / "sap.yaml",
        ),
        "autre": EtlSource(erp=tmp_path / "autre.csv"),
    }
    settings = Settings(etl=EtlSettings(folder=tmp_path, sources=sources))
    assert command(settings, "etl", {}, tmp_path) == [
        str(tmp_path / "src" / "main_pipeline.py"),
        "--json",
        "--progress=json",
        f"--erp={tmp_path / 'erp.xlsx'}",
        "--sheet=Feuil1",
        "--machines=https://exemple.cm/machines",
        f"--mapping={tmp_path / 'sap.yaml'}",
    ]


def test_without_sources_the_etl_has_its_own(tmp_path: Path) -> None:
    settings = Settings(etl=EtlSettings(folder=tmp_path, sources={}))
    assert command(settings, "etl", {}, tmp_path)[1:] == ["--json", "--progress=json"]
    with pytest.raises(RequestRefused, match="aucune"):
        command(settings, "etl", {"source": "x"}, tmp_path)


def test_a_training_writes_into_the_registry_and_promotes_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    for name in ("sensors.csv", "maintenance.csv"):
        (tmp_path / name).touch()
    pmd = PmdSettings(
        folder=tmp_path,
        sensors=tmp_path / "sensors.csv",
        maintenance=tmp_path / "maintenance.csv",
    )
    settings = settings.model_copy(update={"pmd": pmd})
    words = command(settings, "training", {"trials": 3}, tmp_path / "travail")
    assert words[0] == str(tmp_path / "src" / "model_training.py")
    assert words[words.index("--bundles") + 1] == str(settings.model.folder / "instant")
    assert words[words.index("--model-file") + 1] == str(tmp_path / "travail" / "model.joblib")
    assert "--trials=3" in words


def test_a_retraining_learns_from_the_store_of_the_settings(
    settings: Settings, tmp_path: Path
) -> None:
    words = command(settings, "retraining", {"trials": 3}, tmp_path)
    assert words[:4] == ["-m", "cidp.train", "--from=store", "--json"]
    assert words[4:] == ["--progress=json", "--trials=3", "--seed=42"]


def test_what_trains_never_runs_beside_another_training() -> None:
    training = {"bootstrap", "training", "retraining"}
    assert {name for name in KINDS if KINDS[name].slot == KINDS["training"].slot} == training


@pytest.mark.parametrize("name", [name for name in KINDS if not KINDS[name].takes_workbook])
def test_the_document_names_the_options_of_each_kind(name: str) -> None:
    schema = REQUESTS[name]["properties"]["options"]["$ref"].rsplit("/", 1)[1]
    known = SCHEMAS[schema].get("properties", {})
    declared = KINDS[name].options.__annotations__.keys()
    inherited = KINDS["etl-resubmit"].options.__annotations__.keys() if name == "etl" else set()
    assert set(known) == declared | inherited


def test_every_kind_is_documented() -> None:
    forms = {SCHEMAS["JobForm"]["properties"]["kind"]["const"]}
    assert REQUESTS.keys() | forms == KINDS.keys()
    assert set(SCHEMAS["JobSummary"]["properties"]["kind"]["enum"]) == KINDS.keys()
