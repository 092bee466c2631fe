-- current: one row per record, as last folded
CREATE OR REPLACE TEMPORARY VIEW {table} AS
SELECT * FROM delta.`{current}`;

-- live: current, and what was observed since
CREATE OR REPLACE TEMPORARY VIEW {table}_live AS
WITH folded AS (
    SELECT integration_key, max(_fetched_at) AS folded_to
    FROM delta.`{current}` GROUP BY integration_key
), held AS (
    SELECT integration_key, min(since) AS held_since FROM delta.`{holds}`
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY integration_key
), newer AS (
    SELECT deltas.* FROM delta.`{deltas}` AS deltas
    LEFT JOIN folded ON folded.integration_key = deltas.integration_key
    LEFT JOIN held ON held.integration_key = deltas.integration_key
    WHERE (folded_to IS NULL OR _fetched_at > folded_to)
      AND (_op = 'upsert' OR held_since IS NULL OR _fetched_at < held_since)
), observed AS (
    SELECT
        {columns}
    FROM delta.`{current}`
    UNION ALL
    SELECT
        {columns}
    FROM newer
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) AS _rank FROM observed
)
SELECT
    {columns}
FROM ranked WHERE _rank = 1 AND _op = 'upsert';

-- as-of: the rows at a time, exact back to the last full fetch of each integration
-- (for an earlier time, read snapshots of that time: TIMESTAMP AS OF after their path)
WITH observed AS (
    SELECT
        {columns}
    FROM delta.`{snapshots}`
    UNION ALL
    SELECT
        {columns}
    FROM delta.`{deltas}`
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) AS _rank
    FROM observed WHERE _fetched_at <= TIMESTAMP '{at}'
)
SELECT
    {columns}
FROM ranked WHERE _rank = 1 AND _op = 'upsert';

-- changes: upserts and removals since a time, the newest of each record
WITH drifted AS (
    SELECT DISTINCT integration_key, id FROM delta.`{drift}`
    WHERE endpoint = '{endpoint}' AND commit_date >= DATE '{since_day}'
      AND _fetched_at > TIMESTAMP '{since}'
), refetched AS (
    SELECT present.* FROM delta.`{current}` AS present
    JOIN drifted ON drifted.integration_key = present.integration_key AND drifted.id = present.id
), observed AS (
    SELECT
        {columns}
    FROM delta.`{deltas}`
    WHERE commit_date >= DATE '{since_day}' AND _fetched_at > TIMESTAMP '{since}'
    UNION ALL
    SELECT
        {columns}
    FROM refetched
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) AS _rank FROM observed
)
SELECT
    {columns}
FROM ranked WHERE _rank = 1;

-- leavers: records that are gone, and when that was seen
CREATE OR REPLACE TEMPORARY VIEW {table}_leavers AS
WITH held AS (
    SELECT integration_key, min(since) AS held_since FROM delta.`{holds}`
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY integration_key
), accepted AS (
    SELECT deltas.* FROM delta.`{deltas}` AS deltas
    LEFT JOIN held ON held.integration_key = deltas.integration_key
    WHERE _op = 'upsert' OR held_since IS NULL OR _fetched_at < held_since
), observed AS (
    SELECT
        {columns}
    FROM delta.`{current}`
    UNION ALL
    SELECT
        {columns}
    FROM accepted
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) AS _rank FROM observed
)
SELECT
    {columns}
FROM ranked WHERE _rank = 1 AND (
{if termination_date}    termination_date < current_date() OR
    _op <> 'upsert');
