"""The model registry: one folder per version, and the pointer to the promoted one.

models/instant/<version>/   model.onnx, model.pkl, manifest.json
models/promoted.json        {"instant": "<version>"}
models/latest.pkl           copy of the promoted version's model.pkl, for data scientists
"""

import re
from pathlib import Path

from cidp.errors import BundleRefused, NoModel, PromotionFailed
from cidp.files import write_whole
from cidp.model_bundle import (
    PICKLE_FILE,
    VERSION_PATTERN,
    Bundle,
    Manifest,
    Version,
    checked_bytes,
    load_bundle,
    read_manifest,
)
from cidp.pydantic_compat import BaseModel, ConfigDict, ValidationError

SLOT = "instant"
_VERSION = re.compile(VERSION_PATTERN)


class _Pointer(BaseModel):
    """Content of `promoted.json`: the promoted version of each slot."""

    model_config = ConfigDict(frozen=True)

    instant: Version


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
            return _Pointer.model_validate_json(self._pointer.read_bytes()).instant
        except FileNotFoundError:
            raise NoModel(
                "Aucun modèle n'est promu : lancez « python bootstrap_local.py »."
            ) from None
        except OSError as error:
            raise BundleRefused(f"{self._pointer.name} est illisible.") from error
        except ValidationError as error:
            raise BundleRefused(
                f"{self._pointer.name} ne désigne pas une version de modèle."
            ) from error

    def versions(self) -> list[str]:
        """Return the versions that have a folder, the newest first; none without a registry."""
        try:
            names = [folder.name for folder in self.bundles.iterdir()]
        except OSError:
            return []
        return sorted(filter(_VERSION.fullmatch, names), reverse=True)

    def manifest(self, version: str) -> Manifest:
        """Read what one version says of itself; raises `BundleRefused`."""
        return read_manifest(self.bundles / version)

    def load(self, version: str) -> Bundle:
        """Load and check one version; raises `BundleRefused`."""
        return load_bundle(self.bundles / version)

    def promote(self, version: str) -> Bundle:
        """Check `version`, then make it the one that serves.

        Raises `BundleRefused` or `PromotionFailed`, and then the same version serves as before.
        """
        bundle = self.load(version)
        pickled = checked_bytes(self.bundles / version, bundle.manifest, PICKLE_FILE)
        try:
            write_whole(self.latest_pickle, pickled)
            write_whole(self._pointer, _Pointer(instant=version).model_dump_json().encode())
        except OSError as error:
            raise PromotionFailed(
                f"Modèle {version} non promu : {self.models} ne peut pas être écrit"
                f" ({error.strerror})."
            ) from error
        return bundle
