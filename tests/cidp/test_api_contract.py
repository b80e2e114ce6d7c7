"""Generated requests are answered as the contract says; docs/bench/api_contract.py sends more."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from loguru import logger

from cidp.assembly import Parts
from cidp.http_api import app_of

contract_run = pytest.importorskip("contract_run", reason="Schemathesis is not installed")

SPEC: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "docs/openapi.yaml").read_text(encoding="utf-8")
)
# Generated requests still find answers of these that the contract does not foresee.
NOT_YET = {
    "GET /docs/{name}",
    "GET /fleet/{loco_id}/history",
    "GET /reports/rapport_supply_chain.xlsx",
    "GET /reports/rejets_a_corriger.xlsx",
    "GET /warehouse/alerts",
    "GET /warehouse/kpis",
    "GET /warehouse/machines",
    "GET /warehouse/volumes",
    "POST /alerts/{alert_id}/acknowledge",
    "POST /alerts/{alert_id}/close",
    "POST /alerts/{alert_id}/comment",
    "POST /alerts/{alert_id}/verdict",
    "POST /jobs",
}
TAKEN = {
    f"{method.upper()} {path}": {"requestBody", "parameters"} & (operation.keys() | item.keys())
    for path, item in SPEC["paths"].items()
    for method, operation in item.items()
    if method != "parameters" and path != "/openapi.json"  # where the contract itself is read
}
VARIED = [label for label, taken in TAKEN.items() if taken]
EACH = -(-2_000 // len(VARIED))


@pytest.mark.parametrize("operation", sorted(TAKEN.keys() - NOT_YET))
def test_an_operation_answers_as_its_contract_says(operation: str, parts: Parts) -> None:
    logger.disable("cidp")
    try:
        app = app_of(parts, contract_run.patient_clock())
        verdicts = contract_run.judge(app, "une-cle-pour-les-tests", EACH, only=operation)
    finally:
        logger.enable("cidp")
    assert verdicts.violations == {}
    assert verdicts.server_errors == 0
    assert verdicts.total >= (EACH if operation in VARIED else 1)
