"""Generated requests are answered as the contract says; docs/bench/api_contract.py sends more."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from loguru import logger
from warehouses import seeded

from cidp.assembly import assemble
from cidp.auth import ApiKey
from cidp.http_api import ScoringApi, app_of
from cidp.registry import Registry
from cidp.settings import EtlSettings, JobSettings, ModelSettings, Settings, StoreSettings

contract_run = pytest.importorskip("contract_run", reason="Schemathesis is not installed")

KEY = "une-cle-pour-les-tests"
SPEC: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "docs/openapi.yaml").read_text(encoding="utf-8")
)
VARIED = contract_run.operations(SPEC)
EACH = -(-2_000 // sum(VARIED.values()))


@pytest.fixture(scope="module")
def app(bundles: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringApi]:
    """An API with everything in a folder of its own: models, a loaded warehouse, its reports."""
    folder = tmp_path_factory.mktemp("contrat")
    for bundle in bundles:
        shutil.copytree(bundle, folder / "models" / "instant" / bundle.name)
    Registry(folder / "models").promote(bundles[0].name)
    warehouse = seeded(folder, str(folder / "dwh.sqlite"))
    settings = Settings(
        model=ModelSettings(folder=folder / "models"),
        store=StoreSettings(url=str(folder / "events.sqlite")),
        etl=EtlSettings(dwh=warehouse.dwh, report=warehouse.whole),
        jobs=JobSettings(folder=folder / "jobs"),
        keys=(ApiKey.of("tests", KEY),),
    )
    assembled = assemble(settings)
    yield app_of(assembled, contract_run.patient_clock())
    assembled.model.stop()
    assembled.store.close()


@pytest.mark.parametrize("operation", sorted(VARIED))
def test_an_operation_answers_as_its_contract_says(operation: str, app: ScoringApi) -> None:
    logger.disable("cidp")
    try:
        known = contract_run.send_readings(app, KEY)
        count = EACH if VARIED[operation] else 1
        verdict = contract_run.judge(app, KEY, count, known, operation)
    finally:
        logger.enable("cidp")
    assert "\n".join(verdict.violations.values()) == ""
    assert verdict.server_errors == 0
    assert verdict.requests >= count
