"""What a platform in order answers on each page, for the fake API of the dashboard's tests."""

from collections.abc import Callable
from typing import Any

from fake_api import THRESHOLD, VERSION, FakeApi
from streamlit.testing.v1 import AppTest

Open = Callable[[str], AppTest]
"""Opens a page by the name of its module; the fixture `opened` is one."""

AT = "2026-03-01T12:00:00Z"
READINGS = {"flow_rate": 480.5, "pressure": 5.0, "vibration": 9.0, "temperature": 95.0}


def locomotive(loco_id: str, risk: float, **changes: Any) -> dict[str, Any]:
    return {
        "loco_id": loco_id,
        "series": "simulated",
        "source": "simulator",
        "timestamp": AT,
        "age_seconds": 3.2,
        "state": "critical" if risk > THRESHOLD else "nominal",
        "readings": READINGS,
        "critical_risk": int(risk > THRESHOLD),
        "risk_probability": risk,
        "model_version": VERSION,
        "recent_risks": [0.1, risk],
        "alerts": [],
        **changes,
    }


def fleet(*locomotives: dict[str, Any]) -> dict[str, Any]:
    return {"at": AT, "trend_error": None, "locomotives": list(locomotives)}


def history(rows: int = 3) -> dict[str, Any]:
    row = {
        "source": "simulator",
        "timestamp": AT,
        "readings": READINGS,
        "critical_risk": 0,
        "risk_probability": 0.1,
        "model_version": VERSION,
    }
    return {
        "loco_id": "LOCO_002",
        "series": "simulated",
        "step": "raw",
        "from": AT,
        "to": AT,
        "truncated": False,
        "rows": [row] * rows,
    }


def alert(number: int = 7, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "series": "real",
        "loco_id": "LOCO_002",
        "cause": "vibration",
        "state": "new",
        "opened_at": AT,
        "closed_at": None,
        "closed_by": None,
        "source": "http",
        "readings": READINGS,
        "risk_probability": 0.81,
        "peak_probability": 0.93,
        "model_version": VERSION,
        "true_alarm": None,
        "actions": [],
        **changes,
    }


def alerts(*found: dict[str, Any], next_before: int | None = None) -> dict[str, Any]:
    return {"alerts": list(found), "next_before": next_before}


def job(**changes: Any) -> dict[str, Any]:
    return {
        "id": "20260301T120000Z-0123abcd",
        "kind": "etl",
        "state": "succeeded",
        "options": {},
        "started_by": "demo",
        "on_behalf_of": "A. Ngo",
        "started_at": AT,
        "ended_at": AT,
        "cancelled_by": None,
        "exit_code": 0,
        "error": None,
        "progress": None,
        "result": {"warnings": []},
        "log_tail": ["chargé"],
        **changes,
    }


def jobs(*found: dict[str, Any]) -> dict[str, Any]:
    names = [("etl", "operate"), ("etl-resubmit", "operate"), ("training", "admin")]
    kinds = [
        {
            "kind": name,
            "label": f"Travail {name}",
            "scope": scope,
            "sources": ["echantillon"] * (name == "etl"),
            "workbook_max_bytes": 5 * 2**20 if name == "etl-resubmit" else None,
        }
        for name, scope in names
    ]
    return {"jobs": list(found), "kinds": kinds}


SCOPE = {"sites": ["Douala", "Edéa"], "from": "2026-01-01", "to": "2026-01-30"}
KPIS = {
    "filters": {"sites": [], "from": "2026-01-15", "to": "2026-01-30"},
    "previous_period": {"sites": [], "from": "2025-12-30", "to": "2026-01-14"},
    "kpis": [
        {"name": "volume_t", "value": 129576.13, "previous": 120000.0},
        {"name": "transactions", "value": 2911, "previous": 2911},
        {"name": "mean_volume_t", "value": 44.51, "previous": None},
        {"name": "alerts", "value": 260, "previous": 300},
        {"name": "alert_rate", "value": 0.0893, "previous": 0.1},
        {"name": "error_rate", "value": 0.0725, "previous": 0.07},
        {"name": "machines", "value": 21, "previous": 21},
        {"name": "sites", "value": 6, "previous": 6},
        {"name": "days", "value": 30, "previous": 30},
    ],
}
VOLUMES = {
    "filters": SCOPE,
    "volumes": [
        {"day": "2026-01-15", "site": site, "volume_t": 10.5, "transactions": 3, "alerts": 1}
        for site in ("Douala", "Edéa")
    ],
}
MACHINES = {
    "filters": SCOPE,
    "machines": [
        {
            "machine": "MACH-019", "site": "Edéa", "transactions": 94, "errors": 13, "warnings": 22,
            "alerts": 32, "volume_t": 2068.2, "error_rate": 0.138,
        }
    ],
}  # fmt: skip
REJECTS = {"rejects": [{"rule": "VOLUME_MANQUANT", "open": 22, "in_last_run": 20}]}
RUNS = {
    "runs": [
        {
            "run_id": "r1", "started_at": AT, "duration_s": 0.146, "kind": "chargement",
            "read": 3019, "loaded": 2911, "inserted": 2911, "corrected": 0, "rejected": 93,
            "duplicates": 15, "volume_t": 129576.13,
        }
    ]
}  # fmt: skip
CARD = {
    "slot": "instant",
    "version": VERSION,
    "created_at": AT,
    "horizon_hours": 24.0,
    "threshold": THRESHOLD,
    "cost_miss": 10.0,
    "cost_false_alarm": 1.0,
    "features": [
        {"name": "vibration", "reference": {"edges": [1.4, 2.5], "shares": [0.5, 0.25, 0.25]}},
    ],
    "metrics": {
        "model": {"average_precision": 0.728, "recall": 0.825, "cost": 578.0},
        "never_fails": {"average_precision": 0.067, "recall": 0.0, "cost": 2230.0},
    },
    "held_out": {"rows": 3336, "positives": 223, "groups": 20, "split": "20 groupes sur 60"},
    "training_window": {"start": "2025-11-17T02:00:00Z", "end": "2025-12-15T08:00:00Z"},
}


def version(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "slot": "instant",
        "version": name,
        "promoted": False,
        "serving": False,
        "created_at": AT,
        "threshold": THRESHOLD,
        "metrics": {"average_precision": 0.7},
        "error": None,
        **changes,
    }


METRICS = b"""# TYPE api_drift_psi gauge
api_drift_psi{source="telemetry",variable="vibration"} 0.31
api_drift_psi{source="telemetry",variable="risk"} 0.02
# TYPE api_drift_readings gauge
api_drift_readings{source="telemetry"} 812.0
api_drift_readings{source="predict"} 0.0
# TYPE api_workers gauge
api_workers 2.0
"""


def in_order(api: FakeApi) -> None:
    """Give `api` the answers of a platform in order, to a key that may do everything."""
    api.answers |= {
        path: (200, body)
        for path, body in {
            "/health": {"status": "ok", "version": "3.0.0"},
            "/whoami": {"id": "demo", "scopes": ["predict", "ingest", "read", "operate", "admin"]},
            "/fleet": fleet(locomotive("LOCO_001", 0.02), locomotive("LOCO_002", 0.91)),
            "/fleet/LOCO_002/history": history(),
            "/alerts": alerts(alert()),
            "/jobs": jobs(job()),
            "/jobs/20260301T120000Z-0123abcd": job(),
            "/warehouse/filters": SCOPE,
            "/warehouse/kpis": KPIS,
            "/warehouse/volumes": VOLUMES,
            "/warehouse/machines": MACHINES,
            "/warehouse/rejects": REJECTS,
            "/warehouse/runs": RUNS,
            "/reports/rapport_supply_chain.xlsx": b"PK rapport",
            "/reports/rejets_a_corriger.xlsx": b"PK rejets",
            "/model": CARD,
            "/models": {
                "count": 2,
                "models": [
                    version(VERSION, promoted=True, serving=True), version("20260228T1-autre"),
                ],
            },
            "/metrics": METRICS,
        }.items()
    }  # fmt: skip
