-- Event store, version 2: a reading holds its risk; the state of the fleet, hours, alerts and
-- positions of streams join it. Times are UTC text of fixed width, as in version 1.

ALTER TABLE readings RENAME TO readings_1;
ALTER TABLE dead_letters RENAME TO dead_letters_1;

-- Grain: one reading of one locomotive at one instant, by the door through which it came, with the
-- risk that the model that served on receipt saw.
CREATE TABLE readings (
    source         TEXT NOT NULL CHECK (source IN ('http', 'simulator', 'kafka', 'mqtt')),
    loco_id        TEXT NOT NULL,
    timestamp      TEXT NOT NULL,
    flow_rate      REAL NOT NULL, -- L/min
    pressure       REAL NOT NULL, -- bar
    vibration      REAL NOT NULL, -- mm/s, RMS
    temperature    REAL NOT NULL, -- °C
    probability    REAL NOT NULL,
    critical       INTEGER NOT NULL CHECK (critical IN (0, 1)),
    model_version  TEXT NOT NULL,
    received_at    TEXT NOT NULL,
    PRIMARY KEY (source, loco_id, timestamp)
) WITHOUT ROWID;

-- Grain: one locomotive in one series: its newest reading, and what its alerts are watched by.
CREATE TABLE fleet (
    series         TEXT NOT NULL CHECK (series IN ('real', 'simulated')),
    loco_id        TEXT NOT NULL,
    source         TEXT NOT NULL,
    timestamp      TEXT NOT NULL,
    flow_rate      REAL NOT NULL,
    pressure       REAL NOT NULL,
    vibration      REAL NOT NULL,
    temperature    REAL NOT NULL,
    probability    REAL NOT NULL,
    critical       INTEGER NOT NULL CHECK (critical IN (0, 1)),
    model_version  TEXT NOT NULL,
    received_at    TEXT NOT NULL, -- of the event stored last, which may be an older reading
    recent         TEXT NOT NULL, -- one mark per reading, see cidp/alert_rules.py
    calm           INTEGER NOT NULL,
    PRIMARY KEY (series, loco_id)
) WITHOUT ROWID;

-- Grain: one locomotive in one hour, by door.
CREATE TABLE hourly (
    source           TEXT NOT NULL,
    loco_id          TEXT NOT NULL,
    hour             TEXT NOT NULL, -- its first instant
    readings         INTEGER NOT NULL,
    critical         INTEGER NOT NULL,
    probability_sum  REAL NOT NULL,
    probability_max  REAL NOT NULL,
    flow_rate_sum    REAL NOT NULL,
    flow_rate_min    REAL NOT NULL,
    flow_rate_max    REAL NOT NULL,
    pressure_sum     REAL NOT NULL,
    pressure_min     REAL NOT NULL,
    pressure_max     REAL NOT NULL,
    vibration_sum    REAL NOT NULL,
    vibration_min    REAL NOT NULL,
    vibration_max    REAL NOT NULL,
    temperature_sum  REAL NOT NULL,
    temperature_min  REAL NOT NULL,
    temperature_max  REAL NOT NULL,
    PRIMARY KEY (source, loco_id, hour)
) WITHOUT ROWID;

-- Grain: one alert. At most one that is not closed for a locomotive, a series and a cause.
CREATE TABLE alerts (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    series            TEXT NOT NULL CHECK (series IN ('real', 'simulated')),
    loco_id           TEXT NOT NULL,
    cause             TEXT NOT NULL
        CHECK (cause IN ('flow_rate', 'pressure', 'vibration', 'temperature')),
    state             TEXT NOT NULL CHECK (state IN ('new', 'acknowledged', 'closed')),
    opened_at         TEXT NOT NULL, -- instant of the reading that opened it
    source            TEXT NOT NULL, -- its door, its readings, its risk
    flow_rate         REAL NOT NULL,
    pressure          REAL NOT NULL,
    vibration         REAL NOT NULL,
    temperature       REAL NOT NULL,
    probability       REAL NOT NULL,
    peak_probability  REAL NOT NULL,
    model_version     TEXT NOT NULL,
    closed_at         TEXT,
    closed_by         TEXT,          -- nobody: the risk had been low for long enough
    verdict           INTEGER CHECK (verdict IN (0, 1)) -- a true alarm or a false one
);

CREATE UNIQUE INDEX alerts_open ON alerts (series, loco_id, cause) WHERE state <> 'closed';
CREATE INDEX alerts_by_opening ON alerts (opened_at);

-- Grain: one thing that a person did to an alert.
CREATE TABLE alert_actions (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id  INTEGER NOT NULL REFERENCES alerts,
    at        TEXT NOT NULL,
    author    TEXT NOT NULL,
    action    TEXT NOT NULL CHECK (action IN ('acknowledge', 'comment', 'verdict', 'close')),
    detail    TEXT NOT NULL
);

CREATE INDEX alert_actions_by_alert ON alert_actions (alert_id);

-- Grain: one alert to tell by one channel, once.
CREATE TABLE notifications (
    alert_id  INTEGER NOT NULL REFERENCES alerts,
    channel   TEXT NOT NULL CHECK (channel IN ('email', 'webhook')),
    state     TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'sent', 'failed')),
    attempts  INTEGER NOT NULL,
    next_at   TEXT NOT NULL,
    PRIMARY KEY (alert_id, channel)
) WITHOUT ROWID;

CREATE INDEX notifications_waiting ON notifications (next_at) WHERE state = 'waiting';

-- Grain: one partition of a stream, and the next offset to read from it.
CREATE TABLE stream_positions (
    topic        TEXT NOT NULL,
    partition    INTEGER NOT NULL,
    next_offset  INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

-- Grain: one message that was received and could not become a reading.
CREATE TABLE dead_letters (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    door            TEXT NOT NULL,
    topic           TEXT,
    partition       INTEGER,
    position        INTEGER NOT NULL, -- offset, line of the stream, or index in the request, from 0
    received_at     TEXT NOT NULL,
    reason          TEXT NOT NULL,
    payload         BLOB NOT NULL,    -- at most 64 KiB of the message
    payload_bytes   INTEGER NOT NULL, -- size of the whole message
    payload_sha256  TEXT NOT NULL,
    state           TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'abandoned')),
    handled_at      TEXT,
    handled_by      TEXT
);

-- A message that a stream delivers again is the same dead letter.
CREATE UNIQUE INDEX dead_letters_once
    ON dead_letters (topic, partition, position, payload_sha256) WHERE topic IS NOT NULL;
CREATE INDEX dead_letters_open ON dead_letters (id) WHERE state = 'open';

INSERT INTO readings
SELECT source, loco_id, timestamp, flow_rate, pressure, vibration, temperature,
       probability, critical, model_version, received_at
FROM readings_1 JOIN scores USING (source, loco_id, timestamp);

INSERT INTO fleet
SELECT series, loco_id, source, timestamp, flow_rate, pressure, vibration, temperature,
       probability, critical, model_version, newest, '', 0
FROM (
    SELECT *, row_number() OVER (PARTITION BY series, loco_id ORDER BY timestamp DESC) AS age,
           max(received_at) OVER (PARTITION BY series, loco_id) AS newest
    FROM (
        SELECT *, CASE source WHEN 'simulator' THEN 'simulated' ELSE 'real' END AS series
        FROM readings
    )
)
WHERE age = 1;

INSERT INTO hourly
SELECT source, loco_id, substr(timestamp, 1, 14) || '00:00.000000Z', count(*), sum(critical),
       sum(probability), max(probability),
       sum(flow_rate), min(flow_rate), max(flow_rate),
       sum(pressure), min(pressure), max(pressure),
       sum(vibration), min(vibration), max(vibration),
       sum(temperature), min(temperature), max(temperature)
FROM readings
GROUP BY source, loco_id, substr(timestamp, 1, 14);

INSERT INTO dead_letters
    (id, door, position, received_at, reason, payload, payload_bytes, payload_sha256)
SELECT id, door, position, received_at, reason, payload, length(payload), ''
FROM dead_letters_1;

DROP TABLE scores;
DROP TABLE readings_1;
DROP TABLE dead_letters_1;
