"""Wrong keys are slowed and never slow the right ones; each write and refusal leaves a line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from loguru import logger
from test_http_api import EVENT, KEY, READ_ONLY, READING, conforms

from cidp import keys
from cidp.assembly import Parts
from cidp.audit import AUDIT
from cidp.auth import ApiKey
from cidp.http_api import app_of
from cidp.key_sources import LOOK_EVERY_S, read_key_file
from cidp.settings import ApiSettings

WRONG = {"X-API-KEY": "une-fausse-cle"}
LIMITED = {"X-API-KEY": "une-cle-limitee"}
ALLOWED = 3


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(parts: Parts, clock: Clock) -> FlaskClient:
    limited = ApiKey.of("limitée", LIMITED["X-API-KEY"])
    settings = parts.settings.model_copy(
        update={
            "api": ApiSettings(wrong_keys_per_minute=ALLOWED),
            "keys": (
                *parts.settings.keys,
                limited.model_copy(update={"requests_per_minute": 2}),
            ),
        }
    )
    parts.model.refresh()
    return app_of(parts._replace(settings=settings), clock).test_client()


@pytest.fixture
def audited() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}", filter=lambda r: AUDIT in r["extra"])
    yield lines
    logger.remove(sink)


def statuses(
    client: FlaskClient, headers: dict[str, str], count: int, address: str = "192.0.2.7"
) -> list[int]:
    def one() -> int:
        answer = client.post(
            "/predict", json=READING, headers=headers, environ_base={"REMOTE_ADDR": address}
        )
        return conforms(answer, "/predict", "post").status_code

    return [one() for _ in range(count)]


@pytest.mark.parametrize("headers", [WRONG, {}])
def test_wrong_keys_are_throttled_by_address(
    client: FlaskClient, clock: Clock, headers: dict[str, str]
) -> None:
    assert statuses(client, headers, ALLOWED + 2) == [401] * ALLOWED + [429] * 2
    assert statuses(client, headers, 1, "192.0.2.8") == [401]
    refused = client.post("/predict", headers=headers, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert refused.headers["Retry-After"] == "20"
    assert "réessayez dans 20 s" in refused.get_json()["message"]
    clock.now_s += 20
    assert statuses(client, headers, 2) == [401, 429]


def test_a_right_key_is_never_slowed_by_wrong_ones_from_its_address(client: FlaskClient) -> None:
    statuses(client, WRONG, ALLOWED + 1)
    assert statuses(client, KEY, 100) == [200] * 100
    assert statuses(client, WRONG, 1) == [429]


def test_a_key_is_slowed_only_by_a_limit_of_its_own(client: FlaskClient, clock: Clock) -> None:
    assert statuses(client, LIMITED, 3) == [200, 200, 429]
    assert statuses(client, LIMITED, 1, "192.0.2.8") == [429]
    assert statuses(client, KEY, 3) == [200] * 3
    clock.now_s += 30
    assert statuses(client, LIMITED, 2) == [200, 429]


def test_each_refusal_leaves_a_line_that_names_its_reason(
    client: FlaskClient, audited: list[str]
) -> None:
    statuses(client, WRONG, 1)
    statuses(client, {}, 1)
    statuses(client, READ_ONLY, 1)
    assert [line.strip() for line in audited] == [
        "POST /predict 401 192.0.2.7 : clé inconnue",
        "POST /predict 401 192.0.2.7 : clé absente",
        "POST /predict 403 192.0.2.7 : clé lecture, droit predict manquant",
    ]


def test_a_flood_leaves_its_first_line_and_its_count(
    client: FlaskClient, clock: Clock, audited: list[str]
) -> None:
    statuses(client, WRONG, ALLOWED + 50)
    clock.now_s += 20
    statuses(client, WRONG, 1)
    assert [line.strip() for line in audited] == [
        *["POST /predict 401 192.0.2.7 : clé inconnue"] * ALLOWED,
        "POST /predict 429 192.0.2.7 : trop de clés refusées",
        "POST /predict 401 192.0.2.7 : clé inconnue (50 refus comptés avant)",
    ]


def test_a_key_at_its_limit_leaves_a_line_at_each_end(
    client: FlaskClient, clock: Clock, audited: list[str]
) -> None:
    statuses(client, LIMITED, 5)
    clock.now_s += 30
    statuses(client, LIMITED, 1)
    said = "POST /predict 429 192.0.2.7 : clé limitée, 2 requêtes par minute"
    assert [line.strip() for line in audited] == [said, f"{said}, fin (3 refus comptés avant)"]


def test_each_write_leaves_a_line_with_its_outcome(client: FlaskClient, audited: list[str]) -> None:
    client.post("/telemetry", json=[EVENT, EVENT | {"loco_id": "L2"}], headers=KEY)
    client.post("/telemetry", json=EVENT, headers=KEY)
    client.post("/telemetry", json=EVENT | {"vibration": "x"}, headers=KEY)
    client.post("/telemetry", data="x", headers=KEY)
    said = "POST /telemetry {} 127.0.0.1 : clé tests, {}"
    assert [line.strip() for line in audited] == [
        said.format(200, "enregistrés 2, doublons 0, conflits 0"),
        said.format(200, "enregistrés 0, doublons 1, conflits 0"),
        said.format(400, "rien de changé"),
        said.format(415, "rien de changé"),
    ]


def test_a_prediction_leaves_no_line(client: FlaskClient, audited: list[str]) -> None:
    statuses(client, KEY, 3)
    assert audited == []


@pytest.mark.parametrize("need_key", [False, True])
def test_metrics_ask_for_a_key_only_when_told_to(parts: Parts, need_key: bool) -> None:
    settings = parts.settings.model_copy(update={"api": ApiSettings(metrics_need_key=need_key)})
    client = app_of(parts._replace(settings=settings)).test_client()
    assert client.get("/metrics").status_code == (401 if need_key else 200)
    assert client.get("/metrics", headers=READ_ONLY).status_code == 200
    assert client.get("/health").status_code == 200


def test_a_key_made_and_revoked_by_the_command_counts_while_the_api_runs(
    parts: Parts,
    clock: Clock,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    audited: list[str],
) -> None:
    file = str(tmp_path / "keys.yaml")
    make = ["--scopes", "predict", "--file", file]
    keys.main(["make", "ancienne", *make])
    settings = parts.settings.model_copy(
        update={"keys_file": Path(file), "file_keys": read_key_file(Path(file))}
    )
    parts.model.refresh()
    client = app_of(parts._replace(settings=settings), clock).test_client()
    keys.main(["make", "nouvelle", *make])
    old, new = ({"X-API-KEY": text} for text in capsys.readouterr().out.split())
    assert [statuses(client, key, 1) for key in (old, new)] == [[200], [200]]
    keys.main(["revoke", "ancienne", "--file", file])
    clock.now_s += LOOK_EVERY_S
    assert [statuses(client, key, 1) for key in (old, new)] == [[401], [200]]
    assert "clé ancienne révoquée" in audited[0]
