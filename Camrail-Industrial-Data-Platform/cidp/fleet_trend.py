"""The risk that the trend model sees in each locomotive's last days, renewed once a minute."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from loguru import logger

from cidp.errors import ModelError, NoModel
from cidp.event_batch import SERIES_DOORS, Series
from cidp.event_store import EventStore
from cidp.metrics import Metrics
from cidp.model_bundle import TrendBundle
from cidp.registry import TREND, Registry
from cidp.serving_model import ModelStatus
from cidp.trend_features import fleet_features

RENEWED_EVERY = timedelta(minutes=1)


class TrendRisk(NamedTuple):
    """What the trend model says of one locomotive."""

    probability: float
    critical: bool
    model_version: str


TrendRisks = Mapping[tuple[Series, str], TrendRisk]


class FleetTrend:
    """Scores the fleet with the trend model that is promoted; shared between threads."""

    def __init__(
        self,
        registry: Registry,
        store: EventStore,
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._registry = registry
        self._store = store
        self._metrics = metrics
        self._now = now
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._bundle: TrendBundle | None = None
        self._error: str | None = None
        self._refused: tuple[str, int] | None = None
        self._again_at = now()
        self._risks: TrendRisks = {}
        self._renewed_at: datetime | None = None

    def risks(self) -> TrendRisks:
        """Return the risk of each locomotive that has history enough; none without a trend model.

        Raises `StoreError`. While one thread renews them, others get those of a minute before.
        """
        now = self._now()
        if self._is_due(now) and self._lock.acquire(blocking=self._renewed_at is None):
            try:
                if self._is_due(now):
                    self._risks = self._renewed(now)
                    self._renewed_at = now
            finally:
                self._lock.release()
        return self._risks

    def status(self) -> ModelStatus:
        """Tell which trend model serves, and why the promoted one does not; asks no store.

        Each call reads `promoted.json`; the first one after a promotion loads the model, for which
        the others wait.
        """
        bundle = self._promoted()
        if bundle is None:
            return ModelStatus("missing", None, self._error)
        return ModelStatus("serving", bundle.manifest.version, self._error)

    def _is_due(self, now: datetime) -> bool:
        return self._renewed_at is None or now - self._renewed_at >= RENEWED_EVERY

    def _renewed(self, now: datetime) -> TrendRisks:
        bundle = self._promoted()
        if bundle is None:
            return {}
        found: dict[tuple[Series, str], TrendRisk] = {}
        with self._store.session(writes=False) as session:
            for series in SERIES_DOORS:
                features = fleet_features(session, series, bundle.manifest.features, now)
                if not features.loco_ids:
                    continue
                risks = bundle.model.probabilities(features.values)
                for loco_id, risk in zip(features.loco_ids, risks.tolist(), strict=True):
                    found[series, loco_id] = TrendRisk(
                        risk, risk > bundle.model.threshold, bundle.model.version
                    )
        return found

    def _promoted(self) -> TrendBundle | None:
        """Return the promoted trend model; the last good one if it is refused, said once."""
        with self._looking:
            try:
                promoted_at = self._registry.promoted_at_ns()
                self._load(self._registry.promoted_version(TREND), promoted_at)
            except NoModel:
                self._bundle = self._error = self._refused = None
            except ModelError as error:
                if str(error) != self._error:
                    self._error = str(error)
                    self._metrics.model_load_failures.inc()
                    logger.warning("{}", error)
            return self._bundle

    def _load(self, version: str, promoted_at_ns: int) -> None:
        """Have `version` serve; a refused one is tried again promoted anew, or a minute later."""
        serving = self._bundle is not None and self._bundle.manifest.version == version
        if not serving:
            tried = version, promoted_at_ns
            if tried == self._refused and self._now() < self._again_at:
                return
            self._refused, self._again_at = tried, self._now() + RENEWED_EVERY
            self._bundle = self._registry.load_trend(version)
            logger.info("Modèle de tendance {} en service", version)
        self._refused = self._error = None
