"""Services never import each other, and pure modules import nothing that does I/O."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = {
    "dpa": ROOT / "Data-Pipeline-Automation",
    "pmd": ROOT / "Predictive-Maintenance-Dashboard",
    "cidp": ROOT / "Camrail-Industrial-Data-Platform",
}
PURE = {
    "dpa": {
        "cells",
        "columns",
        "csv_records",
        "dates",
        "quality",
        "rejects",
        "rules",
        "text_buffers",
        "transform",
        "validation",
        "volumes",
    },
    "pmd": {
        "calibration",
        "cells",
        "climate",
        "degradation",
        "drift_reference",
        "episodes",
        "evaluation",
        "features",
        "french",
        "forests",
        "labels",
        "lead_time",
        "leaks",
        "quality",
        "route",
        "scenario",
        "search",
        "sensor_faults",
        "sensors",
        "simulator",
        "split",
    },
    "cidp": {"alert_rules", "event_batch", "explanation", "fast_decoder", "scoring", "telemetry"},
}
FOR_PURE = {"errors", "pydantic_compat"}
COMPUTING = {
    "msgspec",
    "numpy",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "pydantic",
    "pydantic_core",
    "scipy",
    "sklearn",
}
INPUT_OUTPUT = {
    "http",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "urllib",
}


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the dotted name of everything that `path` imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "." * node.level + (node.module or "")
            else:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(service: str) -> list[Path]:
    return sorted(path for path in SERVICES[service].rglob("*.py") if ".venv" not in path.parts)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_no_other_service(service: str) -> None:
    others = set(SERVICES) - {service}
    files = sources(service)
    assert files, f"no source found for {service}"
    guilty = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imported_modules(path)
        if name.split(".")[0] in others
    ]
    assert guilty == []


def package_folder(service: str) -> Path:
    return next(folder for folder in SERVICES[service].rglob(service) if folder.is_dir())


def impurity(service: str, name: str) -> bool:
    """Tell whether a pure module of `service` may not import `name`."""
    top, *rest = name.lstrip(".").split(".")
    if name.startswith(".") or top == service:
        own = rest[0] if top == service and rest else top
        return own not in PURE[service] | FOR_PURE
    if top in INPUT_OUTPUT:
        return True
    return top not in COMPUTING and top not in sys.stdlib_module_names


def reached(module: str, seen: set[str]) -> set[str]:
    """Return the modules of `cidp` that importing `module` loads."""
    path = package_folder("cidp") / f"{module}.py"
    if module in seen or not path.is_file():
        return seen
    seen.add(module)
    for name in imported_modules(path):
        if name.startswith("cidp."):
            reached(name.split(".")[1], seen)
    return seen


def test_the_api_imports_pydantic_in_one_module_only() -> None:
    loaded = reached("server", set())
    assert "telemetry" in loaded
    importing = {
        module
        for module in loaded
        for name in imported_modules(package_folder("cidp") / f"{module}.py")
        if name.split(".")[0] in {"pydantic", "pydantic_core"}
    }
    assert importing == {"pydantic_compat"}


@pytest.mark.parametrize(
    ("service", "module"), [(s, m) for s, modules in PURE.items() for m in sorted(modules)]
)
def test_a_pure_module_imports_only_computation(service: str, module: str) -> None:
    path = package_folder(service) / f"{module}.py"
    assert [name for name in imported_modules(path) if impurity(service, name)] == []


@pytest.mark.parametrize(
    ("service", "module"), [(s, m) for s, modules in PURE.items() for m in sorted(modules)]
)
def test_a_pure_module_opens_nothing(service: str, module: str) -> None:
    tree = ast.parse((package_folder(service) / f"{module}.py").read_text(encoding="utf-8"))
    called = {
        node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    assert (
        called & {"open", "read_csv", "to_csv", "read_text", "write_text", "InferenceSession"}
        == set()
    )
