"""`.env.example` names each variable that the program reads, and no other."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = re.compile(r"(API|CAMRAIL|DASHBOARD|DPA|PMD)_[A-Z_]+")


def variables(path: Path) -> set[str]:
    """Return the string constants of a module that look like variables of ours."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    words = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {word for word in words if OURS.fullmatch(word)}


def test_the_example_file_names_every_variable_that_is_read() -> None:
    sources = [
        path
        for service in ("dpa", "pmd", "cidp")
        for path in ROOT.glob(f"*/**/{service}/**/*.py")
        if ".venv" not in path.parts
    ]
    read = set().union(*(variables(path) for path in sources))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#([A-Z][A-Z0-9_]+)=", example, re.MULTILINE)) == read
