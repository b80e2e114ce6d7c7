-- A role of PostgreSQL that reads the warehouse's views and nothing else, for Power BI.
-- To run once, as the owner of the tables:
--   psql "postgresql://proprietaire@serveur:5432/supply_chain" -f sql/powerbi_role.sql
-- then to give it a password, which stays out of any file: \password powerbi_lecture
-- The GRANT statements are to be run again after an upgrade of the program, which renews the views.

CREATE ROLE powerbi_lecture LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION
    CONNECTION LIMIT 20;
ALTER ROLE powerbi_lecture SET default_transaction_read_only = on;
ALTER ROLE powerbi_lecture SET statement_timeout = '60s';

GRANT USAGE ON SCHEMA public TO powerbi_lecture;
GRANT SELECT ON
    v_transactions, v_stats_sites, v_sites, v_jours, v_machines, v_rejets, v_lots, v_corrections,
    v_calendrier, v_parc, v_lieux, v_statuts
    TO powerbi_lecture;
