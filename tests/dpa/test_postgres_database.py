"""What PostgreSQL needs of its own: refusals read from its codes."""

import pytest

from dpa.errors import WarehouseError, WarehouseLocked
from dpa.postgres_database import PostgresDatabase


@pytest.mark.parametrize(
    ("sqlstate", "kind", "cause"),
    [
        ("55P03", WarehouseLocked, "verrouillé"),
        ("53100", WarehouseError, "disque du serveur"),
        ("42501", WarehouseError, "droits insuffisants"),
        ("25006", WarehouseError, "que la lecture"),
        ("XX001", WarehouseError, "abîmé"),
        ("42P01", WarehouseError, r"a refusé ou n'a pas répondu \(texte du serveur\)"),
        (None, WarehouseError, "n'a pas répondu"),
    ],
)
def test_a_refusal_is_told_in_french(
    sqlstate: str | None, kind: type[WarehouseError], cause: str
) -> None:
    refusal = PostgresDatabase.refusal("texte du serveur", sqlstate)
    assert type(refusal) is kind
    with pytest.raises(kind, match=cause):
        raise refusal
