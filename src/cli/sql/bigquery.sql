-- setup: once; the default Cloud resource connection needs to be allowed to read {lake}
CREATE SCHEMA IF NOT EXISTS kombo;
CREATE EXTERNAL TABLE IF NOT EXISTS kombo.kombo_integrations
    WITH CONNECTION DEFAULT OPTIONS (format = 'DELTA_LAKE', uris = ['{integrations}']);
CREATE EXTERNAL TABLE IF NOT EXISTS kombo.kombo_holds
    WITH CONNECTION DEFAULT OPTIONS (format = 'DELTA_LAKE', uris = ['{holds}']);
CREATE EXTERNAL TABLE IF NOT EXISTS kombo.kombo_drift
    WITH CONNECTION DEFAULT OPTIONS (format = 'DELTA_LAKE', uris = ['{drift}']);

-- tables: those of {endpoint}
CREATE EXTERNAL TABLE IF NOT EXISTS kombo.{table}
    WITH CONNECTION DEFAULT OPTIONS (format = 'DELTA_LAKE', uris = ['{current}']);
CREATE EXTERNAL TABLE IF NOT EXISTS kombo.{table}_deltas
    WITH CONNECTION DEFAULT OPTIONS (format = 'DELTA_LAKE', uris = ['{deltas}']);
CREATE EXTERNAL TABLE IF NOT EXISTS kombo.{table}_snapshots
    WITH CONNECTION DEFAULT OPTIONS (format = 'DELTA_LAKE', uris = ['{snapshots}']);

-- current: one row per record, as last folded
SELECT * FROM kombo.{table};

-- live: current, and what was observed since
CREATE OR REPLACE VIEW kombo.{table}_live AS
WITH folded AS (
    SELECT integration_key, max(_fetched_at) AS folded_to
    FROM kombo.{table} GROUP BY integration_key
), held AS (
    SELECT integration_key, min(since) AS held_since FROM kombo.kombo_holds
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY integration_key
), observed AS (
    SELECT * FROM kombo.{table}
    FULL OUTER UNION ALL BY NAME
    SELECT deltas.* EXCEPT (commit_date)
    FROM kombo.{table}_deltas AS deltas
    LEFT JOIN folded ON folded.integration_key = deltas.integration_key
    LEFT JOIN held ON held.integration_key = deltas.integration_key
    WHERE (folded_to IS NULL OR _fetched_at > folded_to)
      AND (_op = 'upsert' OR held_since IS NULL OR _fetched_at < held_since)
)
SELECT * FROM observed WHERE TRUE
QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1 AND _op = 'upsert';

-- as-of: the rows at a time, exact back to the last full fetch of each integration
WITH observed AS (
    SELECT * FROM kombo.{table}_snapshots
    FULL OUTER UNION ALL BY NAME
    SELECT * EXCEPT (commit_date) FROM kombo.{table}_deltas
)
SELECT * FROM observed WHERE _fetched_at <= TIMESTAMP '{at}'
QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1 AND _op = 'upsert';

-- changes: upserts and removals since a time, the newest of each record
WITH drifted AS (
    SELECT DISTINCT integration_key, id FROM kombo.kombo_drift
    WHERE endpoint = '{endpoint}' AND commit_date >= DATE '{since_day}'
      AND _fetched_at > TIMESTAMP '{since}'
), observed AS (
    SELECT * EXCEPT (commit_date) FROM kombo.{table}_deltas
    WHERE commit_date >= DATE '{since_day}' AND _fetched_at > TIMESTAMP '{since}'
    FULL OUTER UNION ALL BY NAME
    SELECT present.* FROM kombo.{table} AS present
    JOIN drifted ON drifted.integration_key = present.integration_key AND drifted.id = present.id
)
SELECT * FROM observed WHERE TRUE
QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1;

-- leavers: records that are gone, and when that was seen
CREATE OR REPLACE VIEW kombo.{table}_leavers AS
WITH held AS (
    SELECT integration_key, min(since) AS held_since FROM kombo.kombo_holds
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY integration_key
), observed AS (
    SELECT * FROM kombo.{table}
    FULL OUTER UNION ALL BY NAME
    SELECT deltas.* EXCEPT (commit_date)
    FROM kombo.{table}_deltas AS deltas LEFT JOIN held ON held.integration_key = deltas.integration_key
    WHERE _op = 'upsert' OR held_since IS NULL OR _fetched_at < held_since
), newest AS (
    SELECT * FROM observed WHERE TRUE
    QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1
)
SELECT * FROM newest WHERE
{if termination_date}    termination_date < CURRENT_DATE OR
    _op <> 'upsert';
