import dataclasses
import struct

import numpy as np
import pytest

from pmd.plots import DOTS_PER_INCH, SIZE_INCHES, TITLES, pictures
from pmd.training import Trained


def size(content: bytes) -> tuple[int, int]:
    """Width and height in the header of a PNG."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_the_pictures_are_png_of_one_size(trained: Trained) -> None:
    drawn = pictures(trained.judgement, 24)
    expected = tuple(round(inches * DOTS_PER_INCH) for inches in SIZE_INCHES)
    assert {name: size(content) for name, content in drawn.items()} == dict.fromkeys(
        TITLES, expected
    )


def test_the_same_judgement_draws_the_same_bytes_and_another_one_others(trained: Trained) -> None:
    other = dataclasses.replace(
        trained.judgement,
        probabilities=trained.judgement.probabilities[::-1].copy(),
        importance={"x": 1.0},
        lead_times_h=np.array([1.0, np.nan]),
    )
    first, again, changed = (
        pictures(judgement, 24) for judgement in (trained.judgement, trained.judgement, other)
    )
    assert first == again
    assert all(first[name] != changed[name] for name in TITLES)


def test_the_picture_of_lead_times_alone_says_the_horizon_that_bounds_them(
    trained: Trained,
) -> None:
    of_a_day, of_a_week = (pictures(trained.judgement, hours) for hours in (24, 168))
    assert {name for name in TITLES if of_a_day[name] != of_a_week[name]} == {"lead_times.png"}


def test_without_dated_failures_there_is_no_picture_of_lead_times(trained: Trained) -> None:
    undated = dataclasses.replace(trained.judgement, lead_times_h=None)
    assert set(pictures(undated, None)) == set(TITLES) - {"lead_times.png"}


@pytest.mark.parametrize("leads", [[], [np.nan, np.nan]])
def test_no_failure_announced_is_an_empty_histogram(trained: Trained, leads: list[float]) -> None:
    silent = dataclasses.replace(trained.judgement, lead_times_h=np.array(leads, dtype=float))
    assert size(pictures(silent, 24)["lead_times.png"])
