"""Errors of the service: each message holds the value and the remedy, for the person who must act.

PmdError
├── UnusableFile          missing, empty, unreadable, or without one usable row
│   └── MissingColumns    a named column is absent
├── InvalidOption         a flag or setting whose value cannot be used
│   └── InvalidScenario   a scenario that cannot be played
├── UntrainableData       labels, groups or rows that no honest model can be made from
│   └── LeakingColumns    a feature that gives the answer away
├── EngineError           worker processes that died or did not start
├── BundleRefused         a bundle that is not what its manifest says, or a pickle that may not load
└── InexactExport         the exported model does not answer as the trained one
"""

from __future__ import annotations

from collections.abc import Iterable


class PmdError(Exception):
    """Root of the errors that a command turns into one line and exit code 1."""


class UnusableFile(PmdError):
    """A file that cannot be read, or that holds nothing usable."""


class MissingColumns(UnusableFile):
    """A file without columns that the command needs."""

    def __init__(self, name: str, missing: Iterable[str], found: Iterable[str]) -> None:
        super().__init__(
            f"{name} : colonnes absentes {list(missing)} ; colonnes trouvées {list(found)}. "
            "Corrigez l'en-tête (virgules, UTF-8) ou les noms donnés en option."
        )


class InvalidOption(PmdError):
    """An option whose value cannot be used."""


class InvalidScenario(InvalidOption):
    """A scenario file that cannot be read, or that asks for what cannot be."""


class UntrainableData(PmdError):
    """Data from which no model could be trained and judged honestly."""


class LeakingColumns(UntrainableData):
    """Features that tell the label: one value always goes with it, or they are declared so."""

    def __init__(self, findings: Iterable[str]) -> None:
        super().__init__(
            "Fuite de l'étiquette : "
            + " ; ".join(findings)
            + ". Retirez ces colonnes de --features : elles contiennent la réponse."
        )


class EngineError(PmdError):
    """Worker processes that failed; nothing was written."""


class BundleRefused(PmdError):
    """A bundle or a pickled model that must not be used."""


class InexactExport(PmdError):
    """An ONNX model that differs from the scikit-learn model it was made from."""
