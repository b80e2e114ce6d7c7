"""The backlog stored by a batch subscriber of FastStream, by the platform's store."""

import asyncio
import uuid
from typing import Any

from faststream import AckPolicy
from faststream.confluent import KafkaBroker
from faststream.confluent.annotations import KafkaMessage
from peers.same_store import SameStore, contents

__all__ = ["contents", "faststream"]


def faststream(servers: str, topic: str, store: str, bundle: str, events: int, size: int) -> float:
    """Give the seconds from the first batch to the last event stored."""
    target = SameStore(store, bundle, topic)
    done = asyncio.Event()
    broker = KafkaBroker(servers, logger=None)

    @broker.subscriber(
        topic,
        group_id=str(uuid.uuid4()),
        auto_offset_reset="earliest",
        batch=True,
        max_records=size,
        ack_policy=AckPolicy.ACK,
    )
    async def store_batch(batch: list[dict[str, Any]], message: KafkaMessage) -> None:
        target.begin()
        positions = {raw.partition(): raw.offset() for raw in message.raw_message}
        target.save(batch, positions)
        if target.stored >= events:
            done.set()

    async def serve() -> None:
        await broker.start()
        await done.wait()
        await broker.stop()

    asyncio.run(serve())
    return target.seconds()
