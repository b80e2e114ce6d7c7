"""docs/exemples-api.md: what can run runs against a real server, the rest names real fields."""

import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from conformity import SPEC
from fenced import fenced_blocks
from loopback import free_port
from waiting import until

from cidp.auth import DEMO_KEY
from cidp.settings import SERVICE_FOLDER

PAGE = Path(__file__).parents[2] / "docs" / "exemples-api.md"
LOCAL = "http://127.0.0.1:5000"


@pytest.fixture
def api(tmp_path: Path, models: Path) -> Iterator[str]:
    """The address of a real server with a model, whose ETL is the real one."""
    port = free_port()
    kept = {"PATH", "SYSTEMROOT", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"}
    environ = {name: value for name, value in os.environ.items() if name in kept} | {
        "API_PORT": str(port),
        "CAMRAIL_MODELS_DIR": str(models),
        "CAMRAIL_EVENT_STORE": str(tmp_path / "events.sqlite"),
        "CAMRAIL_JOBS_DIR": str(tmp_path / "jobs"),
        "CAMRAIL_LOGS_DIR": str(tmp_path / "logs"),
        "DPA_DWH": str(tmp_path / "dwh.sqlite"),
        "DPA_REPORT": str(tmp_path / "rapport_supply_chain.xlsx"),
        "DPA_LOG_DIR": str(tmp_path / "logs"),
    }
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [sys.executable, str(SERVICE_FOLDER / "api" / "api.py")],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            until(lambda: server.poll() is not None or answers(f"{address}/ready"))
            assert server.poll() is None, "the server ended"
            yield address
        finally:
            server.terminate()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 200
    except (requests.ConnectionError, requests.Timeout):
        return False


def program(language: str) -> str:
    """Return every block of one language, as a reader who goes down the page has them."""
    return "\n".join(fenced_blocks(PAGE, language))


def run(api: str, folder: Path, language: str, name: str, *command: str) -> None:
    script = folder / name
    script.write_text(program(language).replace(LOCAL, api), encoding="utf-8")
    work = folder / language
    work.mkdir()
    done = subprocess.run(
        [*command, str(script)],
        cwd=work,
        env=os.environ | {"PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_python_examples_run(api: str, tmp_path: Path) -> None:
    run(api, tmp_path, "python", "exemples.py", sys.executable)


@pytest.mark.skipif(os.name == "nt", reason="the curl examples need a POSIX shell")
@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on the PATH")
def test_the_curl_examples_run(api: str, tmp_path: Path) -> None:
    run(api, tmp_path, "bash", "exemples.sh", "bash", "-euo", "pipefail")


@pytest.mark.node
@pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not on the PATH")
def test_the_javascript_examples_run(api: str, tmp_path: Path) -> None:
    run(api, tmp_path, "javascript", "exemples.mjs", "node")


def test_a_workbook_larger_than_any_other_body_reaches_the_server(api: str) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("xl/workbook.xml", bytes(3_000_000))
    answer = requests.post(
        f"{api}/jobs",
        headers={"X-API-KEY": DEMO_KEY},
        data={"kind": "etl-resubmit"},
        files={"workbook": ("rejets.xlsx", content.getvalue())},
        timeout=240,
    )
    assert answer.status_code == 202, answer.text


def paths_of(block: str) -> set[str]:
    """Return the paths that a PowerShell or Power Query block calls."""
    found = re.findall(r'\$api(/[^"?]*)|RelativePath = "([^"]+)"', block)
    return {re.sub(r"\$\([^)]*\)", "{job_id}", first) or f"/{second}" for first, second in found}


@pytest.mark.parametrize("language", ["powershell", "powerquery"])
def test_the_other_examples_call_paths_of_the_contract(language: str) -> None:
    called = set().union(*map(paths_of, fenced_blocks(PAGE, language)))
    assert called
    assert called - SPEC["paths"].keys() == set()


@pytest.mark.parametrize("language", ["powershell", "powerquery"])
def test_the_other_examples_send_the_fields_of_the_contract(language: str) -> None:
    block = next(block for block in fenced_blocks(PAGE, language) if "predict" in block)
    fields = SPEC["components"]["schemas"]["PredictRequest"]["required"]
    assert set(re.findall(r"\b(\w+) = [\"0-9]", block)) - {"RelativePath"} == set(fields)


def test_the_table_of_excel_has_the_columns_of_the_contract() -> None:
    block = next(b for b in fenced_blocks(PAGE, "powerquery") if "warehouse/volumes" in b)
    named = re.findall(r'"(\w+)"', block[block.index("FromRecords") : block.index("Volumes = ")])
    items = SPEC["components"]["schemas"]["Volumes"]["properties"]["volumes"]["items"]
    assert named == items["required"]


def test_every_task_of_the_page_is_shown_in_four_languages() -> None:
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        shown = set(re.findall(r"^```(\w+)", section, re.MULTILINE))
        assert {"bash", "python", "javascript", "powershell"} <= shown, section[:60]
