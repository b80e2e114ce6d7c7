-- Event store on PostgreSQL, version 3: the programs that bring telemetry say that they do.

-- Grain: one running program that brings telemetry. It renews its row; an old row is of one that ended.
CREATE TABLE feeds (
    feeder   TEXT NOT NULL PRIMARY KEY, -- its door, machine and process
    door     TEXT NOT NULL CHECK (door IN ('http', 'simulator', 'kafka', 'mqtt')),
    since    TIMESTAMPTZ NOT NULL,
    seen_at  TIMESTAMPTZ NOT NULL,
    lag      BIGINT,        -- messages that wait in the broker, where it tells
    reason   TEXT NOT NULL  -- why this source and no other, in French
);

-- Accounts that postgresql_roles.sql made before this version keep working.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'camrail_writer') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON feeds TO camrail_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'camrail_reader') THEN
        GRANT SELECT ON feeds TO camrail_reader;
    END IF;
END
$$;
