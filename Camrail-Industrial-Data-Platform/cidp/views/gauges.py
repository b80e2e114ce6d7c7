"""The four readings that an operator can move, with the ranges that the screen offers."""

from dataclasses import dataclass

from cidp.telemetry import UNITS

LOCO_LABEL = "Identifiant de la locomotive"


@dataclass(frozen=True, slots=True)
class Gauge:
    """One slider: its field in the API, its French label, and its range in the field's unit."""

    field: str
    label: str
    lowest: float
    highest: float
    start: float
    step: float
    decimals: int
    short: str

    @property
    def heading(self) -> str:
        """Short label and unit, for a column."""
        return f"{self.short} ({self.unit})"

    @property
    def unit(self) -> str:
        """Unit that the contract gives to the field."""
        return UNITS[self.field]


GAUGES = (
    Gauge("flow_rate", "Débit d’huile", 200.0, 800.0, 500.0, 5.0, 0, "Débit"),
    Gauge("pressure", "Pression", 1.0, 10.0, 5.0, 0.1, 1, "Press."),
    Gauge("vibration", "Vibrations", 0.5, 15.0, 2.0, 0.1, 1, "Vib."),
    Gauge("temperature", "Température", 20.0, 120.0, 45.0, 1.0, 0, "Temp."),
)
_LABELS = {gauge.field: gauge.label for gauge in GAUGES} | {
    "loco_id": LOCO_LABEL,
    "text": "Commentaire",
    "workbook": "Fichier",
}


def field_label(field: str) -> str:
    """Return the French label of a field of the API, or its name when it has none here."""
    return _LABELS.get(field, field)
