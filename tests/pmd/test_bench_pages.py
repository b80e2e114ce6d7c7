"""The pages of the trainer's benches say what was measured, and no more."""

import json
from pathlib import Path

import pytest
import training
import training_proofs
from sections import Page

BENCH = Path(__file__).parents[2] / "docs/bench"


@pytest.mark.parametrize("page", [training.PAGE, training_proofs.PAGE], ids=lambda page: page.name)
def test_a_page_is_made_of_its_figures(page: Page) -> None:
    known = json.loads((BENCH / f"{page.name}.json").read_text(encoding="utf-8"))
    assert set(known) == set(page.sections)
    assert (BENCH / f"{page.name}.md").read_text(encoding="utf-8") == page.text(known)
