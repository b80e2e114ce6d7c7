"""The model that serves, the registry that it comes from, and promotion of another version."""

import threading
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response

from cidp.answers import error_answer, json_answer
from cidp.assembly import Parts
from cidp.errors import BundleRefused, ModelError, PromotionFailed
from cidp.guard import Guard, describe_write, operator
from cidp.model_bundle import Manifest, Slot
from cidp.registry import INSTANT, TREND
from cidp.serving_model import ModelStatus

MAX_LISTED: Final = 200
"""Versions that one answer lists: of each slot the newest first."""

SLOTS: Final[tuple[Slot, ...]] = (INSTANT, TREND)
_ROWS = {"background", "canaries"}


def add_routes(app: Flask, parts: Parts, guarded: Guard) -> None:
    """Serve the routes of the model's life in `parts`."""
    api = _Endpoints(parts)
    app.add_url_rule("/model", view_func=guarded("read", api.model))
    app.add_url_rule("/models", view_func=guarded("read", api.models))
    app.add_url_rule(
        "/models/<version>/promote", view_func=guarded("admin", api.promote), methods=["POST"]
    )


def model_card(manifest: Manifest) -> dict[str, Any]:
    """Return what a person asks of a model: all of its manifest but the rows of training."""
    card: dict[str, Any] = manifest.model_dump(mode="json")
    return {name: value for name, value in card.items() if name not in _ROWS}


class _Endpoints:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._registry = parts.model.registry
        self._one_at_a_time = threading.Lock()

    def model(self) -> Response:
        bundle = self._parts.model.bundle(self._parts.settings.model.first_load_wait_s)
        return json_answer(model_card(bundle.manifest))

    def models(self) -> Response:
        found = [(slot, version) for slot in SLOTS for version in self._registry.versions(slot)]
        promoted = {slot: self._promoted(slot) for slot in SLOTS}
        status = {INSTANT: self._parts.model.status(), TREND: self._parts.trend.status()}
        listed = [
            self._entry(slot, version, status[slot], promoted=version == promoted[slot])
            for slot, version in found[:MAX_LISTED]
        ]
        return json_answer({"count": len(found), "models": listed})

    def promote(self, version: str) -> Response:
        slot = next((slot for slot in SLOTS if version in self._registry.versions(slot)), None)
        if slot is None:
            return error_answer(404, "Cette version n'est pas au registre ; voir /models.")
        person = operator()
        with self._one_at_a_time:
            previous = self._promoted(slot)
            try:
                self._registry.promote(version, slot)
            except BundleRefused as error:
                self._parts.model.refused(error)
                describe_write(f"modèle {version} refusé, demandé par {person}")
                return error_answer(HTTPStatus.CONFLICT, str(error))
            except PromotionFailed as error:
                describe_write(f"modèle {version} non promu, demandé par {person}")
                return error_answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            self._parts.model.refresh()
        describe_write(f"modèle {version} promu par {person}, avant {previous or 'aucun'}")
        serving = self._parts.model.status().version if slot == INSTANT else None
        return json_answer(
            {"slot": slot, "promoted": version, "previous": previous, "serving": serving}
        )

    def _promoted(self, slot: Slot) -> str | None:
        try:
            return self._registry.promoted_version(slot)
        except ModelError:
            return None

    def _entry(
        self, slot: Slot, version: str, status: ModelStatus, *, promoted: bool
    ) -> dict[str, Any]:
        serving = version == status.version
        refusal = None if version == status.version else status.error
        entry: dict[str, Any] = {
            "slot": slot,
            "version": version,
            "promoted": promoted,
            "serving": serving,
            "created_at": None,
            "threshold": None,
            "metrics": None,
            "error": None,
        }
        try:
            manifest = self._registry.manifest(version, slot)
        except BundleRefused as error:
            return entry | {"error": str(error)}
        card = model_card(manifest)
        return entry | {
            "created_at": card["created_at"],
            "threshold": card["threshold"],
            "metrics": card["metrics"].get("model"),
            "error": self._registry.flaw(manifest) or (refusal if promoted else None),
        }
