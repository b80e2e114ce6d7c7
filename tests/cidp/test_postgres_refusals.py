"""Servers speak English or French; both refusals mean the same."""

import pytest

from cidp.postgres_refusals import connection_refusal


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ('FATAL:  database "x" does not exist', "pas de base de ce nom"),
        ("FATAL:  la base de données « x » n'existe pas", "pas de base de ce nom"),
        ('FATAL:  role "dpa" does not exist', "refuse ce compte"),
        ("FATAL:  le rôle « dpa » n'existe pas", "refuse ce compte"),
        ('FATAL:  password authentication failed for user "dpa"', "refuse ce compte"),
        (
            "FATAL:  authentification par mot de passe échouée pour l'utilisateur « dpa »",
            "refuse ce compte",
        ),
        ("fe_sendauth: no password supplied", "refuse ce compte"),
    ],
)
def test_a_refused_connection_is_told_with_its_setting(told: str, cause: str) -> None:
    found = connection_refusal(told, "DPA_DWH")
    assert found is not None
    assert cause in found
    assert "DPA_DWH" in found


def test_a_server_that_is_away_refuses_nothing() -> None:
    assert connection_refusal("port 1 failed: Connection refused", "DPA_DWH") is None
