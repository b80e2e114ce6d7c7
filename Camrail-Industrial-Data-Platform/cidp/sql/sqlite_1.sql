-- Event store, version 1. Times are UTC text of fixed width (2026-01-15T07:30:00.000000Z),
-- so that their order as text is their order in time.

-- Grain: one reading of one locomotive at one instant, by the door through which it came.
CREATE TABLE readings (
    source       TEXT NOT NULL CHECK (source IN ('http', 'simulator')),
    loco_id      TEXT NOT NULL,
    timestamp    TEXT NOT NULL,
    flow_rate    REAL NOT NULL, -- L/min
    pressure     REAL NOT NULL, -- bar
    vibration    REAL NOT NULL, -- mm/s, RMS
    temperature  REAL NOT NULL, -- °C
    received_at  TEXT NOT NULL,
    PRIMARY KEY (source, loco_id, timestamp)
) WITHOUT ROWID;

CREATE INDEX readings_by_receipt ON readings (received_at);

-- Grain: the risk of one reading, as the model that served on receipt saw it.
CREATE TABLE scores (
    source         TEXT NOT NULL,
    loco_id        TEXT NOT NULL,
    timestamp      TEXT NOT NULL,
    model_version  TEXT NOT NULL,
    probability    REAL NOT NULL,
    critical       INTEGER NOT NULL CHECK (critical IN (0, 1)),
    PRIMARY KEY (source, loco_id, timestamp),
    FOREIGN KEY (source, loco_id, timestamp) REFERENCES readings
) WITHOUT ROWID;

-- Grain: one message that was received and could not become a reading.
CREATE TABLE dead_letters (
    id           INTEGER PRIMARY KEY,
    door         TEXT NOT NULL,
    position     INTEGER NOT NULL, -- line of the stream, or index in the request, from 0
    received_at  TEXT NOT NULL,
    reason       TEXT NOT NULL,
    payload      BLOB NOT NULL     -- at most 4 KiB of the message
);
