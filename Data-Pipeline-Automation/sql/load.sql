-- Steps of one load, inside one transaction, each found by its name; `?` are bound in order.
-- Runs unchanged on SQLite and on PostgreSQL.

-- name: machine_list
-- Grain: one row per machine of this run's list.
CREATE TEMP TABLE machine_list (
    position          INTEGER NOT NULL,
    machine_id        TEXT NOT NULL,
    site_location     TEXT NOT NULL,
    installation_year INTEGER
);

-- name: leave_known_machines
DELETE FROM machine_list WHERE machine_id IN (SELECT machine_id FROM dim_machine);

-- name: add_sites
INSERT INTO dim_site (site_key, site_location)
SELECT last.site_key + ROW_NUMBER() OVER (ORDER BY n.position), n.site_location
FROM (SELECT MIN(position) AS position, site_location FROM machine_list GROUP BY site_location) AS n
CROSS JOIN (
    SELECT COALESCE(MAX(site_key), 0) AS site_key FROM dim_site WHERE site_key > 0
) AS last
LEFT JOIN dim_site AS s ON s.site_location = n.site_location
WHERE s.site_key IS NULL;

-- name: moved_machines
SELECT n.machine_id FROM machine_list AS n
JOIN dim_machine AS m ON m.machine_id = n.machine_id
WHERE m.site_location <> n.site_location
ORDER BY n.machine_id;

-- name: update_machines
UPDATE dim_machine
SET site_key = n.site_key, site_location = n.site_location, installation_year = n.installation_year
FROM (
    SELECT l.machine_id, s.site_key, l.site_location, l.installation_year
    FROM machine_list AS l JOIN dim_site AS s ON s.site_location = l.site_location
) AS n
WHERE n.machine_id = dim_machine.machine_id
  AND (n.site_key <> dim_machine.site_key
       OR COALESCE(n.installation_year, -1) <> COALESCE(dim_machine.installation_year, -1));

-- name: add_machines
INSERT INTO dim_machine (machine_key, machine_id, site_key, site_location, installation_year)
SELECT
    last.machine_key + ROW_NUMBER() OVER (ORDER BY n.position), n.machine_id, s.site_key,
    n.site_location, n.installation_year
FROM machine_list AS n
JOIN dim_site AS s ON s.site_location = n.site_location
CROSS JOIN (
    SELECT COALESCE(MAX(machine_key), 0) AS machine_key FROM dim_machine WHERE machine_key > 0
) AS last
LEFT JOIN dim_machine AS m ON m.machine_id = n.machine_id
WHERE m.machine_key IS NULL;

-- name: touched
-- Grain: one row per (day, site) whose transactions this run may change; repeats do no harm.
CREATE TEMP TABLE touched (date_key INTEGER NOT NULL, site_key INTEGER NOT NULL);

-- name: newly_known
-- Grain: one row per transaction whose machine, unknown so far, stands in this run's list.
CREATE TEMP TABLE newly_known AS
SELECT
    f.transaction_key, f.date_key, f.site_key AS old_site_key, m.machine_key, m.site_key,
    m.site_location
FROM fact_transactions AS f JOIN dim_machine AS m ON m.machine_id = f.machine_id
WHERE f.machine_key = -1 AND m.machine_key <> -1;

-- name: touch_newly_known
INSERT INTO touched (date_key, site_key)
SELECT date_key, old_site_key FROM newly_known
UNION
SELECT date_key, site_key FROM newly_known;

-- name: attach_newly_known
UPDATE fact_transactions
SET machine_key = n.machine_key, site_key = n.site_key, site_location = n.site_location
FROM newly_known AS n
WHERE n.transaction_key = fact_transactions.transaction_key;

-- name: staging
-- Grain: one row per accepted transaction of this run.
CREATE TEMP TABLE staging (
    transaction_id     TEXT NOT NULL,
    date_key           INTEGER NOT NULL,
    machine_key        INTEGER NOT NULL,
    site_key           INTEGER NOT NULL,
    statut_key         INTEGER NOT NULL,
    lot_key            INTEGER NOT NULL,
    date               TIMESTAMPTZ NOT NULL,
    machine_id         TEXT NOT NULL,
    site_location      TEXT NOT NULL,
    status_code        TEXT NOT NULL,
    volume_transferred DOUBLE PRECISION NOT NULL,
    critical_alert     INTEGER NOT NULL,
    source_line        INTEGER NOT NULL
);

-- name: known
-- Grain: one row per staged transaction that the warehouse holds already, with its state there.
-- change: 0 identical, 1 other values on the same day, site and machine, 2 moved.
CREATE TEMP TABLE known AS
SELECT
    CASE
        WHEN f.machine_id <> s.machine_id OR f.date_key <> s.date_key THEN 2
        WHEN f.date = s.date AND f.volume_transferred = s.volume_transferred
             AND f.status_code = s.status_code THEN 0
        WHEN f.machine_key = s.machine_key AND f.site_key = s.site_key THEN 1
        ELSE 2
    END AS change,
    f.transaction_key, f.transaction_id, f.date_key, f.site_key, f.machine_id, f.site_location,
    f.date, f.volume_transferred, f.status_code, f.critical_alert, f.source_line, f.lot_key
FROM staging AS s JOIN fact_transactions AS f ON f.transaction_id = s.transaction_id;

-- name: known_index
CREATE UNIQUE INDEX known_id ON known (transaction_id);

-- name: drop_identical
DELETE FROM staging
WHERE transaction_id IN (SELECT transaction_id FROM known WHERE change = 0);

-- name: forget_identical
DELETE FROM known WHERE change = 0;

-- name: audit
INSERT INTO audit_corrections (
    audit_key, lot_key, transaction_id, old_machine_id, old_site_location, old_date,
    old_volume_transferred, old_status_code, old_critical_alert, old_source_line, old_lot_key
)
SELECT
    last.audit_key + ROW_NUMBER() OVER (ORDER BY k.transaction_key), ?, k.transaction_id,
    k.machine_id, k.site_location, k.date, k.volume_transferred, k.status_code, k.critical_alert,
    k.source_line, k.lot_key
FROM known AS k
CROSS JOIN (SELECT COALESCE(MAX(audit_key), 0) AS audit_key FROM audit_corrections) AS last;

-- name: touch_changed
INSERT INTO touched (date_key, site_key)
SELECT date_key, site_key FROM known WHERE change = 2
UNION
SELECT s.date_key, s.site_key
FROM staging AS s LEFT JOIN known AS k ON k.transaction_id = s.transaction_id
WHERE k.change IS NULL OR k.change = 2;

-- name: shift_sums
-- Rows that stay on their day, site and machine move nothing but sums.
UPDATE aggr_daily_site_stats
SET total_volume = CAST(
        ROUND(CAST(aggr_daily_site_stats.total_volume + n.volume AS NUMERIC), 6)
        AS DOUBLE PRECISION
    ),
    total_alerts = aggr_daily_site_stats.total_alerts + n.alerts
FROM (
    SELECT
        k.date_key, k.site_key, SUM(s.volume_transferred - k.volume_transferred) AS volume,
        SUM(s.critical_alert - k.critical_alert) AS alerts
    FROM known AS k JOIN staging AS s ON s.transaction_id = k.transaction_id
    WHERE k.change = 1
    GROUP BY k.date_key, k.site_key
) AS n
WHERE n.date_key = aggr_daily_site_stats.date_key AND n.site_key = aggr_daily_site_stats.site_key;

-- name: correct_in_place
-- Apart from the moved rows: no index has to follow.
UPDATE fact_transactions
SET lot_key = n.lot_key,
    statut_key = n.statut_key,
    date = n.date,
    status_code = n.status_code,
    volume_transferred = n.volume_transferred,
    critical_alert = n.critical_alert,
    source_line = n.source_line
FROM (
    SELECT
        k.transaction_key, s.lot_key, s.statut_key, s.date, s.status_code, s.volume_transferred,
        s.critical_alert, s.source_line
    FROM known AS k JOIN staging AS s ON s.transaction_id = k.transaction_id
    WHERE k.change = 1
) AS n
WHERE n.transaction_key = fact_transactions.transaction_key;

-- name: correct_moved
UPDATE fact_transactions
SET date_key = n.date_key,
    machine_key = n.machine_key,
    site_key = n.site_key,
    statut_key = n.statut_key,
    lot_key = n.lot_key,
    date = n.date,
    machine_id = n.machine_id,
    site_location = n.site_location,
    status_code = n.status_code,
    volume_transferred = n.volume_transferred,
    critical_alert = n.critical_alert,
    source_line = n.source_line
FROM (
    SELECT k.transaction_key, s.*
    FROM known AS k JOIN staging AS s ON s.transaction_id = k.transaction_id
    WHERE k.change = 2
) AS n
WHERE n.transaction_key = fact_transactions.transaction_key;

-- name: add_facts
INSERT INTO fact_transactions (
    transaction_key, transaction_id, date_key, machine_key, site_key, statut_key, lot_key, date,
    machine_id, site_location, status_code, volume_transferred, critical_alert, source_line
)
SELECT
    last.transaction_key + ROW_NUMBER() OVER (ORDER BY s.source_line), s.transaction_id,
    s.date_key, s.machine_key, s.site_key, s.statut_key, s.lot_key, s.date, s.machine_id,
    s.site_location, s.status_code, s.volume_transferred, s.critical_alert, s.source_line
FROM staging AS s
CROSS JOIN (
    SELECT COALESCE(MAX(transaction_key), 0) AS transaction_key FROM fact_transactions
) AS last
LEFT JOIN known AS k ON k.transaction_id = s.transaction_id
WHERE k.transaction_id IS NULL;

-- name: forget_touched
DELETE FROM aggr_daily_site_stats
WHERE (date_key, site_key) IN (SELECT date_key, site_key FROM touched);

-- name: aggregate_touched
-- Rounded to the gram, as the loader's own sums are.
INSERT INTO aggr_daily_site_stats (
    date_key, site_key, day, site_location, total_volume, total_alerts, active_machines,
    transaction_count
)
SELECT
    n.date_key, n.site_key, d.day, s.site_location,
    CAST(ROUND(CAST(n.total_volume AS NUMERIC), 6) AS DOUBLE PRECISION), n.total_alerts,
    n.active_machines, n.transaction_count
FROM (
    SELECT
        f.date_key, f.site_key, SUM(f.volume_transferred) AS total_volume,
        SUM(f.critical_alert) AS total_alerts, COUNT(DISTINCT f.machine_id) AS active_machines,
        COUNT(*) AS transaction_count
    FROM (SELECT DISTINCT date_key, site_key FROM touched) AS t
    CROSS JOIN fact_transactions AS f -- SQLite then goes by the touched days, not by all facts
    WHERE f.date_key = t.date_key AND f.site_key = t.site_key
    GROUP BY f.date_key, f.site_key
) AS n
JOIN dim_date AS d ON d.date_key = n.date_key
JOIN dim_site AS s ON s.site_key = n.site_key;

-- name: staged_rejects
-- Grain: one row per rejected line of this run.
CREATE TEMP TABLE staged_rejects (
    source_line INTEGER NOT NULL,
    rule_code   TEXT NOT NULL,
    column_name TEXT NOT NULL,
    value       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    remedy      TEXT NOT NULL,
    other_rules TEXT NOT NULL,
    raw_row     TEXT NOT NULL
);

-- name: upsert_rejects
INSERT INTO rejets (
    reject_key, lot_key, first_lot_key, source_sha256, source_file, source_sheet, source_line,
    rule_code, column_name, value, reason, remedy, other_rules, raw_row
)
SELECT
    last.reject_key + ROW_NUMBER() OVER (ORDER BY s.source_line), l.lot_key, l.lot_key,
    l.transactions_sha256, l.transactions_file, l.transactions_sheet, s.source_line, s.rule_code,
    s.column_name, s.value, s.reason, s.remedy, s.other_rules, s.raw_row
FROM staged_rejects AS s
JOIN dim_lot AS l ON l.lot_key = ?
CROSS JOIN (SELECT COALESCE(MAX(reject_key), 0) AS reject_key FROM rejets) AS last
WHERE true
ON CONFLICT (source_sha256, source_sheet, source_line) DO UPDATE
SET lot_key = excluded.lot_key,
    source_file = excluded.source_file,
    rule_code = excluded.rule_code,
    column_name = excluded.column_name,
    value = excluded.value,
    reason = excluded.reason,
    remedy = excluded.remedy,
    other_rules = excluded.other_rules,
    raw_row = excluded.raw_row;

-- name: close_accepted_rejects
-- The same content, read whole, and this time the row was not rejected: another mapping read it.
UPDATE rejets
SET status = 'corrigé', closed_lot_key = l.lot_key, closed_line = rejets.source_line
FROM dim_lot AS l
WHERE l.lot_key = ? AND rejets.status = 'ouvert' AND rejets.lot_key <> l.lot_key
  AND rejets.source_sha256 = l.transactions_sha256
  AND rejets.source_sheet = l.transactions_sheet;

-- name: resubmitted
-- Grain: one row per line of this run's file that corrects a reject.
CREATE TEMP TABLE resubmitted (
    source_line   INTEGER NOT NULL,
    reject_key    INTEGER NOT NULL,
    source_sha256 TEXT NOT NULL -- of the file that was rejected
);

-- name: unfit_resubmitted
SELECT n.source_line, r.status, l.run_id
FROM resubmitted AS n
LEFT JOIN rejets AS r ON r.reject_key = n.reject_key AND r.source_sha256 = n.source_sha256
LEFT JOIN dim_lot AS l ON l.lot_key = r.closed_lot_key
WHERE r.status IS NULL OR r.status <> 'ouvert'
ORDER BY n.source_line;

-- name: colliding_resubmitted
-- Grain: one row per line given back that would correct a transaction of the warehouse, with the row
-- that an export had, however many times it was given back since.
WITH RECURSIVE origin (source_line, transaction_id, lot_key, line, raw_row) AS (
    SELECT s.source_line, s.transaction_id, r.first_lot_key, r.source_line, r.raw_row
    FROM known AS k
    JOIN staging AS s ON s.transaction_id = k.transaction_id
    JOIN resubmitted AS n ON n.source_line = s.source_line
    JOIN rejets AS r ON r.reject_key = n.reject_key
    UNION ALL
    SELECT o.source_line, o.transaction_id, r.first_lot_key, r.source_line, r.raw_row
    FROM origin AS o
    JOIN rejets AS r ON r.closed_lot_key = o.lot_key AND r.closed_line = o.line
    WHERE r.status = 'remplacé'
)
SELECT o.source_line, o.transaction_id, o.raw_row
FROM origin AS o JOIN dim_lot AS l ON l.lot_key = o.lot_key
WHERE l.kind = 'chargement'
ORDER BY o.source_line;

-- name: forget_refused
DELETE FROM known
WHERE transaction_id IN (
    SELECT s.transaction_id
    FROM staging AS s JOIN staged_rejects AS r ON r.source_line = s.source_line
);

-- name: drop_refused
DELETE FROM staging WHERE source_line IN (SELECT source_line FROM staged_rejects);

-- name: close_resubmitted
UPDATE rejets
SET status = n.status, closed_lot_key = ?, closed_line = n.source_line
FROM (
    SELECT
        c.reject_key,
        c.source_line,
        CASE WHEN s.source_line IS NULL THEN 'corrigé' ELSE 'remplacé' END AS status
    FROM resubmitted AS c LEFT JOIN staged_rejects AS s ON s.source_line = c.source_line
) AS n
WHERE n.reject_key = rejets.reject_key;

-- name: open_rejects
SELECT COUNT(*) FROM rejets WHERE status = 'ouvert';

-- name: close_lot
UPDATE dim_lot
SET rows_read = ?, rows_loaded = ?, rows_inserted = ?, rows_corrected = ?, rows_rejected = ?,
    rows_duplicate = ?, rows_skipped = ?, blank_lines = ?, volume_loaded = ?, duration_s = ?
WHERE lot_key = ?;
