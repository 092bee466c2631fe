-- current: one row per record, as last folded
CREATE OR REPLACE VIEW {table} AS
SELECT * FROM {scan}('{current}');

-- live: current, and what was observed since
CREATE OR REPLACE VIEW {table}_live AS
WITH folded AS (
    SELECT integration_key, maxOrNull(_fetched_at) AS folded_to
    FROM {scan}('{current}') GROUP BY integration_key
), held AS (
    SELECT integration_key, minOrNull(since) AS held_since FROM {scan}('{holds}')
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY integration_key
), observed AS (
    SELECT
        {columns}
    FROM {scan}('{current}')
    UNION ALL
    SELECT
        {columns}
    FROM {scan}('{deltas}') AS deltas
    LEFT JOIN folded USING (integration_key) LEFT JOIN held USING (integration_key)
    WHERE (folded_to IS NULL OR _fetched_at > folded_to)
      AND (_op = 'upsert' OR held_since IS NULL OR _fetched_at < held_since)
)
SELECT * FROM (SELECT * FROM observed ORDER BY _fetched_at DESC LIMIT 1 BY integration_key, id)
WHERE _op = 'upsert';

-- as-of: the rows at a time, exact back to the last full fetch of each integration
WITH observed AS (
    SELECT
        {columns}
    FROM {scan}('{snapshots}')
    UNION ALL
    SELECT
        {columns}
    FROM {scan}('{deltas}')
)
SELECT * FROM (
    SELECT * FROM observed WHERE _fetched_at <= parseDateTime64BestEffort('{at}', 6, 'UTC')
    ORDER BY _fetched_at DESC LIMIT 1 BY integration_key, id
) WHERE _op = 'upsert';

-- changes: upserts and removals since a time, the newest of each record
WITH drifted AS (
    SELECT DISTINCT integration_key, id FROM {scan}('{drift}')
    WHERE endpoint = '{endpoint}' AND commit_date >= '{since_day}'
      AND _fetched_at > parseDateTime64BestEffort('{since}', 6, 'UTC')
), observed AS (
    SELECT
        {columns}
    FROM {scan}('{deltas}')
    WHERE commit_date >= '{since_day}' AND _fetched_at > parseDateTime64BestEffort('{since}', 6, 'UTC')
    UNION ALL
    SELECT
        {columns}
    FROM {scan}('{current}')
    WHERE (integration_key, id) IN (SELECT integration_key, id FROM drifted)
)
SELECT * FROM observed ORDER BY _fetched_at DESC LIMIT 1 BY integration_key, id;

-- leavers: records that are gone, and when that was seen
CREATE OR REPLACE VIEW {table}_leavers AS
WITH held AS (
    SELECT integration_key, minOrNull(since) AS held_since FROM {scan}('{holds}')
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY integration_key
), observed AS (
    SELECT
        {columns}
    FROM {scan}('{current}')
    UNION ALL
    SELECT
        {columns}
    FROM {scan}('{deltas}') AS deltas LEFT JOIN held USING (integration_key)
    WHERE _op = 'upsert' OR held_since IS NULL OR _fetched_at < held_since
)
SELECT * FROM (SELECT * FROM observed ORDER BY _fetched_at DESC LIMIT 1 BY integration_key, id) WHERE
{if termination_date}    termination_date < today() OR
    _op <> 'upsert';
