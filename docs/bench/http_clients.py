"""Clients that no load generator offers: exactly so many requests, and clients that are slow."""

import asyncio
import json
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from http_servers import KEY, READING

BODY: Final = json.dumps(READING).encode()
HEAD: Final = (
    "POST {path} HTTP/1.1\r\nHost: localhost\r\nX-API-KEY: " + KEY + "\r\n"
    "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
)
DRIP_S: Final = 1.0


async def exactly(port: int, connections: int, each: int) -> Counter[int]:
    """Send `each` valid requests over each of the connections; count the answers by status."""
    statuses: Counter[int] = Counter()
    request = HEAD.format(path="/predict", length=len(BODY)).encode() + BODY

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(each):
            writer.write(request)
            statuses[await _status(reader)] += 1
        writer.close()

    await asyncio.gather(*(send() for _ in range(connections)))
    return statuses


async def _status(reader: asyncio.StreamReader) -> int:
    """Read one answer to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.split("content-length: ")[1].split("\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(" ")[1])


@dataclass
class Slow:
    """What became of slow clients: how long each connection lasted, and what others got."""

    lasted_s: list[float] = field(default_factory=list)
    still_open: int = 0
    others: Counter[int] = field(default_factory=Counter)
    others_ms: list[float] = field(default_factory=list)


async def slow_clients(port: int, clients: int, seconds: float, patience_s: float) -> Slow:
    """Hold slow clients, a third in the head, a third in a small body, a third in a large one.

    Each sends one byte per second, and comes back as soon as it is closed. Meanwhile somebody else
    predicts ten times per second. Connections younger than `patience_s` at the end do not count.
    """
    found, end_s = Slow(), time.monotonic() + seconds
    starts = [
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        HEAD.format(path="/predict", length=100).encode(),
        HEAD.format(path="/telemetry", length=1_000_000).encode(),
    ]

    async def drip(start: bytes) -> None:
        while time.monotonic() < end_s:
            began_s = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(start)
            closed = asyncio.create_task(reader.read())
            while not closed.done() and time.monotonic() < end_s:
                with suppress(OSError):
                    writer.write(b"x")
                await asyncio.wait([closed], timeout=DRIP_S)
            lasted_s = time.monotonic() - began_s
            if closed.done():
                found.lasted_s.append(lasted_s)
                with suppress(OSError):
                    closed.result()
            else:
                found.still_open += lasted_s > patience_s
                closed.cancel()
            writer.close()

    async def predict() -> None:
        while time.monotonic() < end_s:
            began_s = time.monotonic()
            found.others += await exactly(port, 1, 1)
            found.others_ms.append((time.monotonic() - began_s) * 1000)
            await asyncio.sleep(0.1)

    slow = (drip(starts[number % len(starts)]) for number in range(clients))
    await asyncio.gather(*slow, predict())
    return found
