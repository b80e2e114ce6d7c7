"""The continuity files name tests that exist, one at least for each threat of the ETL's."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(ROOT.glob("*/DOSSIER_SECURITE_CONTINUITE_PCR.md"))
ETL = ROOT / "Data-Pipeline-Automation" / "DOSSIER_SECURITE_CONTINUITE_PCR.md"


def functions_by_file() -> dict[str, set[str]]:
    """Give the names of the test functions of each test file."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        found.setdefault(path.name, set()).update(names)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_every_test_that_a_continuity_file_names_exists(path: Path) -> None:
    text, known = path.read_text(encoding="utf-8"), functions_by_file()
    files = set(re.findall(r"\btest_\w+\.py\b", text))
    assert files - known.keys() == set()
    anywhere = set().union(*known.values())
    assert set(re.findall(r"\btest_\w+\b(?!\.py)", text)) - anywhere == set()
    pairs = re.findall(r"\b(test_\w+\.py)::(test_\w+)", text)
    assert [pair for pair in pairs if pair[1] not in known[pair[0]]] == []


def test_every_threat_of_the_etl_names_its_test() -> None:
    text = ETL.read_text(encoding="utf-8")
    tables = re.findall(r"^\|[^\n]*\| test \|\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 30
    assert [row for row in rows if "::test_" not in row] == []
