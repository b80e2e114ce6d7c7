-- Event store, version 3: the programs that bring telemetry say that they do.

-- Grain: one running program that brings telemetry. It renews its row; an old row is of one that ended.
CREATE TABLE feeds (
    feeder   TEXT NOT NULL PRIMARY KEY, -- its door, machine and process
    door     TEXT NOT NULL CHECK (door IN ('http', 'simulator', 'kafka', 'mqtt')),
    since    TEXT NOT NULL,
    seen_at  TEXT NOT NULL,
    lag      INTEGER,       -- messages that wait in the broker, where it tells
    reason   TEXT NOT NULL  -- why this source and no other, in French
) WITHOUT ROWID;
