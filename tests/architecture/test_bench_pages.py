"""The pages of the benches say what was measured, and no more."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import api_peers
import etl
import event_store
import faults
import pytest
import stream
import stream_faults
import training
import training_proofs
from bench_page import Target, program_version
from sections import Page, Section

import dashboard

BENCH = Path(__file__).parents[2] / "docs/bench"
PAGES = [
    module.PAGE
    for module in (
        api_peers, dashboard, etl, event_store, faults, stream,
        stream_faults, training, training_proofs,
    )
]  # fmt: skip
UNMEASURED = {"etl": {"upsert-postgres"}, "event_store": {"fleet"}}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_section_has_figures_and_every_figure_a_section(page: Page) -> None:
    known = json.loads((BENCH / f"{page.name}.json").read_text(encoding="utf-8"))
    assert set(known) <= set(page.sections)
    assert set(page.sections) - set(known) == UNMEASURED.get(page.name, set())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_made_of_its_figures(page: Page, tmp_path: Path) -> None:
    figures = (BENCH / f"{page.name}.json").read_bytes()
    (tmp_path / f"{page.name}.json").write_bytes(figures)
    assert page.run(page.parser().parse_args(["--redraw", "--out", str(tmp_path)])) == 0
    drawn = (tmp_path / f"{page.name}.md").read_bytes()
    assert drawn == (BENCH / f"{page.name}.md").read_bytes()
    assert (tmp_path / f"{page.name}.json").read_bytes() == figures


def small(measured: list[Any]) -> Page:
    """A page of two sections, which note what their measure was given."""

    def measure(chosen: Any) -> dict[str, Any]:
        measured.append(chosen)
        return {"count": len(measured)}

    section = Section(
        "A section",
        "What it asks.",
        measure,
        lambda found: f"Counted: {found['count']}.",
        lambda found: [Target("count", found["count"], 1, at_most=True, unit="")],
        lambda found: "What it means.",
    )
    programs = lambda: "One program 1.0."  # noqa: E731
    return Page("small", "# Small", ("pytest",), {"a": section, "b": section}, programs, rounds=0)


def test_a_section_measured_again_leaves_the_others(tmp_path: Path) -> None:
    measured: list[Any] = []
    page = small(measured)
    places = ["--work", str(tmp_path / "work"), "--out", str(tmp_path)]
    page.run(page.parser().parse_args(places))
    page.run(page.parser().parse_args([*places, "--only", "b"]))
    known = json.loads((tmp_path / "small.json").read_text(encoding="utf-8"))
    assert {name: found["count"] for name, found in known.items()} == {"a": 1, "b": 3}
    text = (tmp_path / "small.md").read_text(encoding="utf-8")
    assert text == page.text(known)
    assert text.count("One program 1.0.") == 1
    assert text.index("| count | 3 | ≤ 1 | ✗ |") < text.rindex("What it means.")


def test_programs_are_asked_before_anything_is_measured(tmp_path: Path) -> None:
    measured: list[Any] = []

    def failing() -> str:
        raise OSError("no program")

    page = replace(small(measured), programs=failing)
    with pytest.raises(OSError, match="no program"):
        page.run(page.parser().parse_args(["--work", str(tmp_path), "--out", str(tmp_path)]))
    assert measured == []


def test_a_program_that_is_not_there_is_absent() -> None:
    assert program_version(["no-such-program", "--version"]) == "absent"


def test_a_page_is_drawn_again_whole(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        small([]).parser().parse_args(["--redraw", "--only", "a"])
    assert "not allowed with argument --redraw" in capsys.readouterr().err


def test_a_page_that_repeats_nothing_takes_no_rounds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        small([]).parser().parse_args(["--rounds", "3"])
    assert "--rounds" in capsys.readouterr().err
