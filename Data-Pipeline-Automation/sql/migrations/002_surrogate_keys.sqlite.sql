-- From version 1 to version 2: integer keys, a calendar, sites and statuses as dimensions, states of
-- rejects. Every run, machine, transaction, reject and correction is kept. Frozen: later changes of
-- the schema have scripts of their own.

DROP VIEW v_transactions;
DROP VIEW v_stats_sites;
DROP VIEW v_sites;
DROP VIEW v_jours;
DROP VIEW v_machines;
DROP VIEW v_rejets;
DROP VIEW v_lots;
DROP INDEX fact_transactions_day_site;
DROP INDEX fact_transactions_unknown;
DROP INDEX rejets_run;
ALTER TABLE dim_lot RENAME TO v1_lot;
ALTER TABLE dim_machine RENAME TO v1_machine;
ALTER TABLE fact_transactions RENAME TO v1_transactions;
ALTER TABLE aggr_daily_site_stats RENAME TO v1_stats;
ALTER TABLE rejets RENAME TO v1_rejets;
ALTER TABLE audit_corrections RENAME TO v1_corrections;

CREATE TABLE dim_lot (
    lot_key             INTEGER PRIMARY KEY,
    run_id              TEXT NOT NULL UNIQUE,
    started_at          TIMESTAMPTZ NOT NULL,
    duration_s          DOUBLE PRECISION NOT NULL DEFAULT 0,
    version             TEXT NOT NULL,
    kind                TEXT NOT NULL CHECK (kind IN ('chargement', 'reprise')),
    transactions_path   TEXT NOT NULL,
    transactions_file   TEXT NOT NULL,
    transactions_sha256 TEXT NOT NULL,
    transactions_sheet  TEXT NOT NULL DEFAULT '',
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
    rows_skipped        INTEGER NOT NULL DEFAULT 0,
    blank_lines         INTEGER NOT NULL DEFAULT 0,
    volume_loaded       DOUBLE PRECISION NOT NULL DEFAULT 0,
    CHECK (rows_read = rows_loaded + rows_rejected + rows_duplicate),
    CHECK (rows_loaded = rows_inserted + rows_corrected)
);

CREATE TABLE dim_date (
    date_key     INTEGER PRIMARY KEY,
    day          DATE NOT NULL UNIQUE,
    annee        INTEGER NOT NULL,
    trimestre    INTEGER NOT NULL,
    mois         INTEGER NOT NULL,
    nom_mois     TEXT NOT NULL,
    annee_mois   TEXT NOT NULL,
    annee_iso    INTEGER NOT NULL,
    semaine_iso  INTEGER NOT NULL,
    jour_mois    INTEGER NOT NULL,
    jour_annee   INTEGER NOT NULL,
    jour_semaine INTEGER NOT NULL,
    nom_jour     TEXT NOT NULL,
    est_weekend  INTEGER NOT NULL CHECK (est_weekend IN (0, 1))
);

CREATE TABLE dim_site (
    site_key      INTEGER PRIMARY KEY,
    site_location TEXT NOT NULL UNIQUE
);
INSERT INTO dim_site (site_key, site_location) VALUES (-1, 'Inconnu');

CREATE TABLE dim_machine (
    machine_key       INTEGER PRIMARY KEY,
    machine_id        TEXT NOT NULL UNIQUE,
    site_key          INTEGER NOT NULL REFERENCES dim_site (site_key),
    site_location     TEXT NOT NULL,
    installation_year INTEGER
);
INSERT INTO dim_machine (machine_key, machine_id, site_key, site_location)
VALUES (-1, 'Inconnu', -1, 'Inconnu');

CREATE TABLE dim_statut (
    statut_key  INTEGER PRIMARY KEY,
    status_code TEXT NOT NULL UNIQUE,
    libelle     TEXT NOT NULL,
    est_alerte  INTEGER NOT NULL CHECK (est_alerte IN (0, 1))
);
INSERT INTO dim_statut (statut_key, status_code, libelle, est_alerte)
VALUES (-1, 'Inconnu', 'Inconnu', 0), (1, 'OK', 'Normal', 0), (2, 'WARN', 'Avertissement', 1),
       (3, 'ERR', 'Erreur', 1);

CREATE TABLE fact_transactions (
    transaction_key    INTEGER PRIMARY KEY,
    transaction_id     TEXT NOT NULL,
    date_key           INTEGER NOT NULL REFERENCES dim_date (date_key),
    machine_key        INTEGER NOT NULL REFERENCES dim_machine (machine_key),
    site_key           INTEGER NOT NULL REFERENCES dim_site (site_key),
    statut_key         INTEGER NOT NULL REFERENCES dim_statut (statut_key),
    lot_key            INTEGER NOT NULL REFERENCES dim_lot (lot_key),
    date               TIMESTAMPTZ NOT NULL,
    machine_id         TEXT NOT NULL,
    site_location      TEXT NOT NULL,
    status_code        TEXT NOT NULL,
    volume_transferred DOUBLE PRECISION NOT NULL CHECK (volume_transferred >= 0),
    critical_alert     INTEGER NOT NULL CHECK (critical_alert IN (0, 1)),
    source_line        INTEGER NOT NULL,
    CHECK (status_code = 'OK' OR status_code = 'WARN' OR status_code = 'ERR')
);

CREATE TABLE aggr_daily_site_stats (
    date_key          INTEGER NOT NULL REFERENCES dim_date (date_key),
    site_key          INTEGER NOT NULL REFERENCES dim_site (site_key),
    day               DATE NOT NULL,
    site_location     TEXT NOT NULL,
    total_volume      DOUBLE PRECISION NOT NULL,
    total_alerts      INTEGER NOT NULL,
    active_machines   INTEGER NOT NULL,
    transaction_count INTEGER NOT NULL,
    PRIMARY KEY (date_key, site_key)
);

CREATE TABLE rejets (
    reject_key     INTEGER PRIMARY KEY,
    lot_key        INTEGER NOT NULL REFERENCES dim_lot (lot_key),
    first_lot_key  INTEGER NOT NULL REFERENCES dim_lot (lot_key),
    status         TEXT NOT NULL DEFAULT 'ouvert' CHECK (status IN ('ouvert', 'corrigé', 'remplacé')),
    closed_lot_key INTEGER REFERENCES dim_lot (lot_key),
    closed_line    INTEGER,
    source_sha256  TEXT NOT NULL,
    source_file    TEXT NOT NULL,
    source_sheet   TEXT NOT NULL DEFAULT '',
    source_line    INTEGER NOT NULL,
    rule_code      TEXT NOT NULL,
    column_name    TEXT NOT NULL,
    value          TEXT NOT NULL,
    reason         TEXT NOT NULL,
    remedy         TEXT NOT NULL,
    other_rules    TEXT NOT NULL,
    raw_row        TEXT NOT NULL,
    UNIQUE (source_sha256, source_sheet, source_line),
    CHECK ((status = 'ouvert') = (closed_lot_key IS NULL))
);
CREATE INDEX rejets_lot ON rejets (lot_key);
CREATE INDEX rejets_closed ON rejets (closed_lot_key);

CREATE TABLE audit_corrections (
    audit_key              INTEGER PRIMARY KEY,
    lot_key                INTEGER NOT NULL REFERENCES dim_lot (lot_key),
    transaction_id         TEXT NOT NULL,
    old_machine_id         TEXT NOT NULL,
    old_site_location      TEXT NOT NULL,
    old_date               TIMESTAMPTZ NOT NULL,
    old_volume_transferred DOUBLE PRECISION NOT NULL,
    old_status_code        TEXT NOT NULL,
    old_critical_alert     INTEGER NOT NULL,
    old_source_line        INTEGER NOT NULL,
    old_lot_key            INTEGER NOT NULL REFERENCES dim_lot (lot_key)
);
CREATE INDEX audit_corrections_transaction ON audit_corrections (transaction_id);

INSERT INTO dim_lot (
    lot_key, run_id, started_at, duration_s, version, kind, transactions_path, transactions_file,
    transactions_sha256, transactions_sheet, machines_path, machines_sha256, mapping_path,
    mapping_sha256, rows_read, rows_loaded, rows_inserted, rows_corrected, rows_rejected,
    rows_duplicate, rows_skipped, blank_lines, volume_loaded
)
SELECT
    ROW_NUMBER() OVER (ORDER BY rowid), run_id, RTRIM(started_at, 'Z'), duration_s, version,
    'chargement', transactions_path,
    -- What follows the last slash of either kind.
    SUBSTR(
        transactions_path,
        LENGTH(RTRIM(transactions_path, REPLACE(REPLACE(transactions_path, '/', ''), '\', ''))) + 1
    ),
    transactions_sha256, '', machines_path, machines_sha256, mapping_path, mapping_sha256,
    rows_read, rows_loaded, rows_inserted, rows_corrected, rows_rejected, rows_duplicate, 0,
    blank_lines, volume_loaded
FROM v1_lot;

INSERT INTO dim_date
WITH RECURSIVE days (day, last) AS (
    SELECT DATE(MIN(day), 'start of year'), DATE(MAX(day), 'start of year', '+1 year', '-1 day')
    FROM v1_stats HAVING COUNT(*) > 0
    UNION ALL
    SELECT DATE(day, '+1 day'), last FROM days WHERE day < last
)
SELECT
    CAST(STRFTIME('%Y%m%d', day) AS INTEGER),
    day,
    CAST(STRFTIME('%Y', day) AS INTEGER),
    (CAST(STRFTIME('%m', day) AS INTEGER) + 2) / 3,
    CAST(STRFTIME('%m', day) AS INTEGER),
    CASE STRFTIME('%m', day)
        WHEN '01' THEN 'janvier' WHEN '02' THEN 'février' WHEN '03' THEN 'mars'
        WHEN '04' THEN 'avril' WHEN '05' THEN 'mai' WHEN '06' THEN 'juin'
        WHEN '07' THEN 'juillet' WHEN '08' THEN 'août' WHEN '09' THEN 'septembre'
        WHEN '10' THEN 'octobre' WHEN '11' THEN 'novembre' ELSE 'décembre'
    END,
    STRFTIME('%Y-%m', day),
    CAST(STRFTIME('%G', day) AS INTEGER),
    CAST(STRFTIME('%V', day) AS INTEGER),
    CAST(STRFTIME('%d', day) AS INTEGER),
    CAST(STRFTIME('%j', day) AS INTEGER),
    CAST(STRFTIME('%u', day) AS INTEGER),
    CASE STRFTIME('%u', day)
        WHEN '1' THEN 'lundi' WHEN '2' THEN 'mardi' WHEN '3' THEN 'mercredi'
        WHEN '4' THEN 'jeudi' WHEN '5' THEN 'vendredi' WHEN '6' THEN 'samedi' ELSE 'dimanche'
    END,
    CASE WHEN STRFTIME('%u', day) IN ('6', '7') THEN 1 ELSE 0 END
FROM days;

INSERT INTO dim_site (site_key, site_location)
SELECT ROW_NUMBER() OVER (ORDER BY MIN(place), site_location), site_location
FROM (
    SELECT machine_key AS place, site_location FROM v1_machine
    UNION ALL
    SELECT 9000000000, site_location FROM v1_stats
)
WHERE site_location <> 'Inconnu'
GROUP BY site_location;

INSERT INTO dim_machine (machine_key, machine_id, site_key, site_location, installation_year)
SELECT m.machine_key, m.machine_id, s.site_key, m.site_location, m.installation_year
FROM v1_machine AS m JOIN dim_site AS s ON s.site_location = m.site_location
WHERE m.machine_key <> -1;

INSERT INTO fact_transactions (
    transaction_key, transaction_id, date_key, machine_key, site_key, statut_key, lot_key, date,
    machine_id, site_location, status_code, volume_transferred, critical_alert, source_line
)
SELECT
    f.transaction_key, f.transaction_id, CAST(REPLACE(f.day, '-', '') AS INTEGER), f.machine_key,
    s.site_key, t.statut_key, l.lot_key, RTRIM(f.date, 'Z'), f.machine_id, f.site_location,
    f.status_code, f.volume_transferred, f.critical_alert, f.source_line
FROM v1_transactions AS f
JOIN dim_site AS s ON s.site_location = f.site_location
JOIN dim_statut AS t ON t.status_code = f.status_code
JOIN dim_lot AS l ON l.run_id = f.run_id
ORDER BY f.transaction_key;
CREATE UNIQUE INDEX fact_transactions_id ON fact_transactions (transaction_id);
CREATE INDEX fact_transactions_day_site ON fact_transactions (date_key, site_key);
CREATE INDEX fact_transactions_unknown ON fact_transactions (machine_id) WHERE machine_key = -1;

INSERT INTO aggr_daily_site_stats (
    date_key, site_key, day, site_location, total_volume, total_alerts, active_machines,
    transaction_count
)
SELECT
    CAST(REPLACE(a.day, '-', '') AS INTEGER), s.site_key, a.day, a.site_location, a.total_volume,
    a.total_alerts, a.active_machines, a.transaction_count
FROM v1_stats AS a JOIN dim_site AS s ON s.site_location = a.site_location;

INSERT INTO rejets (
    reject_key, lot_key, first_lot_key, source_sha256, source_file, source_sheet, source_line,
    rule_code, column_name, value, reason, remedy, other_rules, raw_row
)
SELECT
    r.reject_key, l.lot_key, f.lot_key, r.source_sha256, r.source_file, r.source_sheet,
    r.source_line, r.rule_code, r.column_name, r.value, r.reason, r.remedy, r.other_rules, r.raw_row
FROM v1_rejets AS r
JOIN dim_lot AS l ON l.run_id = r.run_id
JOIN dim_lot AS f ON f.run_id = r.first_run_id;

INSERT INTO audit_corrections (
    audit_key, lot_key, transaction_id, old_machine_id, old_site_location, old_date,
    old_volume_transferred, old_status_code, old_critical_alert, old_source_line, old_lot_key
)
SELECT
    a.audit_key, l.lot_key, a.transaction_id, a.old_machine_id, a.old_site_location,
    RTRIM(a.old_date, 'Z'), a.old_volume_transferred, a.old_status_code, a.old_critical_alert,
    a.old_source_line, o.lot_key
FROM v1_corrections AS a
JOIN dim_lot AS l ON l.run_id = a.run_id
JOIN dim_lot AS o ON o.run_id = a.old_run_id;

DROP TABLE v1_corrections;
DROP TABLE v1_rejets;
DROP TABLE v1_stats;
DROP TABLE v1_transactions;
DROP TABLE v1_machine;
DROP TABLE v1_lot;
