"""Sections of a bench page: each is measured alone and kept in JSON, which makes the page."""

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import psutil
from bench_page import Target, machine, targets_table
from measuring import HERE, say

Found = dict[str, Any]
WORK: Final = Path(tempfile.gettempdir()) / "camrail-bench"


@dataclass(frozen=True)
class Section:
    """One question: how it is measured, what the figures say, and what they must reach.

    `measure` is given what the page's parser found; `notes` stand below the targets.
    """

    title: str
    text: str
    measure: Callable[[Any], Found]
    shown: Callable[[Found], str]
    targets: Callable[[Found], list[Target]] = lambda found: []
    notes: Callable[[Found], str] = lambda found: ""


@dataclass(frozen=True)
class Page:
    """A page `name`.md and its figures `name`.json.

    `packages` and `programs` give the versions that count; `rounds` is how often a job runs unless
    said otherwise, 0 where no section repeats one.
    """

    name: str
    introduction: str
    packages: Sequence[str]
    sections: Mapping[str, Section]
    programs: Callable[[], str] = lambda: ""
    rounds: int = 5

    def parser(self) -> argparse.ArgumentParser:
        """Give the options that every page has."""
        parser = argparse.ArgumentParser(description=self.introduction.partition("\n")[0])
        either = parser.add_mutually_exclusive_group()
        either.add_argument("--only", help=f"sections, among {','.join(self.sections)}")
        either.add_argument("--redraw", action="store_true", help="the page from its figures alone")
        if self.rounds:
            parser.add_argument("--rounds", type=int, default=self.rounds)
        parser.add_argument("--work", type=Path, default=WORK, help="folder of the data")
        parser.add_argument("--out", type=Path, default=HERE, help="folder of the page")
        return parser

    def run(self, chosen: argparse.Namespace) -> int:
        """Measure the chosen sections, one after the other; the page is written after each."""
        file, page = (chosen.out / f"{self.name}.{kind}" for kind in ("json", "md"))
        known: Found = {}
        if chosen.redraw or file.exists():
            known = json.loads(file.read_text(encoding="utf-8"))
        if chosen.redraw:
            page.write_text(self.text(known), encoding="utf-8")
            return 0
        chosen.work.mkdir(parents=True, exist_ok=True)
        here = "\n\n".join(filter(None, [machine(self.packages), self.programs()]))
        for name in chosen.only.split(",") if chosen.only else self.sections:
            section = self.sections[name]
            say(f"{name}: {section.title}")
            found = section.measure(chosen)
            known[name] = found | {
                "measured_on": f"{date.today():%Y-%m-%d}",
                "machine": here,
                "load": psutil.getloadavg()[1],
            }
            file.write_text(
                json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
            )
            page.write_text(self.text(known), encoding="utf-8")
            for target in section.targets(found):
                say(target.line())
        return 0

    def text(self, known: Found) -> str:
        """Write the page from what has been measured."""
        mine = [name for name in self.sections if name in known]
        machines = list(dict.fromkeys(known[name]["machine"] for name in mine))
        parts = [self.introduction.strip(), *machines]
        for name in mine:
            section, found = self.sections[name], known[name]
            load = f", at a load average of {found['load']:.0f}" if "load" in found else ""
            parts += [
                f"## {section.title}",
                section.text,
                section.shown(found),
                targets_table(section.targets(found)),
                section.notes(found),
                f"Measured on {found['measured_on']}: `--only {name}`{load}.",
            ]
        return "\n\n".join(filter(None, parts)) + "\n"
