"""The model registry: one folder per version, and the pointer to the promoted one.

models/instant/<version>/   model.onnx, model.pkl, manifest.json
models/promoted.json        {"instant": "<version>"}
models/latest.pkl           copy of the promoted version's model.pkl, for data scientists
"""

import json
import re
from pathlib import Path

from cidp.errors import BundleRefused, NoModel
from cidp.files import write_whole
from cidp.model_bundle import PICKLE_FILE, VERSION_PATTERN, Bundle, checked_bytes, load_bundle

SLOT = "instant"


class Registry:
    """The registry kept in folder `models`; nothing is opened before it is asked for."""

    def __init__(self, models: Path) -> None:
        self.models = models
        self.bundles = models / SLOT
        self.latest_pickle = models / "latest.pkl"
        self._pointer = models / "promoted.json"

    def promoted_version(self) -> str:
        """Return the version that should serve; raises `NoModel` or `BundleRefused`."""
        try:
            pointer = json.loads(self._pointer.read_bytes())
        except FileNotFoundError:
            raise NoModel(
                "Aucun modèle n'est promu : lancez « python bootstrap_local.py »."
            ) from None
        except (OSError, ValueError) as error:
            raise BundleRefused(f"{self._pointer.name} est illisible.") from error
        version = pointer.get(SLOT) if isinstance(pointer, dict) else None
        if not isinstance(version, str) or not re.fullmatch(VERSION_PATTERN, version):
            raise BundleRefused(f"{self._pointer.name} ne désigne pas une version de modèle.")
        return version

    def load(self, version: str) -> Bundle:
        """Load and check one version; raises `BundleRefused`."""
        return load_bundle(self.bundles / version)

    def promote(self, version: str) -> Bundle:
        """Check `version`, then make it the one that serves.

        Raises `BundleRefused`, and then nothing has changed.
        """
        bundle = self.load(version)
        pickled = checked_bytes(self.bundles / version, bundle.manifest, PICKLE_FILE)
        write_whole(self.latest_pickle, pickled)
        write_whole(self._pointer, json.dumps({SLOT: version}).encode())
        return bundle
