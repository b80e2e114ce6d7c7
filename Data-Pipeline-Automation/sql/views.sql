-- Views with readable French names, for Power BI and for the Excel report.
-- `douala_time(column)` and `utc_time(column)` stand for each database's way to write an instant as
-- local time; the loader replaces them. Joins are outer so that both planners leave out the
-- dimensions that a query does not show.

-- Grain: one row per transaction.
CREATE VIEW v_transactions AS
SELECT
    f.transaction_id     AS "Transaction",
    f.machine_id         AS "Machine",
    f.site_location      AS "Site",
    m.installation_year  AS "Année d'installation",
    douala_time(f.date)  AS "Date (Douala)",
    d.day                AS "Jour",
    f.volume_transferred AS "Volume (t)",
    f.status_code        AS "Statut",
    f.critical_alert     AS "Alerte critique",
    l.transactions_file  AS "Fichier source",
    l.transactions_sheet AS "Feuille source",
    f.source_line        AS "Ligne source",
    l.run_id             AS "Lot",
    f.date_key           AS "Clé jour",
    f.machine_key        AS "Clé machine",
    f.site_key           AS "Clé site",
    f.statut_key         AS "Clé statut",
    f.lot_key            AS "Clé lot"
FROM fact_transactions AS f
LEFT JOIN dim_machine AS m ON m.machine_key = f.machine_key
LEFT JOIN dim_date AS d ON d.date_key = f.date_key
LEFT JOIN dim_lot AS l ON l.lot_key = f.lot_key;

-- Grain: one row per (day, site) that has at least one transaction.
CREATE VIEW v_stats_sites AS
SELECT
    day               AS "Jour",
    site_location     AS "Site",
    total_volume      AS "Volume (t)",
    total_alerts      AS "Alertes critiques",
    active_machines   AS "Machines actives",
    transaction_count AS "Transactions",
    date_key          AS "Clé jour",
    site_key          AS "Clé site"
FROM aggr_daily_site_stats;

-- Grain: one row per site that has at least one transaction.
CREATE VIEW v_sites AS
SELECT
    site_location          AS "Site",
    SUM(total_volume)      AS "Volume (t)",
    SUM(total_alerts)      AS "Alertes critiques",
    SUM(transaction_count) AS "Transactions"
FROM aggr_daily_site_stats
GROUP BY site_location;

-- Grain: one row per day that has at least one transaction.
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
    f.machine_id             AS "Machine",
    f.site_location          AS "Site",
    MAX(m.installation_year) AS "Année d'installation",
    COUNT(*)                 AS "Transactions",
    SUM(f.volume_transferred) AS "Volume (t)",
    SUM(CASE WHEN f.status_code = 'WARN' THEN 1 ELSE 0 END) AS "Avertissements",
    SUM(CASE WHEN f.status_code = 'ERR' THEN 1 ELSE 0 END)  AS "Erreurs",
    CAST(AVG(CASE WHEN f.status_code = 'ERR' THEN 1.0 ELSE 0.0 END) AS DOUBLE PRECISION)
        AS "Taux d'erreur",
    SUM(f.critical_alert)    AS "Alertes critiques"
FROM fact_transactions AS f
LEFT JOIN dim_machine AS m ON m.machine_key = f.machine_key
GROUP BY f.machine_id, f.site_location;

-- Grain: one row per rejected line; "Lot" is the latest run that met it, "Clos par" the run that
-- loaded or replaced it, empty when it was abandoned.
CREATE VIEW v_rejets AS
SELECT
    r.reject_key   AS "Rejet",
    r.status       AS "État",
    r.source_file  AS "Fichier",
    r.source_sheet AS "Feuille",
    r.source_line  AS "Ligne",
    r.rule_code    AS "Règle",
    r.column_name  AS "Colonne",
    r.value        AS "Valeur",
    r.reason       AS "Motif",
    r.remedy       AS "Remède",
    r.other_rules  AS "Autres règles",
    r.raw_row      AS "Ligne d'origine",
    l.run_id       AS "Lot",
    c.run_id       AS "Clos par",
    r.lot_key      AS "Clé lot",
    douala_time(r.abandoned_at) AS "Abandonné le (Douala)",
    r.abandon_reason            AS "Raison de l'abandon"
FROM rejets AS r
LEFT JOIN dim_lot AS l ON l.lot_key = r.lot_key
LEFT JOIN dim_lot AS c ON c.lot_key = r.closed_lot_key;

-- Grain: one row per run.
CREATE VIEW v_lots AS
SELECT
    run_id               AS "Lot",
    utc_time(started_at) AS "Début (UTC)",
    duration_s           AS "Durée (s)",
    kind                 AS "Nature",
    rows_read            AS "Lues",
    rows_loaded          AS "Chargées",
    rows_inserted        AS "Nouvelles",
    rows_corrected       AS "Corrigées",
    rows_rejected        AS "Rejetées",
    rows_duplicate       AS "Doublons",
    rows_skipped         AS "Antérieures ignorées",
    blank_lines          AS "Lignes vides",
    volume_loaded        AS "Volume chargé (t)",
    transactions_path    AS "Fichier des transactions",
    transactions_sheet   AS "Feuille des transactions",
    transactions_sha256  AS "Empreinte des transactions",
    machines_path        AS "Fichier des machines",
    machines_sha256      AS "Empreinte des machines",
    mapping_path         AS "Fichier de correspondance",
    version              AS "Version",
    lot_key              AS "Clé lot"
FROM dim_lot;

-- Grain: one row per state of a transaction that a later run replaced.
CREATE VIEW v_corrections AS
SELECT
    a.transaction_id         AS "Transaction",
    a.old_machine_id         AS "Ancienne machine",
    a.old_site_location      AS "Ancien site",
    douala_time(a.old_date)  AS "Ancienne date (Douala)",
    a.old_volume_transferred AS "Ancien volume (t)",
    a.old_status_code        AS "Ancien statut",
    o.transactions_file      AS "Ancien fichier",
    o.transactions_sheet     AS "Ancienne feuille",
    a.old_source_line        AS "Ancienne ligne",
    o.run_id                 AS "Ancien lot",
    l.run_id                 AS "Lot",
    a.old_lot_key            AS "Clé ancien lot",
    a.lot_key                AS "Clé lot"
FROM audit_corrections AS a
LEFT JOIN dim_lot AS o ON o.lot_key = a.old_lot_key
LEFT JOIN dim_lot AS l ON l.lot_key = a.lot_key;

-- Grain: one row per civil day, without a gap.
CREATE VIEW v_calendrier AS
SELECT
    day          AS "Jour",
    annee        AS "Année",
    trimestre    AS "Trimestre",
    mois         AS "Mois",
    nom_mois     AS "Nom du mois",
    annee_mois   AS "Année-mois",
    annee_iso    AS "Année ISO",
    semaine_iso  AS "Semaine ISO",
    jour_mois    AS "Jour du mois",
    jour_annee   AS "Jour de l'année",
    jour_semaine AS "Jour de semaine",
    nom_jour     AS "Nom du jour",
    est_weekend  AS "Week-end",
    date_key     AS "Clé jour"
FROM dim_date;

-- Grain: one row per machine of the lists, and "Inconnu"; its present site.
CREATE VIEW v_parc AS
SELECT
    machine_id        AS "Machine",
    site_location     AS "Site actuel",
    installation_year AS "Année d'installation",
    machine_key       AS "Clé machine"
FROM dim_machine;

-- Grain: one row per site of the lists, and "Inconnu".
CREATE VIEW v_lieux AS
SELECT site_location AS "Site", site_key AS "Clé site" FROM dim_site;

-- Grain: one row per status, and "Inconnu".
CREATE VIEW v_statuts AS
SELECT
    status_code AS "Statut",
    libelle     AS "Libellé",
    est_alerte  AS "Alerte possible",
    statut_key  AS "Clé statut"
FROM dim_statut;
