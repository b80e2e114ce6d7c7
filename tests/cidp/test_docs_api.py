"""The contract and its page are served whole, with nothing from elsewhere."""

import re
from pathlib import Path

import pytest
import yaml
from flask.testing import FlaskClient

from cidp import docs_api

PATH = Path(__file__).parents[2] / "docs/openapi.yaml"


def test_the_served_contract_is_the_document(client: FlaskClient) -> None:
    answer = client.get("/openapi.json")
    assert answer.mimetype == "application/json"
    assert answer.json == yaml.safe_load(PATH.read_text(encoding="utf-8"))


def test_an_installation_without_the_document_says_so(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    docs_api.contract.cache_clear()
    monkeypatch.setattr(docs_api, "service_path", lambda _: tmp_path / "absent.yaml")
    answer = client.get("/openapi.json")
    assert answer.status_code == 404
    assert "docs/openapi.yaml" in answer.text


def test_the_page_and_all_that_it_loads_are_served(client: FlaskClient) -> None:
    page = client.get("/docs")
    assert page.mimetype == "text/html"
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 5
    for address in loaded:
        answer = client.get(f"/{address}")
        assert answer.status_code == 200
        assert len(answer.data) > 100
    assert "http" not in re.sub(r"https?-equiv", "", page.text)


def test_the_root_leads_to_the_page(client: FlaskClient) -> None:
    answer = client.get("/", follow_redirects=True)
    assert (answer.request.path, answer.mimetype) == ("/docs", "text/html")


def test_the_page_may_load_nothing_from_elsewhere(client: FlaskClient) -> None:
    policy = client.get("/docs").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy


@pytest.mark.parametrize("name", ["nothing.js", "..%2f__init__.py", "LICENSE", "%00"])
def test_no_other_file_is_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/docs/{name}").status_code == 404
