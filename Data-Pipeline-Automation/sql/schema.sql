-- Warehouse of rail freight transactions, schema version 3, for SQLite and PostgreSQL alike.
-- Instants are UTC; SQLite keeps them as ISO 8601 text ("2026-01-31T07:30:00"), and days as
-- "2026-01-31". Days are civil days in Douala (UTC+1). Keys are given by the loader, under its lock.

-- Grain: one row per run of the pipeline that was committed.
CREATE TABLE dim_lot (
    lot_key             INTEGER PRIMARY KEY,
    run_id              TEXT NOT NULL UNIQUE,
    started_at          TIMESTAMPTZ NOT NULL,
    duration_s          DOUBLE PRECISION NOT NULL DEFAULT 0,
    version             TEXT NOT NULL,
    kind                TEXT NOT NULL CHECK (kind IN ('chargement', 'reprise')),
    transactions_path   TEXT NOT NULL,
    transactions_file   TEXT NOT NULL, -- its name without the folder
    transactions_sha256 TEXT NOT NULL,
    transactions_sheet  TEXT NOT NULL DEFAULT '', -- '' for a file without sheets
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
    rows_skipped        INTEGER NOT NULL DEFAULT 0, -- before --since, not among the rows read
    blank_lines         INTEGER NOT NULL DEFAULT 0,
    volume_loaded       DOUBLE PRECISION NOT NULL DEFAULT 0, -- tonnes
    reading             TEXT, -- JSON: header and mapping under which its rows were read
    CHECK (rows_read = rows_loaded + rows_rejected + rows_duplicate),
    CHECK (rows_loaded = rows_inserted + rows_corrected)
);

-- Grain: one row per civil day, whole years without a gap around the days of the facts.
CREATE TABLE dim_date (
    date_key     INTEGER PRIMARY KEY, -- YYYYMMDD
    day          DATE NOT NULL UNIQUE,
    annee        INTEGER NOT NULL,
    trimestre    INTEGER NOT NULL,
    mois         INTEGER NOT NULL,
    nom_mois     TEXT NOT NULL,
    annee_mois   TEXT NOT NULL, -- "2026-01", sorts as time does
    annee_iso    INTEGER NOT NULL, -- year of the ISO week
    semaine_iso  INTEGER NOT NULL,
    jour_mois    INTEGER NOT NULL,
    jour_annee   INTEGER NOT NULL,
    jour_semaine INTEGER NOT NULL, -- 1 = lundi
    nom_jour     TEXT NOT NULL,
    est_weekend  INTEGER NOT NULL CHECK (est_weekend IN (0, 1))
);

-- Grain: one row per site of the machine lists, and the member -1 "Inconnu".
CREATE TABLE dim_site (
    site_key      INTEGER PRIMARY KEY,
    site_location TEXT NOT NULL UNIQUE
);
INSERT INTO dim_site (site_key, site_location) VALUES (-1, 'Inconnu');

-- Grain: one row per machine of the machine lists, as the latest one describes it, and the member
-- -1 "Inconnu" for every machine that no list knew.
CREATE TABLE dim_machine (
    machine_key       INTEGER PRIMARY KEY,
    machine_id        TEXT NOT NULL UNIQUE,
    site_key          INTEGER NOT NULL REFERENCES dim_site (site_key),
    site_location     TEXT NOT NULL,
    installation_year INTEGER
);
INSERT INTO dim_machine (machine_key, machine_id, site_key, site_location)
VALUES (-1, 'Inconnu', -1, 'Inconnu');

-- Grain: one row per status of the ERP, and the member -1 "Inconnu".
CREATE TABLE dim_statut (
    statut_key  INTEGER PRIMARY KEY,
    status_code TEXT NOT NULL UNIQUE,
    libelle     TEXT NOT NULL,
    est_alerte  INTEGER NOT NULL CHECK (est_alerte IN (0, 1)) -- a small volume is then an alert
);
INSERT INTO dim_statut (statut_key, status_code, libelle, est_alerte)
VALUES (-1, 'Inconnu', 'Inconnu', 0), (1, 'OK', 'Normal', 0), (2, 'WARN', 'Avertissement', 1),
       (3, 'ERR', 'Erreur', 1);

-- Grain: one row per transaction of the ERP, in its latest known state.
-- The site is that of the machine when the row was written; the lot names the file and the sheet
-- that source_line belongs to.
CREATE TABLE fact_transactions (
    transaction_key    INTEGER PRIMARY KEY,
    transaction_id     TEXT NOT NULL,
    date_key           INTEGER NOT NULL REFERENCES dim_date (date_key),
    machine_key        INTEGER NOT NULL REFERENCES dim_machine (machine_key),
    site_key           INTEGER NOT NULL REFERENCES dim_site (site_key),
    statut_key         INTEGER NOT NULL REFERENCES dim_statut (statut_key),
    lot_key            INTEGER NOT NULL REFERENCES dim_lot (lot_key),
    date               TIMESTAMPTZ NOT NULL,
    machine_id         TEXT NOT NULL, -- as the ERP wrote it
    site_location      TEXT NOT NULL,
    status_code        TEXT NOT NULL, -- checked without IN, which doubles SQLite's time per row
    volume_transferred DOUBLE PRECISION NOT NULL CHECK (volume_transferred >= 0), -- tonnes
    critical_alert     INTEGER NOT NULL CHECK (critical_alert IN (0, 1)),
    source_line        INTEGER NOT NULL,
    CHECK (status_code = 'OK' OR status_code = 'WARN' OR status_code = 'ERR')
);
CREATE UNIQUE INDEX fact_transactions_id ON fact_transactions (transaction_id);
CREATE INDEX fact_transactions_day_site ON fact_transactions (date_key, site_key);
CREATE INDEX fact_transactions_unknown ON fact_transactions (machine_id) WHERE machine_key = -1;

-- Grain: one row per (day, site) that has at least one transaction.
CREATE TABLE aggr_daily_site_stats (
    date_key          INTEGER NOT NULL REFERENCES dim_date (date_key),
    site_key          INTEGER NOT NULL REFERENCES dim_site (site_key),
    day               DATE NOT NULL,
    site_location     TEXT NOT NULL,
    total_volume      DOUBLE PRECISION NOT NULL, -- tonnes
    total_alerts      INTEGER NOT NULL,
    active_machines   INTEGER NOT NULL, -- distinct machines
    transaction_count INTEGER NOT NULL,
    PRIMARY KEY (date_key, site_key)
);

-- Grain: one row per rejected line of a file's content; reading the same content again only moves
-- lot_key, the latest run that met it.
CREATE TABLE rejets (
    reject_key     INTEGER PRIMARY KEY,
    lot_key        INTEGER NOT NULL REFERENCES dim_lot (lot_key),
    first_lot_key  INTEGER NOT NULL REFERENCES dim_lot (lot_key),
    status         TEXT NOT NULL DEFAULT 'ouvert'
                   CHECK (status IN ('ouvert', 'corrigé', 'remplacé', 'abandonné')),
    closed_lot_key INTEGER REFERENCES dim_lot (lot_key), -- the run that loaded or replaced the row
    closed_line    INTEGER, -- where that run's file has it
    source_sha256  TEXT NOT NULL,
    source_file    TEXT NOT NULL,
    source_sheet   TEXT NOT NULL DEFAULT '', -- '' for a file without sheets
    source_line    INTEGER NOT NULL,
    rule_code      TEXT NOT NULL, -- first broken rule
    column_name    TEXT NOT NULL, -- '' when the whole line is at fault
    value          TEXT NOT NULL, -- as written in the file
    reason         TEXT NOT NULL,
    remedy         TEXT NOT NULL,
    other_rules    TEXT NOT NULL, -- codes of the other broken rules
    raw_row        TEXT NOT NULL, -- JSON object {heading: cell}
    abandoned_at   TIMESTAMPTZ,
    abandon_reason TEXT, -- as the analyst put it
    UNIQUE (source_sha256, source_sheet, source_line),
    CHECK ((status IN ('corrigé', 'remplacé')) = (closed_lot_key IS NOT NULL)),
    CHECK ((status = 'abandonné') = (abandoned_at IS NOT NULL AND abandon_reason IS NOT NULL))
);
CREATE INDEX rejets_lot ON rejets (lot_key);
CREATE INDEX rejets_closed ON rejets (closed_lot_key);

-- Grain: one row per state of a transaction that a later run replaced.
CREATE TABLE audit_corrections (
    audit_key              INTEGER PRIMARY KEY,
    lot_key                INTEGER NOT NULL REFERENCES dim_lot (lot_key), -- the run that corrected
    transaction_id         TEXT NOT NULL,
    old_machine_id         TEXT NOT NULL,
    old_site_location      TEXT NOT NULL,
    old_date               TIMESTAMPTZ NOT NULL,
    old_volume_transferred DOUBLE PRECISION NOT NULL, -- tonnes
    old_status_code        TEXT NOT NULL,
    old_critical_alert     INTEGER NOT NULL,
    old_source_line        INTEGER NOT NULL,
    old_lot_key            INTEGER NOT NULL REFERENCES dim_lot (lot_key)
);
CREATE INDEX audit_corrections_transaction ON audit_corrections (transaction_id);
