-- What is done with rejects outside of a load, each step found by its name.
-- Runs unchanged on SQLite and on PostgreSQL.

-- name: open_rejects
SELECT
    r.reject_key, l.run_id, r.source_file, r.source_sheet, r.source_line, r.rule_code, r.value
FROM rejets AS r JOIN dim_lot AS l ON l.lot_key = r.lot_key
WHERE r.status = 'ouvert'
ORDER BY r.lot_key, r.source_line, r.reject_key;

-- name: lots_to_correct
-- Grain: one row per run with open rejects.
SELECT
    lot_key, run_id, kind, transactions_path, transactions_file, transactions_sha256,
    transactions_sheet, mapping_path, mapping_sha256, reading
FROM dim_lot
WHERE lot_key IN (SELECT lot_key FROM rejets WHERE status = 'ouvert')
ORDER BY lot_key;

-- name: rows_to_correct
SELECT
    reject_key, source_sha256, source_file, source_sheet, source_line, rule_code, reason, remedy,
    other_rules, raw_row
FROM rejets
WHERE status = 'ouvert' AND lot_key = ?
ORDER BY source_line, reject_key;

-- name: abandoned
-- Grain: one row per reject to abandon.
CREATE TEMP TABLE abandoned (
    reject_key     INTEGER NOT NULL,
    abandoned_at   TIMESTAMPTZ NOT NULL,
    abandon_reason TEXT NOT NULL
);

-- name: unfit_abandoned
SELECT a.reject_key, r.status
FROM abandoned AS a LEFT JOIN rejets AS r ON r.reject_key = a.reject_key
WHERE r.status IS NULL OR r.status <> 'ouvert'
ORDER BY a.reject_key;

-- name: abandon
UPDATE rejets
SET status = 'abandonné', abandoned_at = a.abandoned_at, abandon_reason = a.abandon_reason
FROM abandoned AS a
WHERE a.reject_key = rejets.reject_key;
