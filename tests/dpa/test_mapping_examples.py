"""Each mapping shipped as an example reads its sample to the exact totals."""

from dataclasses import dataclass

import pytest

from dpa.checking import checked_parts
from dpa.engine import LocalEngine
from dpa.mapping import read_mapping
from dpa.settings import SERVICE_ROOT
from dpa.sources import read_transactions


@dataclass(frozen=True)
class Totals:
    """What an export gives; `rejected` has the rule of each rejected line."""

    read: int
    tonnes: float
    alerts: int
    duplicates: int
    defaulted: int
    blank_lines: int
    days: tuple[int, int]
    rejected: dict[int, str]


EXAMPLES = {
    "sap": Totals(
        read=11,
        tonnes=42.3505 + 9.8 + 0.87525 + 38 + 25 + 60.12575,
        alerts=2,
        duplicates=1,
        defaulted=1,
        blank_lines=0,
        days=(20260105, 20260109),
        rejected={
            5: "VOLUME_NEGATIF",
            7: "DATE_INVALIDE",
            8: "VOLUME_NON_NUMERIQUE",
            11: "STATUT_INCONNU",
        },
    ),
    "excel_francais": Totals(
        read=10,
        tonnes=41.2505 + 8.4 + 12.75025 + 0.95,
        alerts=2,
        duplicates=0,
        defaulted=0,
        blank_lines=1,
        days=(20260302, 20260403),
        rejected={
            6: "VOLUME_NEGATIF",
            7: "VOLUME_MANQUANT",
            8: "MACHINE_MANQUANTE",
            9: "STATUT_INCONNU",
            10: "ID_EN_CONFLIT",
            11: "ID_EN_CONFLIT",
        },
    ),
    "scms": Totals(
        read=6,
        tonnes=0.013 + 0.5045 + 12.345,
        alerts=2,
        duplicates=0,
        defaulted=0,
        blank_lines=0,
        days=(20060602, 20080229),
        rejected={4: "VOLUME_NON_NUMERIQUE", 6: "DATE_INVALIDE", 7: "VOLUME_NON_NUMERIQUE"},
    ),
}
MAPPINGS = SERVICE_ROOT / "mappings"


def totals(name: str) -> Totals:
    mapping = read_mapping(MAPPINGS / f"{name}.yaml").mapping
    source = read_transactions(MAPPINGS / "exemples" / f"{name}.csv", mapping, None)
    with LocalEngine(1) as engine:
        parts = list(checked_parts(source, engine))
    days = [day for part in parts for day in part.accepted["date_key"].tolist()]
    return Totals(
        read=sum(part.read for part in parts),
        tonnes=pytest.approx(
            sum(float(part.accepted["volume_transferred"].sum()) for part in parts), abs=1e-9
        ),
        alerts=sum(int(part.accepted["critical_alert"].sum()) for part in parts),
        duplicates=sum(part.duplicates for part in parts),
        defaulted=sum(sum(part.defaulted.values()) for part in parts),
        blank_lines=sum(part.blank_lines for part in parts),
        days=(min(days), max(days)),
        rejected={
            line: rule
            for part in parts
            for line, rule in zip(
                part.rejects["source_line"].tolist(), part.rejects["rule_code"], strict=True
            )
        },
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_reads_its_sample_to_the_exact_totals(name: str) -> None:
    assert totals(name) == EXAMPLES[name]


def test_every_mapping_but_the_template_is_an_example() -> None:
    assert {path.stem for path in MAPPINGS.glob("*.yaml")} == {*EXAMPLES, "modele"}
