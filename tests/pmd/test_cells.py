from datetime import date

import numpy as np
import pandas as pd
import pytest

from pmd.cells import instants, names, numbers, texts_of


def texts(*values: str) -> pd.Series:
    return pd.Series(list(values), index=range(2, 2 + len(values)))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5), ("-0.5", -0.5), ("+5.", 5), (".5", 0.5), ("1e3", 1000), (" 7 ", 7),
        ("0.1", 0.1), ("179769313486231570000", 1.7976931348623157e20),
    ],
)  # fmt: skip
def test_a_number_is_the_same_beside_another_text_or_not(text: str, number: float) -> None:
    assert numbers(texts(text))[0] == number
    assert numbers(texts(text, "abc"))[0] == number


@pytest.mark.parametrize(
    "text", ["", "abc", "nan", "inf", "1,5", "0x10", "1_000", "1e400", "٣", "--1"]
)
def test_what_is_no_finite_number_is_none_beside_another_text_or_not(text: str) -> None:
    assert not np.isfinite(numbers(texts(text))).any()
    assert np.isfinite(numbers(texts(text, "5"))).tolist() == [False, True]


def test_typed_columns_keep_their_numbers() -> None:
    assert numbers(pd.Series([0.1 + 0.2, np.nan]))[0] == 0.1 + 0.2
    assert numbers(pd.Series([True, False])).tolist() == [1, 0]
    assert numbers(pd.Series([7, None], dtype="Int64"))[0] == 7
    assert numbers(pd.Series(["7", None], dtype=object))[0] == 7


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-01T01:00:00Z", "2026-01-01T01:00"),
        ("2026-01-01T01:00:00.25+01:00", "2026-01-01T00:00:00.25"),
        ("2026-01-01", "2026-01-01"),
        ("20260101T0100Z", "2026-01-01T01:00"),
        ("2026-01-01 01:00", "2026-01-01T01:00"),
    ],
)
def test_an_instant_is_the_same_beside_another_text_or_not(text: str, utc: str) -> None:
    expected = pd.Timestamp(utc, tz="UTC")
    assert instants(texts(text)).tolist() == [expected]
    mixed = instants(texts(text, "hier", "2026-01-01T00:00:00Z"))
    assert (mixed.iloc[0], mixed.index.tolist()) == (expected, [2, 3, 4])
    assert pd.isna(mixed.iloc[1])


@pytest.mark.parametrize("text", ["now", "today", "12", "2026-13-01", "2026-02-30T00:00:00Z", ""])
def test_what_is_no_instant_is_none(text: str) -> None:
    assert instants(texts(text)).isna().all()


def test_typed_instants_are_utc() -> None:
    midnight = pd.Timestamp("2026-01-01", tz="UTC")
    for column in (
        pd.Series([midnight.tz_convert("Africa/Douala")]),
        pd.Series([pd.Timestamp("2026-01-01")]),
        pd.Series([date(2026, 1, 1)], dtype=object),
    ):
        assert instants(column).tolist() == [midnight]
    assert instants(pd.Series([1.7e18])).isna().all()


def test_names_are_trimmed_categories_in_order() -> None:
    found = names(pd.Series(["B ", "A", None, " B"], dtype=object))
    assert found.tolist() == ["B", "A", "", "B"]
    assert found.cat.categories.tolist() == ["", "A", "B"]
    assert names(pd.Series([], dtype=object)).tolist() == []


def test_texts_are_what_a_csv_would_hold() -> None:
    assert texts_of(pd.Series([0.1 + 0.2, np.nan])).tolist() == ["0.30000000000000004", ""]
    assert texts_of(pd.Series([True, False])).tolist() == ["1", "0"]
    assert texts_of(pd.Series(["x", None])).tolist() == ["x", ""]
