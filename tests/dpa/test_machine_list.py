"""The machine list: what is read, and each fault told with its entry."""

import pytest

from dpa.errors import InvalidMachines, SourceEmpty, SourceUnreadable
from dpa.machine_list import WRAPPERS, parse_machines

MACHINE = '{"machine_id": "M1", "site_location": "Edéa", "installation_year": 2001}'


def test_machines_are_read_with_unknown_years_and_further_keys() -> None:
    other = MACHINE.replace("M1", " M2 ").replace("2001", 'null, "owner": "CAMRAIL"')
    found = parse_machines(f"\ufeff[{MACHINE}, {other}]".encode(), "m.json")
    assert found["machine_id"].tolist() == ["M1", "M2"]
    assert found["installation_year"].isna().tolist() == [False, True]


@pytest.mark.parametrize("key", WRAPPERS)
def test_an_array_may_be_wrapped_in_an_object(key: str) -> None:
    found = parse_machines(f'{{"count": 1, "{key}": [{MACHINE}], "next": null}}'.encode(), "api")
    assert found["machine_id"].tolist() == ["M1"]


def test_a_list_in_another_encoding_is_refused_with_what_is_wanted() -> None:
    with pytest.raises(SourceUnreadable, match=r"octet 0xe9 .* JSON, enregistré en UTF-8\.$"):
        parse_machines(f"[{MACHINE}]".encode("latin-1"), "m.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["vide"]),
        ("[]", ["vide"]),
        ("{", ["JSON illisible"]),
        ('{"machines": []}', ["vide"]),
        ('{"machines": {}}', ["une liste", "machines, data"]),
        ('{"machines": [1], "data": [2]}', ["une liste"]),
        ('{"data": [1], "next": "/p2"}', ["plusieurs pages"]),
        ("[" * 100_000, ["JSON"]),
        ("[NaN]", ["JSON illisible", "NaN"]),
        ('[\n{"machine_id":', ["ligne 2, colonne 15"]),
        ("[" + "9" * 5000 + "]", ["trop de chiffres"]),
        ('[{"machine_id": "M1", "machine_id": "M2"}]', ["écrite deux fois"]),
        ("<html>", ["JSON illisible", "ligne 1, colonne 1"]),
        ("[1]", ["n° 1", "groupe de clés"]),
        ('[{"machine_id": "M1", "site_location": "Edéa"}]', ["« installation_year »", "absente"]),
        (MACHINE.join("[]").replace("2001", '"2001"'), ["n° 1", "entier"]),
        (MACHINE.join("[]").replace("2001", "3001"), ["au plus 2100"]),
        (MACHINE.join("[]").replace("2001", "true"), ["entier"]),
        (MACHINE.join("[]").replace("M1", " "), ["« machine_id »", "non vide"]),
        (MACHINE.join("[]").replace("M1", "a" * 65), ["« machine_id »", "64"]),
        (MACHINE.join("[]").replace("M1", "a\\u0007"), ["« machine_id »", "contrôle"]),
        (MACHINE.join("[]").replace("M1", "\\ud800"), ["« machine_id »", "Unicode"]),
        (MACHINE.join("[]").replace("Edéa", "Inconnu"), ["« Inconnu »", "réservé"]),
        (f"[{MACHINE}, {MACHINE}]", ["« M1 »", "n° 1 et n° 2"]),
    ],
)
def test_a_bad_list_is_refused_with_its_entry(text: str, words: list[str]) -> None:
    with pytest.raises((InvalidMachines, SourceEmpty)) as raised:
        parse_machines(text.encode(), "m.json")
    for word in ["m.json", *words]:
        assert word in str(raised.value)
