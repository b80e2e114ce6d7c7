"""One pinned version per package, the same in each requirements file."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [*sorted(ROOT.glob("*/requirements*.txt")), ROOT / "requirements.txt"]
CONSTRAINTS = ROOT / "constraints.txt"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([0-9][^\s;]*)(\s*;\s*sys_platform .*)?$")


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, str]:
    """Return {package: version} of the lines of `path` that name a package."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    wanted = [line for line in lines if line and not line.startswith(("#", "-r ", "-c "))]
    matches = [(line, PIN.match(line)) for line in wanted]
    assert [line for line, match in matches if match is None] == [], f"not pinned in {path.name}"
    return {normalised(match[1]): match[2] for _, match in matches if match}


def names(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [*FILES, CONSTRAINTS], ids=names)
def test_every_line_is_an_exact_version_without_a_python_marker(path: Path) -> None:
    assert pins(path)


def test_no_two_files_name_different_versions() -> None:
    seen: dict[str, set[str]] = {}
    for path in [*FILES, CONSTRAINTS]:
        for package, version in pins(path).items():
            seen.setdefault(package, set()).add(version)
    assert {package: sorted(v) for package, v in seen.items() if len(v) > 1} == {}


def test_constraints_repeat_no_direct_dependency() -> None:
    direct = set().union(*(pins(path) for path in FILES))
    assert direct & set(pins(CONSTRAINTS)) == set()


def included(path: Path) -> set[Path]:
    """Return `path` and the requirements files that it reaches by -r."""
    lines = path.read_text(encoding="utf-8").splitlines()
    below = [path.parent / line[3:].strip() for line in lines if line.startswith("-r ")]
    return {path.resolve()}.union(*(included(other) for other in below))


def test_the_root_file_reaches_every_service_file() -> None:
    assert included(ROOT / "requirements.txt") == {path.resolve() for path in FILES}


def test_the_api_image_needs_neither_streamlit_nor_a_trainer() -> None:
    api = ROOT / "Camrail-Industrial-Data-Platform/requirements-api.txt"
    assert included(api) == {api.resolve()}
    assert set(pins(api)) & {"streamlit", "scikit-learn", "skl2onnx", "pandas", "joblib"} == set()
