"""The platform's journal says that the event store is away, and that it is back."""

import threading
import time

from cidp.api_client import ApiClient
from cidp.api_errors import ApiError
from cidp.outage_log import OutageLog

PAUSE_S = 4.0


class StoreWatch:
    """Asks the API whether the store answers; `name` is what the journal calls the store."""

    def __init__(self, client: ApiClient, name: str) -> None:
        self._client = client
        self._outage = OutageLog(name)

    def start(self) -> None:
        """Look every `PAUSE_S` until the process ends, in a thread: an answer may take long."""
        threading.Thread(target=self._watch, name="store", daemon=True).start()

    def look(self) -> None:
        """Ask, and say what changed; of an API that does not answer say nothing."""
        try:
            error = self._client.ready().store.error
        except ApiError:
            return
        if error:
            self._outage.gone(error)
        else:
            self._outage.back()

    def _watch(self) -> None:
        while True:
            self.look()
            time.sleep(PAUSE_S)
