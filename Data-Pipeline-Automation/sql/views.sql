-- Views with readable French names, for Power BI and for the Excel report.

-- Grain: one row per transaction.
CREATE VIEW v_transactions AS
SELECT
    transaction_id                AS "Transaction",
    machine_id                    AS "Machine",
    site_location                 AS "Site",
    installation_year             AS "Année d'installation",
    datetime(date, '+60 minutes') AS "Date (Douala)",
    day                           AS "Jour",
    volume_transferred            AS "Volume (t)",
    status_code                   AS "Statut",
    critical_alert                AS "Alerte critique",
    source_file                   AS "Fichier source",
    source_line                   AS "Ligne source",
    run_id                        AS "Lot"
FROM fact_transactions;

-- Grain: one row per (day, site).
CREATE VIEW v_stats_sites AS
SELECT
    day               AS "Jour",
    site_location     AS "Site",
    total_volume      AS "Volume (t)",
    total_alerts      AS "Alertes critiques",
    active_machines   AS "Machines actives",
    transaction_count AS "Transactions"
FROM aggr_daily_site_stats;

-- Grain: one row per site.
CREATE VIEW v_sites AS
SELECT
    site_location          AS "Site",
    SUM(total_volume)      AS "Volume (t)",
    SUM(total_alerts)      AS "Alertes critiques",
    SUM(transaction_count) AS "Transactions"
FROM aggr_daily_site_stats
GROUP BY site_location;

-- Grain: one row per day.
CREATE VIEW v_jours AS
SELECT
    day                    AS "Jour",
    SUM(total_volume)      AS "Volume (t)",
    SUM(total_alerts)      AS "Alertes critiques",
    SUM(transaction_count) AS "Transactions"
FROM aggr_daily_site_stats
GROUP BY day;

-- Grain: one row per (machine, site) with at least one transaction.
CREATE VIEW v_machines AS
SELECT
    machine_id                  AS "Machine",
    site_location               AS "Site",
    MAX(installation_year)      AS "Année d'installation",
    COUNT(*)                    AS "Transactions",
    SUM(volume_transferred)     AS "Volume (t)",
    SUM(status_code = 'WARN')   AS "Avertissements",
    SUM(status_code = 'ERR')    AS "Erreurs",
    AVG(status_code = 'ERR')    AS "Taux d'erreur",
    SUM(critical_alert)         AS "Alertes critiques"
FROM fact_transactions
GROUP BY machine_id, site_location;

-- Grain: one row per rejected line.
CREATE VIEW v_rejets AS
SELECT
    source_file  AS "Fichier",
    source_sheet AS "Feuille",
    source_line  AS "Ligne",
    rule_code    AS "Règle",
    column_name  AS "Colonne",
    value        AS "Valeur",
    reason       AS "Motif",
    remedy       AS "Remède",
    other_rules  AS "Autres règles",
    raw_row      AS "Ligne d'origine",
    run_id       AS "Lot"
FROM rejets;

-- Grain: one row per run.
CREATE VIEW v_lots AS
SELECT
    run_id              AS "Lot",
    started_at          AS "Début (UTC)",
    duration_s          AS "Durée (s)",
    rows_read           AS "Lues",
    rows_loaded         AS "Chargées",
    rows_rejected       AS "Rejetées",
    rows_duplicate      AS "Doublons",
    rows_corrected      AS "Corrigées",
    volume_loaded       AS "Volume chargé (t)",
    transactions_path   AS "Fichier des transactions",
    transactions_sha256 AS "Empreinte des transactions",
    machines_path       AS "Fichier des machines",
    machines_sha256     AS "Empreinte des machines",
    version             AS "Version"
FROM dim_lot;
