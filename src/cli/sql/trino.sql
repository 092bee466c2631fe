-- setup: once; the catalog delta is Trino's Delta Lake connector, with delta.register-table-procedure.enabled=true
CREATE SCHEMA IF NOT EXISTS delta.kombo;
CALL delta.system.register_table(
    schema_name => 'kombo', table_name => 'kombo_integrations',
    table_location => '{integrations}');
CALL delta.system.register_table(
    schema_name => 'kombo', table_name => 'kombo_holds',
    table_location => '{holds}');
CALL delta.system.register_table(
    schema_name => 'kombo', table_name => 'kombo_drift',
    table_location => '{drift}');

-- tables: those of {endpoint}
CALL delta.system.register_table(
    schema_name => 'kombo', table_name => '{table}',
    table_location => '{current}');
CALL delta.system.register_table(
    schema_name => 'kombo', table_name => '{table}_deltas',
    table_location => '{deltas}');
CALL delta.system.register_table(
    schema_name => 'kombo', table_name => '{table}_snapshots',
    table_location => '{snapshots}');

-- current: one row per record, as last folded
SELECT * FROM delta.kombo.{table};

-- live: current, and what was observed since
CREATE OR REPLACE VIEW delta.kombo.{table}_live AS
WITH folded AS (
    SELECT integration_key, max("_fetched_at") AS folded_to FROM delta.kombo.{table} GROUP BY integration_key
), held AS (
    SELECT integration_key, min(since) AS held_since FROM delta.kombo.kombo_holds
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY integration_key
), newer AS (
    SELECT deltas.* FROM delta.kombo.{table}_deltas AS deltas
    LEFT JOIN folded ON folded.integration_key = deltas.integration_key
    LEFT JOIN held ON held.integration_key = deltas.integration_key
    -- Timestamps have milliseconds here: what is of the same one may not be folded yet.
    WHERE (folded_to IS NULL OR "_fetched_at" >= folded_to)
      AND ("_op" = 'upsert' OR held_since IS NULL OR "_fetched_at" < held_since)
), observed AS (
    SELECT
        {columns},
        0 AS place
    FROM delta.kombo.{table}
    UNION ALL
    SELECT
        {columns},
        1 AS place
    FROM newer
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY integration_key, id ORDER BY "_fetched_at" DESC, place) AS newness
    FROM observed
)
SELECT
    {columns}
FROM ranked WHERE newness = 1 AND "_op" = 'upsert';

-- as-of: the rows at a time, exact back to the last full fetch of each integration
WITH observed AS (
    SELECT
        {columns},
        1 AS place
    FROM delta.kombo.{table}_snapshots
    UNION ALL
    SELECT
        {columns},
        0 AS place
    FROM delta.kombo.{table}_deltas
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY integration_key, id ORDER BY "_fetched_at" DESC, place) AS newness
    FROM observed WHERE "_fetched_at" <= from_iso8601_timestamp('{at}')
)
SELECT
    {columns}
FROM ranked WHERE newness = 1 AND "_op" = 'upsert';

-- changes: upserts and removals since a time, the newest of each record
WITH drifted AS (
    SELECT DISTINCT integration_key, id FROM delta.kombo.kombo_drift
    WHERE endpoint = '{endpoint}' AND commit_date >= DATE '{since_day}'
      AND "_fetched_at" > from_iso8601_timestamp('{since}')
), refetched AS (
    SELECT present.* FROM delta.kombo.{table} AS present
    JOIN drifted ON drifted.integration_key = present.integration_key AND drifted.id = present.id
), observed AS (
    SELECT
        {columns},
        0 AS place
    FROM refetched
    UNION ALL
    SELECT
        {columns},
        1 AS place
    FROM delta.kombo.{table}_deltas
    WHERE commit_date >= DATE '{since_day}' AND "_fetched_at" > from_iso8601_timestamp('{since}')
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY integration_key, id ORDER BY "_fetched_at" DESC, place) AS newness
    FROM observed
)
SELECT
    {columns}
FROM ranked WHERE newness = 1;

-- leavers: records that are gone, and when that was seen
CREATE OR REPLACE VIEW delta.kombo.{table}_leavers AS
WITH held AS (
    SELECT integration_key, min(since) AS held_since FROM delta.kombo.kombo_holds
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY integration_key
), accepted AS (
    SELECT deltas.* FROM delta.kombo.{table}_deltas AS deltas
    LEFT JOIN held ON held.integration_key = deltas.integration_key
    WHERE "_op" = 'upsert' OR held_since IS NULL OR "_fetched_at" < held_since
), observed AS (
    SELECT
        {columns},
        0 AS place
    FROM delta.kombo.{table}
    UNION ALL
    SELECT
        {columns},
        1 AS place
    FROM accepted
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY integration_key, id ORDER BY "_fetched_at" DESC, place) AS newness
    FROM observed
)
SELECT
    {columns}
FROM ranked WHERE newness = 1 AND (
{if termination_date}    termination_date < current_date OR
    "_op" <> 'upsert');
