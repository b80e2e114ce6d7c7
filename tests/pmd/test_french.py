import pytest

from pmd.french import number


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(1234.5, 1, "1\u202f234,5"), (0.0506, 3, "0,051"), (None, 3, "–"), (7, 0, "7")],
)
def test_numbers_are_french(value: float | None, decimals: int, text: str) -> None:
    assert number(value, decimals) == text
