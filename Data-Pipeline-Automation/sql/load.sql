-- Steps of one load, inside one transaction; each is found by its name.

-- name: staging
-- Grain: one row per accepted transaction of this run; emptied of those that change nothing.
CREATE TEMP TABLE staging (
    transaction_id     TEXT PRIMARY KEY,
    machine_id         TEXT NOT NULL,
    site_location      TEXT NOT NULL,
    installation_year  INTEGER,
    date               TEXT NOT NULL,
    day                TEXT NOT NULL,
    volume_transferred REAL NOT NULL,
    status_code        TEXT NOT NULL,
    critical_alert     INTEGER NOT NULL,
    source_line        INTEGER NOT NULL
) WITHOUT ROWID;

-- name: touched
-- Grain: one row per (day, site) whose transactions this run changes.
CREATE TEMP TABLE touched (
    day           TEXT NOT NULL,
    site_location TEXT NOT NULL,
    PRIMARY KEY (day, site_location)
) WITHOUT ROWID;

-- name: upsert_machine
INSERT INTO dim_machine (machine_id, site_location, installation_year)
VALUES (:machine_id, :site_location, :installation_year)
ON CONFLICT (machine_id) DO UPDATE
SET site_location = excluded.site_location, installation_year = excluded.installation_year;

-- name: touch_newly_known
INSERT OR IGNORE INTO touched (day, site_location)
SELECT day, site_location FROM fact_transactions
WHERE machine_key = -1 AND machine_id IN (SELECT machine_id FROM dim_machine WHERE machine_key <> -1)
UNION
SELECT f.day, m.site_location
FROM fact_transactions AS f JOIN dim_machine AS m USING (machine_id)
WHERE f.machine_key = -1 AND m.machine_key <> -1;

-- name: attach_newly_known
UPDATE fact_transactions
SET (machine_key, site_location, installation_year) = (
    SELECT m.machine_key, m.site_location, m.installation_year
    FROM dim_machine AS m WHERE m.machine_id = fact_transactions.machine_id
)
WHERE machine_key = -1 AND machine_id IN (SELECT machine_id FROM dim_machine WHERE machine_key <> -1);

-- name: locate_known
-- A machine that this run's list lacks keeps the site that an earlier list gave it.
UPDATE staging
SET (site_location, installation_year) = (
    SELECT m.site_location, m.installation_year
    FROM dim_machine AS m WHERE m.machine_id = staging.machine_id
)
WHERE site_location = 'Inconnu'
  AND machine_id IN (SELECT machine_id FROM dim_machine WHERE machine_key <> -1);

-- name: unknown_machines
SELECT DISTINCT machine_id FROM staging WHERE site_location = 'Inconnu' ORDER BY machine_id;

-- name: drop_identical
DELETE FROM staging
WHERE EXISTS (
    SELECT 1 FROM fact_transactions AS f
    WHERE f.transaction_id = staging.transaction_id
      AND f.machine_id = staging.machine_id
      AND f.date = staging.date
      AND f.volume_transferred = staging.volume_transferred
      AND f.status_code = staging.status_code
);

-- name: audit
INSERT INTO audit_corrections (
    run_id, transaction_id, old_machine_id, old_site_location, old_date, old_volume_transferred,
    old_status_code, old_critical_alert, old_source_file, old_source_sheet, old_source_line,
    old_run_id
)
SELECT
    :run_id, f.transaction_id, f.machine_id, f.site_location, f.date, f.volume_transferred,
    f.status_code, f.critical_alert, f.source_file, f.source_sheet, f.source_line, f.run_id
FROM staging JOIN fact_transactions AS f USING (transaction_id)
ORDER BY f.transaction_key;

-- name: touch_changed
INSERT OR IGNORE INTO touched (day, site_location)
SELECT f.day, f.site_location FROM staging JOIN fact_transactions AS f USING (transaction_id)
UNION
SELECT day, site_location FROM staging;

-- name: upsert_fact
INSERT INTO fact_transactions (
    transaction_id, machine_key, machine_id, site_location, installation_year, date, day,
    volume_transferred, status_code, critical_alert, source_file, source_sheet, source_line, run_id
)
SELECT
    s.transaction_id, COALESCE(m.machine_key, -1), s.machine_id, s.site_location,
    s.installation_year, s.date, s.day, s.volume_transferred, s.status_code, s.critical_alert,
    :source_file, :source_sheet, s.source_line, :run_id
FROM staging AS s LEFT JOIN dim_machine AS m ON m.machine_id = s.machine_id AND m.machine_key <> -1
WHERE true
ORDER BY s.source_line
ON CONFLICT (transaction_id) DO UPDATE
SET machine_key = excluded.machine_key,
    machine_id = excluded.machine_id,
    site_location = excluded.site_location,
    installation_year = excluded.installation_year,
    date = excluded.date,
    day = excluded.day,
    volume_transferred = excluded.volume_transferred,
    status_code = excluded.status_code,
    critical_alert = excluded.critical_alert,
    source_file = excluded.source_file,
    source_sheet = excluded.source_sheet,
    source_line = excluded.source_line,
    run_id = excluded.run_id;

-- name: forget_touched
DELETE FROM aggr_daily_site_stats WHERE (day, site_location) IN (SELECT * FROM touched);

-- name: aggregate_touched
INSERT INTO aggr_daily_site_stats (
    day, site_location, total_volume, total_alerts, active_machines, transaction_count
)
SELECT
    f.day, f.site_location, SUM(f.volume_transferred), SUM(f.critical_alert),
    COUNT(DISTINCT f.machine_id), COUNT(*)
FROM touched JOIN fact_transactions AS f USING (day, site_location)
GROUP BY f.day, f.site_location;

-- name: upsert_reject
INSERT INTO rejets (
    run_id, first_run_id, source_sha256, source_file, source_sheet, source_line, rule_code,
    column_name, value, reason, remedy, other_rules, raw_row
)
VALUES (
    :run_id, :run_id, :source_sha256, :source_file, :source_sheet, :source_line, :rule_code,
    :column_name, :value, :reason, :remedy, :other_rules, :raw_row
)
ON CONFLICT (source_sha256, source_sheet, source_line) DO UPDATE
SET run_id = excluded.run_id,
    source_file = excluded.source_file,
    rule_code = excluded.rule_code,
    column_name = excluded.column_name,
    value = excluded.value,
    reason = excluded.reason,
    remedy = excluded.remedy,
    other_rules = excluded.other_rules,
    raw_row = excluded.raw_row;
