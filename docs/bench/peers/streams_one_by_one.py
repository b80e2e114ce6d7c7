"""The backlog as a first script has it: one message, one prediction, one `to_sql`, one commit."""

import json
import time
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
from confluent_kafka import Consumer
from peers.event_stores import READINGS
from sqlalchemy import create_engine

from cidp.model_bundle import load_bundle


def one_by_one(servers: str, topic: str, store: str, bundle: str, events: int) -> float:
    """Give the seconds in which so many messages are scored and stored, after a first one."""
    scorer = load_bundle(Path(bundle)).scorer
    engine = create_engine(store.replace("postgresql:", "postgresql+psycopg:"))
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": str(uuid.uuid4()),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])

    def store_next() -> None:
        record = consumer.poll(30)
        event = json.loads((record and record.value()) or b"")
        risk = float(scorer.risks(np.array([[event[name] for name in READINGS]]))[0])
        row = event | {"probability": risk, "critical": risk > scorer.threshold}
        pd.DataFrame([row]).to_sql("one_by_one", engine, if_exists="append", index=False)
        consumer.commit(asynchronous=False)

    store_next()
    began_s = time.perf_counter()
    for _ in range(events):
        store_next()
    seconds = time.perf_counter() - began_s
    consumer.close()
    return seconds
