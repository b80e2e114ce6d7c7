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

ALTER TABLE rejets ADD COLUMN abandoned_at TIMESTAMPTZ;
ALTER TABLE rejets ADD COLUMN abandon_reason TEXT;
ALTER TABLE rejets DROP CONSTRAINT rejets_status_check;
ALTER TABLE rejets DROP CONSTRAINT rejets_check;
ALTER TABLE rejets ADD CONSTRAINT rejets_status_check
    CHECK (status IN ('ouvert', 'corrigé', 'remplacé', 'abandonné'));
ALTER TABLE rejets ADD CONSTRAINT rejets_check
    CHECK ((status IN ('corrigé', 'remplacé')) = (closed_lot_key IS NOT NULL));
ALTER TABLE rejets ADD CONSTRAINT rejets_check1
    CHECK ((status = 'abandonné') = (abandoned_at IS NOT NULL AND abandon_reason IS NOT NULL));
