"""Numbers and instants for French readers."""

from datetime import UTC, datetime

from dpa.french import douala_time, number, plural, some


def test_numbers_have_no_break_spaces_and_a_comma() -> None:
    assert number(1234567.891, 2) == "1\u00a0234\u00a0567,89"
    assert number(12) == "12"


def test_every_character_exists_on_a_windows_console() -> None:
    assert number(1e6, 1).encode("cp1252")


def test_the_clock_of_douala_is_one_hour_ahead() -> None:
    assert douala_time(datetime(2026, 1, 31, 23, 30, tzinfo=UTC)) == datetime(2026, 2, 1, 0, 30)


def test_zero_and_one_are_singular() -> None:
    assert [plural(n, "ligne", "lignes") for n in (0, 1, 2)] == ["0 ligne", "1 ligne", "2 lignes"]


def test_a_long_list_names_its_first_items_and_counts_the_others() -> None:
    assert some(["M1", "M2"]) == "M1, M2"
    assert some(range(1, 9)) == "1, 2, 3, 4, 5 et 3 de plus"
    assert some(range(2_000), shown=1) == "0 et 1\u00a0999 de plus"
