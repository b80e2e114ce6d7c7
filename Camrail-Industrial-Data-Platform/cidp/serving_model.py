"""The model that serves now, swapped in the background when another is promoted."""

import threading
from typing import Literal, NamedTuple

from loguru import logger

from cidp.errors import BundleRefused, ModelError, NoModel
from cidp.metrics import Metrics
from cidp.model_bundle import Bundle, Manifest
from cidp.registry import Registry
from cidp.scoring import Scorer


class ModelStatus(NamedTuple):
    """What `/ready` says of the model; `error` tells why the newest one does not serve."""

    status: Literal["loading", "serving", "missing"]
    version: str | None
    error: str | None


class ServingModel:
    """Holds the last good model; requests read it without a lock.

    `start` begins to load in a thread of its own, which then looks every `poll_s` seconds for a
    newly promoted version. A refused one leaves the last good one in place.
    """

    def __init__(self, registry: Registry, metrics: Metrics, poll_s: float) -> None:
        self.registry = registry
        self._metrics = metrics
        self._poll_s = poll_s
        self._bundle: Bundle | None = None
        self._error: str | None = None
        self._tried = threading.Event()
        self._stopping = threading.Event()
        self._start_lock = threading.Lock()
        self._loading = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Load and watch in the background; a second call does nothing."""
        if self._thread is not None:
            return
        with self._start_lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="model", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the watching thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def scorer(self, wait_s: float = 0) -> Scorer:
        """Return what scores with the model that serves; see `bundle`."""
        return self.bundle(wait_s).scorer

    def bundle(self, wait_s: float = 0) -> Bundle:
        """Return the model that serves, waiting at most `wait_s` for a first load under way.

        Raises `NoModel` when there is none.
        """
        bundle = self._bundle
        if bundle is None:
            self._tried.wait(wait_s)
            bundle = self._bundle
        if bundle is None:
            raise NoModel(self._error or "Le modèle est en cours de chargement : réessayez.")
        return bundle

    def manifest(self) -> Manifest | None:
        """Return what the model that serves says of itself, or None while there is none."""
        return self._bundle.manifest if self._bundle else None

    def status(self) -> ModelStatus:
        """Tell what serves, and why the newest version does not."""
        bundle = self._bundle
        if bundle is not None:
            return ModelStatus("serving", bundle.manifest.version, self._error)
        return ModelStatus("missing" if self._tried.is_set() else "loading", None, self._error)

    def refresh(self) -> None:
        """Load the promoted version unless it serves already; keep the last good one if refused."""
        with self._loading:  # a slower load of an older version must not have the last word
            try:
                version = self.registry.promoted_version()
                if self._bundle is None or self._bundle.manifest.version != version:
                    self._swap(self.registry.load(version))
            except ModelError as error:
                self._note(error)
            else:
                self._error = None

    def refused(self, error: BundleRefused) -> None:
        """Say and count a version that was asked for and cannot serve; the model in place stays."""
        self._metrics.model_load_failures.inc()
        logger.warning("{}", error)

    def _swap(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._metrics.model_loaded(bundle.manifest.version, bundle.manifest.created_at)
        logger.info("Modèle {} en service", bundle.manifest.version)

    def _note(self, error: ModelError) -> None:
        """Say a refusal once, not at every look."""
        if str(error) == self._error:
            return
        self._error = str(error)
        if not isinstance(error, NoModel):
            self._metrics.model_load_failures.inc()
        logger.warning("{}", error)

    def _watch(self) -> None:
        self.refresh()
        self._tried.set()
        while not self._stopping.wait(self._poll_s):
            self.refresh()
