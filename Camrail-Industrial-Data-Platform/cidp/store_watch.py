"""The platform's journal says that the event store is away, and that it is back."""

import time

from cidp.api_client import ApiClient
from cidp.api_errors import ApiError
from cidp.outage_log import OutageLog

LOOK_S = 4.0


class StoreWatch:
    """Asks the API whether the store answers; `name` is what the journal calls the store."""

    def __init__(self, client: ApiClient, name: str) -> None:
        self._client = client
        self._outage = OutageLog(name)
        self._look_at_s = 0.0

    def look(self) -> None:
        """Ask, unless that was asked a moment ago; of an API that does not answer say nothing."""
        if time.monotonic() < self._look_at_s:
            return
        try:
            error = self._client.ready().store.error
        except ApiError:
            pass
        else:
            if error:
                self._outage.gone(error)
            else:
                self._outage.back()
        self._look_at_s = time.monotonic() + LOOK_S
