"""The conventions that a reader relies on: launchers, names, docstrings, secrets, paths."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    ).stdout.split("\0")
    if name and (ROOT / name).is_file()
]
PYTHON = [path for path in TRACKED if path.suffix == ".py"]
PACKAGES = [
    path
    for path in PYTHON
    if {"dpa", "pmd", "cidp"} & set(path.parts[:-1]) and not path.is_relative_to(ROOT / "tests")
]
PLATFORM = ROOT / "Camrail-Industrial-Data-Platform"
LAUNCHERS = [
    ROOT / "Data-Pipeline-Automation/src/main_pipeline.py",
    ROOT / "Predictive-Maintenance-Dashboard/src/data_generator.py",
    ROOT / "Predictive-Maintenance-Dashboard/src/data_processing.py",
    ROOT / "Predictive-Maintenance-Dashboard/src/model_training.py",
    PLATFORM / "bootstrap_local.py",
    PLATFORM / "run_platform.py",
    PLATFORM / "api/api.py",
    PLATFORM / "dashboard/app.py",
]
BESIDE_NO_PACKAGE = {
    PLATFORM / "api/api.py",
    PLATFORM / "dashboard/app.py",
    ROOT / "docs/bench/api_parts.py",
    ROOT / "exemples_excel_access/atelier.py",
}
DEMO_KEY = "entreprise_secret_key_2026"
BINARY = {".png", ".xlsx", ".xls", ".ods", ".mdb", ".accdb", ".csv"}
TEXT = [path for path in TRACKED if path.suffix not in BINARY and "architecture" not in path.parts]


def relative(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


@pytest.mark.parametrize("launcher", LAUNCHERS, ids=relative(LAUNCHERS))
def test_a_launcher_only_hands_over(launcher: Path) -> None:
    tree = ast.parse(launcher.read_text(encoding="utf-8"))
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    assert functions == []
    assert len(tree.body) <= 7


def test_only_what_has_no_package_beside_it_touches_the_import_path_once() -> None:
    counts = {path: path.read_text(encoding="utf-8").count("sys.path.") for path in PYTHON}
    touching = {path: n for path, n in counts.items() if n and "tests" not in path.parts}
    assert touching == dict.fromkeys(BESIDE_NO_PACKAGE, 1)


@pytest.mark.parametrize("path", PACKAGES, ids=relative(PACKAGES))
def test_a_module_says_in_one_sentence_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstring = ast.get_docstring(tree)
    if not tree.body:
        return  # an empty __init__.py
    assert docstring, "no docstring"
    first = docstring.split("\n\n")[0]
    assert first.endswith("."), first


def test_no_module_is_named_after_nothing() -> None:
    nothing = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "base"}
    assert [path for path in PYTHON if path.stem in nothing] == []


@pytest.mark.parametrize("path", PACKAGES, ids=relative(PACKAGES))
def test_no_package_prints(path: Path) -> None:
    calls = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"print", "pprint", "breakpoint"}
    ]
    assert calls == []


def test_packages_catch_only_what_they_can_act_upon() -> None:
    guilty = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in PACKAGES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
        )
    ]
    assert guilty == []


SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|AKIA[0-9A-Z]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{30,}"
    r"""|(?i:password|passwd|secret|token|api[_-]?key)["']?\s*[:=]\s*["'](?=[^"']*\d)[A-Za-z0-9+/_-]{20,}["']"""
)
MACHINE_PATH = re.compile(
    r"(?<![\w.])/(?:home|Users|root|work)/\w|[A-Za-z]:\\+Users\\|[A-Za-z]:\\+projets?\\"
)


@pytest.mark.parametrize("path", TEXT, ids=relative(TEXT))
def test_no_file_holds_a_secret_or_a_path_of_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace(DEMO_KEY, "")
    assert [match.group() for match in SECRET.finditer(text)] == []
    assert [match.group() for match in MACHINE_PATH.finditer(text)] == []


def test_the_demo_key_is_written_in_one_module_only() -> None:
    holders = [path for path in PACKAGES if DEMO_KEY in path.read_text(encoding="utf-8")]
    assert len(holders) <= 1, relative(holders)


def test_the_root_readme_shows_every_picture_and_no_absent_one() -> None:
    pictures = {path.name for path in TRACKED if path.parent == ROOT / "docs/screenshots"}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"docs/screenshots/([\w-]+\.png)", readme))
    assert shown == {name for name in pictures if name.endswith(".png")}
