"""The model registry: one folder per version of each slot, and the pointer to the promoted ones.

models/instant/<version>/   model.onnx, model.pkl, manifest.json
models/trend/<version>/     the same, for streams that have history
models/promoted.json        {"instant": "<version>", "trend": "<version>"}
models/latest.pkl           copy of the promoted *instant* version's model.pkl, for data scientists
"""

import re
from pathlib import Path

from cidp.errors import BundleRefused, NoModel, PromotionFailed
from cidp.files import write_whole
from cidp.model_bundle import (
    ONNX_FILE,
    PICKLE_FILE,
    VERSION_PATTERN,
    Bundle,
    Manifest,
    Slot,
    TrendBundle,
    Version,
    checked_bytes,
    load_bundle,
    load_trend_bundle,
    manifest_of_slot,
)
from cidp.pydantic_compat import BaseModel, ConfigDict, ValidationError

INSTANT: Slot = "instant"
TREND: Slot = "trend"
_VERSION = re.compile(VERSION_PATTERN)
_VOUCHED = (ONNX_FILE, PICKLE_FILE)


class _Pointer(BaseModel):
    """Content of `promoted.json`: the promoted version of each slot."""

    model_config = ConfigDict(frozen=True)

    instant: Version | None = None
    trend: Version | None = None

    def version(self, slot: Slot) -> str | None:
        return self.instant if slot == INSTANT else self.trend


class Registry:
    """The registry kept in folder `models`; nothing is opened before it is asked for."""

    def __init__(self, models: Path) -> None:
        self.models = models
        self.bundles = models / INSTANT
        self.latest_pickle = models / "latest.pkl"
        self._pointer = models / "promoted.json"
        self._flaws: dict[Path, tuple[object, str | None]] = {}

    def bundles_of(self, slot: Slot) -> Path:
        """Return the folder of the versions of `slot`."""
        return self.models / slot

    def promoted_version(self, slot: Slot = INSTANT) -> str:
        """Return the version that should serve; raises `NoModel` or `BundleRefused`."""
        version = self._promoted().version(slot)
        if version is None:
            raise _no_model(slot)
        return version

    def promoted_at_ns(self) -> int:
        """Return when the pointer was last written, in ns since 1970; 0 if that is unknown."""
        try:
            return self._pointer.stat().st_mtime_ns
        except OSError:
            return 0

    def versions(self, slot: Slot) -> list[str]:
        """Return the versions that have a folder, the newest first; none without a registry."""
        try:
            names = [folder.name for folder in self.bundles_of(slot).iterdir()]
        except OSError:
            return []
        return sorted(filter(_VERSION.fullmatch, names), reverse=True)

    def manifest(self, version: str, slot: Slot) -> Manifest:
        """Read what one version says of itself; raises `BundleRefused`."""
        return manifest_of_slot(self.bundles_of(slot) / version, slot)

    def flaw(self, manifest: Manifest) -> str | None:
        """Say which file of a version is not the one that its manifest vouches for, if any.

        The files are read again only once their dates, their sizes or the manifest have changed.
        """
        folder = self.bundles_of(manifest.slot) / manifest.version
        seen = (manifest.files, [_stamp(folder / name) for name in _VOUCHED])
        known = self._flaws.get(folder)
        if known is None or known[0] != seen:
            known = self._flaws[folder] = (seen, _flaw(folder, manifest))
        return known[1]

    def load(self, version: str) -> Bundle:
        """Load and check one version of the *instant* slot; raises `BundleRefused`."""
        return load_bundle(self.bundles / version)

    def load_trend(self, version: str) -> TrendBundle:
        """Load and check one version of the *trend* slot; raises `BundleRefused`."""
        return load_trend_bundle(self.bundles_of(TREND) / version)

    def promote(self, version: str, slot: Slot = INSTANT) -> Manifest:
        """Check `version`, then make it the one that serves in `slot`.

        Raises `BundleRefused` or `PromotionFailed`, and then the same versions serve as before.
        """
        loaded = self.load(version) if slot == INSTANT else self.load_trend(version)
        manifest = loaded.manifest
        pickled = checked_bytes(self.bundles_of(slot) / version, manifest, PICKLE_FILE)
        try:
            if slot == INSTANT:
                write_whole(self.latest_pickle, pickled)
            write_whole(self._pointer, self._with(version, slot).encode())
        except OSError as error:
            raise PromotionFailed(
                f"Modèle {version} non promu : {self.models} ne peut pas être écrit"
                f" ({error.strerror})."
            ) from error
        return manifest

    def _promoted(self) -> _Pointer:
        try:
            return _Pointer.model_validate_json(self._pointer.read_bytes())
        except FileNotFoundError:
            return _Pointer()
        except OSError as error:
            raise BundleRefused(f"{self._pointer.name} est illisible.") from error
        except ValidationError as error:
            raise BundleRefused(
                f"{self._pointer.name} ne désigne pas une version de modèle."
            ) from error

    def _with(self, version: str, slot: Slot) -> str:
        """The pointer once `version` is promoted; a damaged one is made anew."""
        try:
            known = self._promoted()
        except BundleRefused:
            known = _Pointer()
        versions: dict[str, str | None] = {name: known.version(name) for name in (INSTANT, TREND)}
        return _Pointer(**(versions | {slot: version})).model_dump_json(exclude_none=True)


def _flaw(folder: Path, manifest: Manifest) -> str | None:
    try:
        for name in _VOUCHED:
            checked_bytes(folder, manifest, name)
    except BundleRefused as error:
        return str(error)
    return None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes with a file's content or rights; None for one that is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size


def _no_model(slot: Slot) -> NoModel:
    return NoModel(
        "Aucun modèle n'est promu : lancez « python bootstrap_local.py »."
        if slot == INSTANT
        else "Aucun modèle trend n'est promu : lancez « python bootstrap_local.py »."
    )
