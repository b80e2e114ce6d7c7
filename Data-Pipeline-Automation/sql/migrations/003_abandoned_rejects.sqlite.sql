-- From version 2 to version 3: rejects can be abandoned with a reason, and a run keeps how its rows
-- were read, so that a lost rejects workbook can be written again. Frozen: later changes of the schema
-- have scripts of their own.

DROP VIEW IF EXISTS v_transactions;
DROP VIEW IF EXISTS v_stats_sites;
DROP VIEW IF EXISTS v_sites;
DROP VIEW IF EXISTS v_jours;
DROP VIEW IF EXISTS v_machines;
DROP VIEW IF EXISTS v_rejets;
DROP VIEW IF EXISTS v_lots;
DROP VIEW IF EXISTS v_corrections;
DROP VIEW IF EXISTS v_calendrier;
DROP VIEW IF EXISTS v_parc;
DROP VIEW IF EXISTS v_lieux;
DROP VIEW IF EXISTS v_statuts;

ALTER TABLE dim_lot ADD COLUMN reading TEXT;

-- SQLite changes no constraint of a table that exists.
DROP INDEX rejets_lot;
DROP INDEX rejets_closed;
ALTER TABLE rejets RENAME TO v2_rejets;
CREATE TABLE rejets (
    reject_key     INTEGER PRIMARY KEY,
    lot_key        INTEGER NOT NULL REFERENCES dim_lot (lot_key),
    first_lot_key  INTEGER NOT NULL REFERENCES dim_lot (lot_key),
    status         TEXT NOT NULL DEFAULT 'ouvert'
                   CHECK (status IN ('ouvert', 'corrigé', 'remplacé', 'abandonné')),
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
    abandoned_at   TIMESTAMPTZ,
    abandon_reason TEXT,
    UNIQUE (source_sha256, source_sheet, source_line),
    CHECK ((status IN ('corrigé', 'remplacé')) = (closed_lot_key IS NOT NULL)),
    CHECK ((status = 'abandonné') = (abandoned_at IS NOT NULL AND abandon_reason IS NOT NULL))
);
INSERT INTO rejets (
    reject_key, lot_key, first_lot_key, status, closed_lot_key, closed_line, source_sha256,
    source_file, source_sheet, source_line, rule_code, column_name, value, reason, remedy,
    other_rules, raw_row
)
SELECT
    reject_key, lot_key, first_lot_key, status, closed_lot_key, closed_line, source_sha256,
    source_file, source_sheet, source_line, rule_code, column_name, value, reason, remedy,
    other_rules, raw_row
FROM v2_rejets;
DROP TABLE v2_rejets;
CREATE INDEX rejets_lot ON rejets (lot_key);
CREATE INDEX rejets_closed ON rejets (closed_lot_key);
