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
        ('FATAL:  Peer authentication failed for user "dpa"', "refuse ce compte"),
        ("FATAL:  authentification peer échouée pour l'utilisateur « dpa »", "refuse ce compte"),
        ("FATAL:  authentification échouée pour l'utilisateur « dpa »", "refuse ce compte"),
        ("FATAL:  Échec de l'authentification Ident pour « dpa »", "refuse ce compte"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "dpa"', "n'admet pas ce compte"),
        (
            "FATAL:  aucune entrée dans pg_hba.conf pour l'hôte « 10.0.0.1 »",
            "n'admet pas ce compte",
        ),
        ('FATAL:  role "dpa" is not permitted to log in', "n'admet pas ce compte"),
        ("FATAL:  le rôle « dpa » n'est pas autorisé à se connecter", "n'admet pas ce compte"),
        ('FATAL:  permission denied for database "x"', "n'admet pas ce compte"),
        ("FATAL:  droit refusé pour la base de données « x »", "n'admet pas ce compte"),
    ],
)
def test_a_refused_connection_is_told_with_its_setting(told: str, cause: str) -> None:
    found = connection_refusal(told, "DPA_DWH")
    assert found is not None
    assert cause in found
    assert "DPA_DWH" in found


def test_a_server_that_is_away_refuses_nothing() -> None:
    assert connection_refusal("port 1 failed: Connection refused", "DPA_DWH") is None
