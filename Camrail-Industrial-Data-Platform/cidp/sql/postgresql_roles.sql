-- Least privilege on the event store. Run once by the owner of its tables, who may create roles, in
-- the schema of the store, after its first start. Accounts get a role by GRANT:
--     CREATE ROLE camrail_api LOGIN PASSWORD '...' IN ROLE camrail_writer;
--     CREATE ROLE power_bi LOGIN PASSWORD '...' IN ROLE camrail_reader;
--
-- camrail_owner   makes and changes the tables; no process needs it after the first start.
-- camrail_writer  stores events, follows alerts, handles dead letters; changes no reading.
-- camrail_reader  reads.

DO $$
DECLARE
    role TEXT;
    place TEXT := quote_ident(current_schema());
    owned TEXT;
BEGIN
    FOREACH role IN ARRAY ARRAY['camrail_owner', 'camrail_writer', 'camrail_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', place, role);
    END LOOP;

    GRANT camrail_owner TO CURRENT_USER; -- who gives the tables away, and still changes them
    EXECUTE format('GRANT CREATE ON SCHEMA %s TO camrail_owner', place);
    FOR owned IN
        SELECT oid::REGCLASS FROM pg_class
        WHERE relnamespace = current_schema()::REGNAMESPACE AND relkind IN ('r', 'p')
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO camrail_owner', owned);
    END LOOP;

    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO camrail_writer', current_database());
END
$$;

ALTER FUNCTION make_reading_weeks OWNER TO camrail_owner;
ALTER FUNCTION drop_reading_weeks OWNER TO camrail_owner;

GRANT SELECT ON
    readings, fleet, hourly, alerts, alert_actions, notifications, stream_positions, dead_letters,
    feeds, event_store_version
TO camrail_reader, camrail_writer;

GRANT INSERT ON
    readings, fleet, hourly, alerts, alert_actions, notifications, stream_positions, dead_letters,
    feeds
TO camrail_writer;

GRANT UPDATE ON fleet, hourly, notifications, stream_positions, feeds TO camrail_writer;
GRANT DELETE ON feeds TO camrail_writer;
GRANT UPDATE (state, peak_probability, closed_at, closed_by, verdict) ON alerts TO camrail_writer;
GRANT UPDATE (state, handled_at, handled_by) ON dead_letters TO camrail_writer;
GRANT EXECUTE ON FUNCTION make_reading_weeks, drop_reading_weeks TO camrail_writer;
