-- Event store on PostgreSQL 15 or newer, version 2 (there was no version 1 here): the tables of
-- sqlite_2.sql, with readings in one partition per week.

-- Functions that run as their owner look for tables here and nowhere else.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Grain: one reading of one locomotive at one instant, by the door through which it came, with the
-- risk that the model that served on receipt saw.
CREATE TABLE readings (
    source         TEXT COLLATE "C" NOT NULL CHECK (source IN ('http', 'simulator', 'kafka', 'mqtt')),
    loco_id        TEXT COLLATE "C" NOT NULL,
    timestamp      TIMESTAMPTZ NOT NULL,
    flow_rate      DOUBLE PRECISION NOT NULL, -- L/min
    pressure       DOUBLE PRECISION NOT NULL, -- bar
    vibration      DOUBLE PRECISION NOT NULL, -- mm/s, RMS
    temperature    DOUBLE PRECISION NOT NULL, -- °C
    probability    DOUBLE PRECISION NOT NULL,
    critical       BOOLEAN NOT NULL,
    model_version  TEXT NOT NULL,
    received_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (source, loco_id, timestamp)
) PARTITION BY RANGE (timestamp);

-- Grain: one locomotive in one series: its newest reading, and what its alerts are watched by.
CREATE TABLE fleet (
    series         TEXT COLLATE "C" NOT NULL CHECK (series IN ('real', 'simulated')),
    loco_id        TEXT COLLATE "C" NOT NULL,
    source         TEXT COLLATE "C" NOT NULL,
    timestamp      TIMESTAMPTZ NOT NULL,
    flow_rate      DOUBLE PRECISION NOT NULL,
    pressure       DOUBLE PRECISION NOT NULL,
    vibration      DOUBLE PRECISION NOT NULL,
    temperature    DOUBLE PRECISION NOT NULL,
    probability    DOUBLE PRECISION NOT NULL,
    critical       BOOLEAN NOT NULL,
    model_version  TEXT NOT NULL,
    received_at    TIMESTAMPTZ NOT NULL, -- of the event stored last, which may be an older reading
    recent         TEXT NOT NULL, -- one mark per reading, see cidp/alert_rules.py
    calm           INTEGER NOT NULL,
    PRIMARY KEY (series, loco_id)
);

-- Grain: one locomotive in one hour, by door.
CREATE TABLE hourly (
    source           TEXT COLLATE "C" NOT NULL,
    loco_id          TEXT COLLATE "C" NOT NULL,
    hour             TIMESTAMPTZ NOT NULL, -- its first instant
    readings         INTEGER NOT NULL,
    critical         INTEGER NOT NULL,
    probability_sum  DOUBLE PRECISION NOT NULL,
    probability_max  DOUBLE PRECISION NOT NULL,
    flow_rate_sum    DOUBLE PRECISION NOT NULL,
    flow_rate_min    DOUBLE PRECISION NOT NULL,
    flow_rate_max    DOUBLE PRECISION NOT NULL,
    pressure_sum     DOUBLE PRECISION NOT NULL,
    pressure_min     DOUBLE PRECISION NOT NULL,
    pressure_max     DOUBLE PRECISION NOT NULL,
    vibration_sum    DOUBLE PRECISION NOT NULL,
    vibration_min    DOUBLE PRECISION NOT NULL,
    vibration_max    DOUBLE PRECISION NOT NULL,
    temperature_sum  DOUBLE PRECISION NOT NULL,
    temperature_min  DOUBLE PRECISION NOT NULL,
    temperature_max  DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (source, loco_id, hour)
);

-- Grain: one alert. At most one that is not closed for a locomotive, a series and a cause.
CREATE TABLE alerts (
    id                BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series            TEXT COLLATE "C" NOT NULL CHECK (series IN ('real', 'simulated')),
    loco_id           TEXT COLLATE "C" NOT NULL,
    cause             TEXT NOT NULL
        CHECK (cause IN ('flow_rate', 'pressure', 'vibration', 'temperature')),
    state             TEXT NOT NULL CHECK (state IN ('new', 'acknowledged', 'closed')),
    opened_at         TIMESTAMPTZ NOT NULL, -- instant of the reading that opened it
    source            TEXT COLLATE "C" NOT NULL, -- its door, its readings, its risk
    flow_rate         DOUBLE PRECISION NOT NULL,
    pressure          DOUBLE PRECISION NOT NULL,
    vibration         DOUBLE PRECISION NOT NULL,
    temperature       DOUBLE PRECISION NOT NULL,
    probability       DOUBLE PRECISION NOT NULL,
    peak_probability  DOUBLE PRECISION NOT NULL,
    model_version     TEXT NOT NULL,
    closed_at         TIMESTAMPTZ,
    closed_by         TEXT,          -- nobody: the risk had been low for long enough
    verdict           BOOLEAN -- a true alarm or a false one
);

CREATE UNIQUE INDEX alerts_open ON alerts (series, loco_id, cause) WHERE state <> 'closed';
CREATE INDEX alerts_by_opening ON alerts (opened_at);

-- Grain: one thing that a person did to an alert.
CREATE TABLE alert_actions (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id  BIGINT NOT NULL REFERENCES alerts,
    at        TIMESTAMPTZ NOT NULL,
    author    TEXT NOT NULL,
    action    TEXT NOT NULL CHECK (action IN ('acknowledge', 'comment', 'verdict', 'close')),
    detail    TEXT NOT NULL
);

CREATE INDEX alert_actions_by_alert ON alert_actions (alert_id);

-- Grain: one alert to tell by one channel, once.
CREATE TABLE notifications (
    alert_id  BIGINT NOT NULL REFERENCES alerts,
    channel   TEXT NOT NULL CHECK (channel IN ('email', 'webhook')),
    state     TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'sent', 'failed')),
    attempts  INTEGER NOT NULL,
    next_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (alert_id, channel)
);

CREATE INDEX notifications_waiting ON notifications (next_at) WHERE state = 'waiting';

-- Grain: one partition of a stream, and the next offset to read from it.
CREATE TABLE stream_positions (
    topic        TEXT COLLATE "C" NOT NULL,
    partition    INTEGER NOT NULL,
    next_offset  BIGINT NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- Grain: one message that was received and could not become a reading.
CREATE TABLE dead_letters (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    door            TEXT NOT NULL,
    topic           TEXT COLLATE "C",
    partition       INTEGER,
    position        BIGINT NOT NULL, -- offset, line of the stream, or index in the request, from 0
    received_at     TIMESTAMPTZ NOT NULL,
    reason          TEXT NOT NULL,
    payload         BYTEA NOT NULL,    -- at most 64 KiB of the message
    payload_bytes   BIGINT NOT NULL, -- size of the whole message
    payload_sha256  TEXT NOT NULL,
    state           TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'abandoned')),
    handled_at      TIMESTAMPTZ,
    handled_by      TEXT
);

-- A message that a stream delivers again is the same dead letter.
CREATE UNIQUE INDEX dead_letters_once
    ON dead_letters (topic, partition, position, payload_sha256) WHERE topic IS NOT NULL;
CREATE INDEX dead_letters_open ON dead_letters (id) WHERE state = 'open';

-- Make the weeks (from Monday, UTC) that hold the instants from `first` to `last`.
CREATE FUNCTION make_reading_weeks(first TIMESTAMPTZ, last TIMESTAMPTZ) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    week TIMESTAMP := date_trunc('week', first AT TIME ZONE 'UTC');
    name TEXT;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('camrail readings'));
    WHILE week <= last AT TIME ZONE 'UTC' LOOP
        name := 'readings_' || to_char(week, 'IYYY"w"IW');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF readings FOR VALUES FROM (%L) TO (%L)',
                name, week AT TIME ZONE 'UTC', (week + INTERVAL '7 days') AT TIME ZONE 'UTC'
            );
        END IF;
        week := week + INTERVAL '7 days';
    END LOOP;
END
$$;

-- Drop the weeks that ended before `oldest`, and more than seven days ago whoever asks; tell how many.
CREATE FUNCTION drop_reading_weeks(oldest TIMESTAMPTZ) RETURNS INTEGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    week REGCLASS;
    dropped INTEGER := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('camrail readings'));
    FOR week IN
        SELECT child.oid FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = 'readings'::REGCLASS
          AND to_date(right(child.relname, 7), 'IYYY"w"IW') + 7
              <= least(oldest, now() - INTERVAL '7 days') AT TIME ZONE 'UTC'
    LOOP
        EXECUTE format('DROP TABLE %s', week);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

REVOKE ALL ON FUNCTION make_reading_weeks, drop_reading_weeks FROM PUBLIC;
