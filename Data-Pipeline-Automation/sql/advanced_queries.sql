-- Analyses to paste into any client of the warehouse; each starts with its name.
-- They run unchanged on SQLite and on PostgreSQL.

-- name: hausse_anormale_des_alertes
-- Days on which a site has at least three more critical alerts than on its previous active day.
SELECT
    site_location         AS "Site",
    day                   AS "Jour",
    total_alerts          AS "Alertes",
    veille                AS "Alertes du jour actif précédent",
    total_alerts - veille AS "Hausse"
FROM (
    SELECT
        site_location, day, total_alerts,
        LAG(total_alerts) OVER (PARTITION BY site_key ORDER BY date_key) AS veille
    FROM aggr_daily_site_stats
) AS par_jour
WHERE total_alerts - veille >= 3
ORDER BY "Hausse" DESC, "Jour", "Site";

-- name: classement_de_fiabilite_des_sites
-- Sites ranked by the share of their transactions that raised no critical alert.
SELECT
    RANK() OVER (ORDER BY CAST(alertes AS DOUBLE PRECISION) / transactions) AS "Rang",
    site_location AS "Site",
    transactions  AS "Transactions",
    alertes       AS "Alertes critiques",
    1 - CAST(alertes AS DOUBLE PRECISION) / transactions AS "Fiabilité"
FROM (
    SELECT
        site_location, SUM(transaction_count) AS transactions, SUM(total_alerts) AS alertes
    FROM aggr_daily_site_stats
    GROUP BY site_location
) AS par_site
ORDER BY "Rang", "Site";

-- name: pareto_des_machines
-- Machines by decreasing critical alerts, with the cumulative share of all alerts.
SELECT
    machine_id    AS "Machine",
    site_location AS "Site",
    alertes       AS "Alertes critiques",
    CAST(SUM(alertes) OVER (ORDER BY alertes DESC, machine_id, site_location) AS DOUBLE PRECISION)
        / CAST(SUM(alertes) OVER () AS DOUBLE PRECISION) AS "Part cumulée"
FROM (
    SELECT machine_id, site_location, SUM(critical_alert) AS alertes
    FROM fact_transactions
    GROUP BY machine_id, site_location
) AS par_machine
WHERE alertes > 0
ORDER BY "Alertes critiques" DESC, "Machine", "Site";

-- name: moyenne_mobile_du_volume_sur_sept_jours
-- Volume of each site and its mean over the last seven active days.
SELECT
    site_location AS "Site",
    day           AS "Jour",
    total_volume  AS "Volume (t)",
    AVG(total_volume) OVER (
        PARTITION BY site_key ORDER BY date_key ROWS BETWEEN 6 PRECEDING AND CURRENT ROW
    ) AS "Moyenne sur 7 jours actifs (t)"
FROM aggr_daily_site_stats
ORDER BY "Site", "Jour";

-- name: tendance_hebdomadaire
-- Volume of each ISO week, and its change from the week before; a week without a transaction counts
-- as zero, because the calendar has it.
SELECT
    annee_iso   AS "Année ISO",
    semaine_iso AS "Semaine ISO",
    volume      AS "Volume (t)",
    volume - LAG(volume) OVER (ORDER BY annee_iso, semaine_iso) AS "Évolution (t)"
FROM (
    SELECT d.annee_iso, d.semaine_iso, COALESCE(SUM(a.total_volume), 0.0) AS volume
    FROM dim_date AS d
    LEFT JOIN aggr_daily_site_stats AS a ON a.date_key = d.date_key
    WHERE d.date_key BETWEEN (SELECT MIN(date_key) FROM aggr_daily_site_stats)
                         AND (SELECT MAX(date_key) FROM aggr_daily_site_stats)
    GROUP BY d.annee_iso, d.semaine_iso
) AS par_semaine
ORDER BY "Année ISO", "Semaine ISO";

-- name: jours_sans_transaction
-- Working days (Monday to Friday) without a single transaction, between the first day and the last.
SELECT d.day AS "Jour", d.nom_jour AS "Nom du jour"
FROM dim_date AS d
WHERE d.est_weekend = 0
  AND d.date_key BETWEEN (SELECT MIN(date_key) FROM aggr_daily_site_stats)
                     AND (SELECT MAX(date_key) FROM aggr_daily_site_stats)
  AND NOT EXISTS (SELECT 1 FROM aggr_daily_site_stats AS a WHERE a.date_key = d.date_key)
ORDER BY "Jour";

-- name: rejets_par_regle
-- Open rejects by rule, and how many runs met them first.
SELECT
    rule_code                     AS "Règle",
    reason                        AS "Motif",
    COUNT(*)                      AS "Lignes ouvertes",
    COUNT(DISTINCT first_lot_key) AS "Lots"
FROM rejets
WHERE status = 'ouvert'
GROUP BY rule_code, reason
ORDER BY "Lignes ouvertes" DESC, "Règle";

-- name: corrections_par_source
-- Transactions that later runs corrected, by the file that had brought the old values, and what
-- the corrections changed in all.
SELECT
    o.transactions_file                   AS "Fichier corrigé",
    COUNT(*)                              AS "Corrections",
    COUNT(DISTINCT a.transaction_id)      AS "Transactions",
    COUNT(DISTINCT a.lot_key)             AS "Lots correcteurs",
    SUM(a.new_volume - a.old_volume)      AS "Écart de volume (t)"
FROM (
    SELECT
        c.transaction_id, c.lot_key, c.old_lot_key, c.old_volume_transferred AS old_volume,
        COALESCE(
            LEAD(c.old_volume_transferred) OVER (
                PARTITION BY c.transaction_id ORDER BY c.lot_key
            ),
            f.volume_transferred
        ) AS new_volume
    FROM audit_corrections AS c
    JOIN fact_transactions AS f ON f.transaction_id = c.transaction_id
) AS a
JOIN dim_lot AS o ON o.lot_key = a.old_lot_key
GROUP BY o.transactions_file
ORDER BY "Corrections" DESC, "Fichier corrigé";
