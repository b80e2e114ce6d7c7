import pytest

from cidp.people import MAX_NAME, is_name, name_of_account


@pytest.mark.parametrize("name", ["Aïcha Ngo", "an@rail.cm", "É", "x" * MAX_NAME, "L’Équipe, n.2"])
def test_names_of_people_are_taken(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", " A", "=1", "@a", "a\nb", "<b>", "Ngo (Douala)", "x" * 81])
def test_what_a_spreadsheet_or_a_screen_could_mistake_is_not(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize(
    ("name", "email", "recorded"),
    [
        ("Aïcha Ngo", "an@rail.cm", "Aïcha Ngo"),
        ("Ngo (Douala)", "an@rail.cm", "an@rail.cm"),
        ("Анна", "an@rail.cm", "an@rail.cm"),
        ("x" * 81, "an@rail.cm", "an@rail.cm"),
        ("", "+an+ngo@rail.cm", "_an_ngo@rail.cm"),
        ("", "a" * 90 + "@rail.cm", "a" * 80),
    ],
)
def test_an_account_always_has_a_name_that_a_record_takes(
    name: str, email: str, recorded: str
) -> None:
    assert name_of_account(name, email) == recorded
    assert is_name(recorded)
