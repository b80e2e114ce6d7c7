"""What PostgreSQL says is told in French with a remedy, never in its own words."""

import pytest

from dpa.errors import WarehouseError, WarehouseLocked
from dpa.postgres_refusals import refusal


@pytest.mark.parametrize(
    ("sqlstate", "kind", "cause"),
    [
        ("55P03", WarehouseLocked, "verrouillé"),
        ("53100", WarehouseError, "disque du serveur"),
        ("42501", WarehouseError, "droits insuffisants"),
        ("25006", WarehouseError, "que la lecture"),
        ("57P01", WarehouseError, "vient de s'arrêter"),
        ("XX001", WarehouseError, "abîmé"),
        ("42P01", WarehouseError, r"a refusé \(code 42P01\).*journal"),
        (None, WarehouseError, r"a refusé ; son message est dans le journal"),
    ],
)
def test_a_refusal_is_told_by_its_code(
    sqlstate: str | None, kind: type[WarehouseError], cause: str
) -> None:
    found = refusal("texte du serveur", sqlstate)
    assert type(found) is kind
    assert "texte du serveur" not in str(found)
    with pytest.raises(kind, match=cause):
        raise found


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ('could not translate host name "x" to address: Name or service not known', "hôte inconnu"),
        ('connection to server at "h", port 1 failed: Connection refused', "aucun serveur"),
        ("timeout expired", "ne répond pas dans le délai"),
        ("fe_sendauth: no password supplied", "PGPASSWORD"),
        ('FATAL:  password authentication failed for user "dpa"', "mot de passe ou compte refusé"),
        (
            "FATAL:  authentification par mot de passe échouée pour l'utilisateur « dpa »",
            "mot de passe ou compte refusé",
        ),
        ('FATAL:  role "dpa" does not exist', "compte inconnu"),
        ("FATAL:  le rôle « dpa » n'existe pas", "compte inconnu"),
        ('FATAL:  database "x" does not exist', "base inconnue"),
        ("FATAL:  la base de données « x » n'existe pas", "base inconnue"),
        ('FATAL:  permission denied for database "x"', "pas le droit d'ouvrir"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "dpa"', "pg_hba"),
        ("FATAL:  sorry, too many clients already", "connexions occupées"),
        ("server does not support SSL, but SSL was required", "liaison chiffrée"),
        ("server closed the connection unexpectedly", "s'est rompue"),
        ("FATAL:  the database system is starting up", "démarre"),
    ],
)
def test_a_failed_connection_is_told_by_its_sentence(told: str, cause: str) -> None:
    found = str(refusal(told, None))
    assert cause in found
    assert ";" in found
    assert told not in found


@pytest.mark.parametrize(
    ("told", "sqlstate", "cause"),
    [
        (
            'new row for relation "dim_lot" violates check constraint "dim_lot_check"',
            "23514",
            "(code 23514 : dim_lot, dim_lot_check)",
        ),
        ("la relation « rejets » n'existe pas", "42P01", "(code 42P01 : rejets)"),
        ('invalid input syntax for type integer: "secret"', "22P02", "(code 22P02) ;"),
    ],
)
def test_an_unforeseen_refusal_names_tables_and_constraints_but_no_value(
    told: str, sqlstate: str, cause: str
) -> None:
    assert cause in str(refusal(told, sqlstate))
