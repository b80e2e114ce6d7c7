"""`.env.example` names each variable that the program reads, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
READ = re.compile(
    r"""environ(?:\.get\(|\[)\s*["']([A-Z][A-Z0-9_]+)["']|["']([A-Z][A-Z0-9_]+)["'] in environ"""
)
SYSTEM = {"SYSTEMROOT"}


def test_the_example_file_names_every_variable_that_is_read() -> None:
    sources = [
        path
        for service in ("dpa", "pmd", "cidp")
        for path in ROOT.glob(f"*/**/{service}/**/*.py")
        if ".venv" not in path.parts
    ]
    read = {
        first or second
        for path in sources
        for first, second in READ.findall(path.read_text(encoding="utf-8"))
    }
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#([A-Z][A-Z0-9_]+)=", example, re.MULTILINE)) == read - SYSTEM
