"""The backlog stored by an application of Quix Streams, in batches, by the platform's store."""

import uuid

from peers.same_store import SameStore, contents
from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

__all__ = ["contents", "quix"]


class _StoreSink(BatchingSink):
    """Stores what a checkpoint has of one partition."""

    def __init__(self, store: SameStore) -> None:
        super().__init__()
        self._store = store

    def write(self, batch: SinkBatch) -> None:
        items = list(batch)
        self._store.save([item.value for item in items], {batch.partition: items[-1].offset})


def quix(servers: str, topic: str, store: str, bundle: str, events: int, size: int) -> float:
    """Give the seconds from the first message to the last event stored."""
    target = SameStore(store, bundle, topic)
    application = Application(
        broker_address=servers,
        consumer_group=str(uuid.uuid4()),
        auto_offset_reset="earliest",
        commit_every=size,
        loglevel="ERROR",
    )
    frame = application.dataframe(application.topic(topic, value_deserializer="json"))
    frame.update(target.begin)
    frame.sink(_StoreSink(target))
    application.run(count=events, collect=False)
    return target.seconds()
