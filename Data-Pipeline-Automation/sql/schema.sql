-- Warehouse of rail freight transactions, schema version 1 (PRAGMA user_version).
-- Instants are ISO 8601 text in UTC ("2026-01-31T07:30:00Z"); days are civil days in Douala (UTC+1).

-- Grain: one row per run of the pipeline that was committed.
CREATE TABLE dim_lot (
    run_id              TEXT PRIMARY KEY,
    started_at          TEXT NOT NULL,
    duration_s          REAL NOT NULL DEFAULT 0,
    version             TEXT NOT NULL,
    transactions_path   TEXT NOT NULL,
    transactions_sha256 TEXT NOT NULL,
    machines_path       TEXT NOT NULL,
    machines_sha256     TEXT NOT NULL,
    mapping_path        TEXT,
    mapping_sha256      TEXT,
    rows_read           INTEGER NOT NULL DEFAULT 0,
    rows_loaded         INTEGER NOT NULL DEFAULT 0,
    rows_inserted       INTEGER NOT NULL DEFAULT 0,
    rows_corrected      INTEGER NOT NULL DEFAULT 0,
    rows_rejected       INTEGER NOT NULL DEFAULT 0,
    rows_duplicate      INTEGER NOT NULL DEFAULT 0,
    blank_lines         INTEGER NOT NULL DEFAULT 0,
    volume_loaded       REAL NOT NULL DEFAULT 0, -- tonnes
    CHECK (rows_read = rows_loaded + rows_rejected + rows_duplicate),
    CHECK (rows_loaded = rows_inserted + rows_corrected)
);

-- Grain: one row per machine of the machine lists, as the latest one describes it, and the member
-- -1 "Inconnu" for every machine that no list knew.
CREATE TABLE dim_machine (
    machine_key       INTEGER PRIMARY KEY,
    machine_id        TEXT NOT NULL UNIQUE,
    site_location     TEXT NOT NULL,
    installation_year INTEGER
);
INSERT INTO dim_machine (machine_key, machine_id, site_location) VALUES (-1, 'Inconnu', 'Inconnu');

-- Grain: one row per transaction of the ERP, in its latest known state.
-- Site and year are those of the machine when the row was written; source_* and run_id say where
-- that state comes from.
CREATE TABLE fact_transactions (
    transaction_key    INTEGER PRIMARY KEY,
    transaction_id     TEXT NOT NULL UNIQUE,
    machine_key        INTEGER NOT NULL REFERENCES dim_machine (machine_key),
    machine_id         TEXT NOT NULL,
    site_location      TEXT NOT NULL,
    installation_year  INTEGER,
    date               TEXT NOT NULL, -- instant, UTC
    day                TEXT NOT NULL, -- civil day in Douala
    volume_transferred REAL NOT NULL CHECK (volume_transferred >= 0), -- tonnes
    status_code        TEXT NOT NULL CHECK (status_code IN ('OK', 'WARN', 'ERR')),
    critical_alert     INTEGER NOT NULL CHECK (critical_alert IN (0, 1)),
    source_file        TEXT NOT NULL,
    source_sheet       TEXT, -- NULL for a file without sheets
    source_line        INTEGER NOT NULL,
    run_id             TEXT NOT NULL REFERENCES dim_lot (run_id)
);
CREATE INDEX fact_transactions_day_site ON fact_transactions (day, site_location);
CREATE INDEX fact_transactions_unknown ON fact_transactions (machine_id) WHERE machine_key = -1;

-- Grain: one row per (day, site) that has at least one transaction.
CREATE TABLE aggr_daily_site_stats (
    day               TEXT NOT NULL,
    site_location     TEXT NOT NULL,
    total_volume      REAL NOT NULL, -- tonnes
    total_alerts      INTEGER NOT NULL,
    active_machines   INTEGER NOT NULL, -- distinct machines
    transaction_count INTEGER NOT NULL,
    PRIMARY KEY (day, site_location)
) WITHOUT ROWID;

-- Grain: one row per rejected line of a file's content; reading the same content again only moves
-- run_id, the latest run that met it.
CREATE TABLE rejets (
    reject_key    INTEGER PRIMARY KEY,
    run_id        TEXT NOT NULL REFERENCES dim_lot (run_id),
    first_run_id  TEXT NOT NULL REFERENCES dim_lot (run_id),
    source_sha256 TEXT NOT NULL,
    source_file   TEXT NOT NULL,
    source_sheet  TEXT NOT NULL DEFAULT '', -- '' for a file without sheets
    source_line   INTEGER NOT NULL,
    rule_code     TEXT NOT NULL, -- first broken rule
    column_name   TEXT NOT NULL, -- '' when the whole line is at fault
    value         TEXT NOT NULL, -- as written in the file
    reason        TEXT NOT NULL,
    remedy        TEXT NOT NULL,
    other_rules   TEXT NOT NULL, -- codes of the other broken rules
    raw_row       TEXT NOT NULL, -- JSON object {header: cell}
    UNIQUE (source_sha256, source_sheet, source_line)
);
CREATE INDEX rejets_run ON rejets (run_id);

-- Grain: one row per state of a transaction that a later run replaced.
CREATE TABLE audit_corrections (
    audit_key              INTEGER PRIMARY KEY,
    run_id                 TEXT NOT NULL REFERENCES dim_lot (run_id), -- the run that corrected
    transaction_id         TEXT NOT NULL,
    old_machine_id         TEXT NOT NULL,
    old_site_location      TEXT NOT NULL,
    old_date               TEXT NOT NULL,
    old_volume_transferred REAL NOT NULL,
    old_status_code        TEXT NOT NULL,
    old_critical_alert     INTEGER NOT NULL,
    old_source_file        TEXT NOT NULL,
    old_source_sheet       TEXT,
    old_source_line        INTEGER NOT NULL,
    old_run_id             TEXT NOT NULL REFERENCES dim_lot (run_id)
);
