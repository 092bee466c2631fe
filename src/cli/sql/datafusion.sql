-- setup: once in each session
-- (in Python ctx.register_table("kombo_holds", DeltaTable("...")) and so on, with the same names and places)
CREATE EXTERNAL TABLE kombo_integrations STORED AS DELTATABLE LOCATION '{integrations}';
CREATE EXTERNAL TABLE kombo_holds STORED AS DELTATABLE LOCATION '{holds}';
CREATE EXTERNAL TABLE kombo_drift STORED AS DELTATABLE LOCATION '{drift}';

-- tables: those of {endpoint}
CREATE EXTERNAL TABLE {table} STORED AS DELTATABLE LOCATION '{current}';
CREATE EXTERNAL TABLE {table}_deltas STORED AS DELTATABLE LOCATION '{deltas}';
CREATE EXTERNAL TABLE {table}_snapshots STORED AS DELTATABLE LOCATION '{snapshots}';

-- current: one row per record, as last folded
SELECT * FROM {table};

-- live: current, and what was observed since
CREATE OR REPLACE VIEW {table}_live AS
WITH folded AS (
    SELECT integration_key, max(_fetched_at) AS folded_to
    FROM {table} GROUP BY integration_key
), held AS (
    SELECT integration_key, min(since) AS held_since FROM kombo_holds
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY integration_key
), observed AS (
    SELECT * FROM {table}
    UNION ALL BY NAME
    SELECT deltas.* EXCEPT (commit_date)
    FROM {table}_deltas AS deltas
    LEFT JOIN folded ON folded.integration_key = deltas.integration_key
    LEFT JOIN held ON held.integration_key = deltas.integration_key
    WHERE (folded_to IS NULL OR _fetched_at > folded_to)
      AND (_op = 'upsert' OR held_since IS NULL OR _fetched_at < held_since)
)
SELECT * FROM observed
QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1 AND _op = 'upsert';

-- as-of: the rows at a time, exact back to the last full fetch of each integration
WITH observed AS (
    SELECT * FROM {table}_snapshots
    UNION ALL BY NAME
    SELECT * EXCEPT (commit_date) FROM {table}_deltas
)
SELECT * FROM observed
WHERE _fetched_at <= to_timestamp_micros('{at}')
QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1 AND _op = 'upsert';

-- changes: upserts and removals since a time, the newest of each record
WITH drifted AS (
    SELECT DISTINCT integration_key, id FROM kombo_drift
    WHERE endpoint = '{endpoint}' AND commit_date >= DATE '{since_day}'
      AND _fetched_at > to_timestamp_micros('{since}')
), observed AS (
    SELECT * EXCEPT (commit_date) FROM {table}_deltas
    WHERE commit_date >= DATE '{since_day}' AND _fetched_at > to_timestamp_micros('{since}')
    UNION ALL BY NAME
    SELECT present.* FROM {table} AS present
    JOIN drifted ON drifted.integration_key = present.integration_key AND drifted.id = present.id
)
SELECT * FROM observed
QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1;

-- leavers: records that are gone, and when that was seen
CREATE OR REPLACE VIEW {table}_leavers AS
WITH held AS (
    SELECT integration_key, min(since) AS held_since FROM kombo_holds
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY integration_key
), observed AS (
    SELECT * FROM {table}
    UNION ALL BY NAME
    SELECT deltas.* EXCEPT (commit_date)
    FROM {table}_deltas AS deltas LEFT JOIN held ON held.integration_key = deltas.integration_key
    WHERE _op = 'upsert' OR held_since IS NULL OR _fetched_at < held_since
), newest AS (
    SELECT * FROM observed
    QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1
)
SELECT * FROM newest WHERE
{if termination_date}    termination_date < current_date() OR
    _op <> 'upsert';
