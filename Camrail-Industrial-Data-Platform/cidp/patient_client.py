"""The API as the launcher asks it, with more patience than a dashboard that somebody looks at."""

from typing import Any

import requests

from cidp.api_client import READY_TIMEOUT_S, ApiClient, ClientSettings


class PatientClient(ApiClient):
    """Waits longer than the API for its store, `store_timeout_s` at each of two addresses."""

    def __init__(self, settings: ClientSettings, store_timeout_s: float) -> None:
        super().__init__(settings)
        self._timeout_s = 2 * store_timeout_s + READY_TIMEOUT_S

    def _send(self, method: str, path: str, **how: Any) -> requests.Response:
        return super()._send(method, path, **how | {"timeout_s": self._timeout_s})
