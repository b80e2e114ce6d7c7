"""A child program's document is returned, or its failure is said with the end of its log."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from cidp.errors import ChildFailed, ChildTimedOut
from cidp.orchestration import EtlSummary, TrainingSummary, run_for_document

DOCUMENT: dict[str, Any] = {
    "status": "ok",
    "error": None,
    "run_id": "r1",
    "dwh": "sqlite:///dwh",
    "report": None,
    "rejects_workbook": None,
    "engine": "pandas",
    "read": 3,
    "loaded": 2,
    "rejected": 1,
    "duplicates": 0,
    "skipped": 0,
    "inserted": 2,
    "corrected": 0,
    "open_rejects": 1,
    "rejects_by_rule": {"date": 1},
    "warnings": [],
    "sources": [
        {"role": "machines", "path": "m.json", "sha256": "a" * 64, "rows": 20, "sheet": ""}
    ],
    "total_volume": 12.5,
    "duration_s": 0.1,
}


def program(tmp_path: Path, body: str) -> Path:
    script = tmp_path / "programme.py"
    script.write_text("import sys, time\n" + textwrap.dedent(body), encoding="utf-8")
    return script


def printing(tmp_path: Path, document: Any, code: int = 0) -> Path:
    text = json.dumps(document)
    return program(
        tmp_path, f"sys.stderr.write('étape 1\\nfin\\n'); print({text!r}); sys.exit({code})"
    )


def run(script: Path, lines: list[str] | None = None, **options: Any) -> EtlSummary:
    on_line = (lines if lines is not None else []).append
    return run_for_document(
        script, [], EtlSummary, options.pop("timeout_s", 60), on_line, **options
    )


def test_the_document_is_returned_and_the_log_is_passed_on(tmp_path: Path) -> None:
    lines: list[str] = []
    summary = run(printing(tmp_path, DOCUMENT), lines)
    assert (summary.read, summary.sources[0].rows) == (3, 20)
    assert lines == ["étape 1", "fin"]


def test_arguments_reach_the_program_as_they_are(tmp_path: Path) -> None:
    script = program(tmp_path, "sys.stderr.write(repr(sys.argv[1:])); print('{}')")
    lines: list[str] = []
    with pytest.raises(ChildFailed):
        run_for_document(script, ["a b", "é;$(x)"], TrainingSummary, 60, lines.append)
    assert lines == ["['a b', 'é;$(x)']"]


def test_a_failing_code_is_a_failure_even_with_a_good_document(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="code 3"):
        run(printing(tmp_path, DOCUMENT, code=3))


def test_a_load_with_warnings_is_a_success_under_its_own_code_only(tmp_path: Path) -> None:
    committed = DOCUMENT | {"status": "committed_with_warnings", "warnings": ["trop de rejets"]}
    assert run(printing(tmp_path, committed, code=3)).loaded == 2
    with pytest.raises(ChildFailed, match="code 0"):
        run(printing(tmp_path, committed))


def test_a_load_whose_outcome_is_unknown_is_no_success(tmp_path: Path) -> None:
    lost = DOCUMENT | {"status": "unknown", "error": "on ne sait pas si le lot r1 est chargé"}
    with pytest.raises(ChildFailed, match="on ne sait pas si le lot r1"):
        run(printing(tmp_path, lost, code=1))


def test_the_programs_own_error_is_the_reason(tmp_path: Path) -> None:
    failed = DOCUMENT | {"status": "error", "error": "erp.csv : colonnes absentes"}
    with pytest.raises(ChildFailed, match=r"erp\.csv : colonnes absentes"):
        run(printing(tmp_path, failed, code=1))


@pytest.mark.parametrize(
    "body",
    [
        "sys.stderr.write('la cause\\n'); sys.exit(1)",
        "sys.stderr.write('la cause\\n'); print('pas du JSON')",
        "sys.stderr.write('la cause\\n'); print('{\"status\": \"ok\"}')",
        "sys.stderr.buffer.write(b'la cause \\xff\\n'); raise SystemExit(2)",
    ],
)
def test_without_a_document_the_end_of_the_log_is_the_reason(tmp_path: Path, body: str) -> None:
    with pytest.raises(ChildFailed, match="la cause"):
        run(program(tmp_path, body))


def test_a_long_log_is_cut_to_its_end(tmp_path: Path) -> None:
    script = program(tmp_path, "[sys.stderr.write(f'ligne {n}\\n') for n in range(1000)]")
    with pytest.raises(ChildFailed) as caught:
        run(script)
    assert "ligne 999" in str(caught.value)
    assert "ligne 900" not in str(caught.value)


def test_a_silent_program_is_said_to_be_silent(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match=r"\(vide\)"):
        run(program(tmp_path, ""))


def test_a_program_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    script = program(tmp_path, "time.sleep(600)")
    with pytest.raises(ChildTimedOut, match=r"programme.py n'a pas fini en 0.2 s"):
        run(script, timeout_s=0.2)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="côte à côte"):
        run(tmp_path / "absent.py")


def test_an_interpreter_that_does_not_start_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    with pytest.raises(ChildFailed, match="ne démarre pas"):
        run(printing(tmp_path, DOCUMENT))
