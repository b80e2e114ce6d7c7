-- Analyses to paste into any SQLite client; each starts with its name.

-- name: hausse_anormale_des_alertes
-- Days on which a site has at least three more critical alerts than on its previous active day.
SELECT
    site_location AS "Site",
    day           AS "Jour",
    total_alerts  AS "Alertes",
    veille        AS "Alertes du jour actif précédent",
    total_alerts - veille AS "Hausse"
FROM (
    SELECT
        site_location, day, total_alerts,
        LAG(total_alerts) OVER (PARTITION BY site_location ORDER BY day) AS veille
    FROM aggr_daily_site_stats
)
WHERE total_alerts - veille >= 3
ORDER BY "Hausse" DESC, "Jour", "Site";

-- name: classement_de_fiabilite_des_sites
-- Sites ranked by the share of their transactions that raised no critical alert.
SELECT
    RANK() OVER (ORDER BY 1.0 - SUM(critical_alert) * 1.0 / COUNT(*) DESC) AS "Rang",
    site_location                                   AS "Site",
    COUNT(*)                                        AS "Transactions",
    SUM(critical_alert)                             AS "Alertes critiques",
    1.0 - SUM(critical_alert) * 1.0 / COUNT(*)      AS "Fiabilité"
FROM fact_transactions
GROUP BY site_location
ORDER BY "Rang", "Site";

-- name: pareto_des_machines
-- Machines by decreasing critical alerts, with the cumulative share of all alerts.
SELECT
    machine_id AS "Machine",
    site_location AS "Site",
    alertes AS "Alertes critiques",
    SUM(alertes) OVER (ORDER BY alertes DESC, machine_id, site_location) * 1.0
        / SUM(alertes) OVER () AS "Part cumulée"
FROM (
    SELECT machine_id, site_location, SUM(critical_alert) AS alertes
    FROM fact_transactions
    GROUP BY machine_id, site_location
)
WHERE alertes > 0
ORDER BY "Alertes critiques" DESC, "Machine", "Site";

-- name: moyenne_mobile_du_volume_sur_sept_jours
-- Volume of each site and its mean over the last seven active days.
SELECT
    site_location AS "Site",
    day           AS "Jour",
    total_volume  AS "Volume (t)",
    AVG(total_volume) OVER (
        PARTITION BY site_location ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW
    ) AS "Moyenne sur 7 jours actifs (t)"
FROM aggr_daily_site_stats
ORDER BY "Site", "Jour";

-- name: rejets_par_regle
-- Rejected lines of the latest run, by rule.
SELECT rule_code AS "Règle", reason AS "Motif", COUNT(*) AS "Lignes"
FROM rejets
WHERE run_id = (SELECT run_id FROM dim_lot ORDER BY started_at DESC, rowid DESC LIMIT 1)
GROUP BY rule_code, reason
ORDER BY "Lignes" DESC, "Règle";

-- name: corrections_par_lot
-- Transactions corrected by each run, and the change of volume that this made.
SELECT
    a.run_id AS "Lot",
    COUNT(*) AS "Corrections",
    SUM(f.volume_transferred - a.old_volume_transferred) AS "Écart de volume (t)"
FROM audit_corrections AS a
JOIN fact_transactions AS f USING (transaction_id)
GROUP BY a.run_id
ORDER BY "Lot";
