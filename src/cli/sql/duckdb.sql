-- setup: once in each session
INSTALL delta; LOAD delta;

-- current: one row per record, as last folded
CREATE OR REPLACE VIEW {table} AS
SELECT * FROM delta_scan('{current}');

-- live: current, and what was observed since
CREATE OR REPLACE VIEW {table}_live AS
WITH folded AS (
    SELECT integration_key, max(_fetched_at) AS folded_to
    FROM delta_scan('{current}') GROUP BY ALL
), held AS (
    SELECT integration_key, min(since) AS held_since FROM delta_scan('{holds}')
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY ALL
), observed AS (
    SELECT * FROM delta_scan('{current}')
    UNION ALL BY NAME
    SELECT deltas.* EXCLUDE (commit_date)
    FROM delta_scan('{deltas}') AS deltas
    LEFT JOIN folded USING (integration_key) LEFT JOIN held USING (integration_key)
    WHERE (folded_to IS NULL OR _fetched_at > folded_to)
      AND (_op = 'upsert' OR held_since IS NULL OR _fetched_at < held_since)
)
SELECT * FROM observed
QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1 AND _op = 'upsert';

-- as-of: the rows at a time, exact back to the last full fetch of each integration
WITH observed AS (
    SELECT * FROM delta_scan('{snapshots}')
    UNION ALL BY NAME
    SELECT * EXCLUDE (commit_date) FROM delta_scan('{deltas}')
)
SELECT * FROM observed
WHERE _fetched_at <= TIMESTAMPTZ '{at}'
QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1 AND _op = 'upsert';

-- changes: upserts and removals since a time, the newest of each record
WITH drifted AS (
    SELECT DISTINCT integration_key, id FROM delta_scan('{drift}')
    WHERE endpoint = '{endpoint}' AND commit_date >= DATE '{since_day}'
      AND _fetched_at > TIMESTAMPTZ '{since}'
), observed AS (
    SELECT * EXCLUDE (commit_date) FROM delta_scan('{deltas}')
    WHERE commit_date >= DATE '{since_day}' AND _fetched_at > TIMESTAMPTZ '{since}'
    UNION ALL BY NAME
    SELECT present.* FROM delta_scan('{current}') AS present
    JOIN drifted USING (integration_key, id)
)
SELECT * FROM observed
QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1;

-- leavers: records that are gone, and when that was seen
CREATE OR REPLACE VIEW {table}_leavers AS
WITH held AS (
    SELECT integration_key, min(since) AS held_since FROM delta_scan('{holds}')
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY ALL
), observed AS (
    SELECT * FROM delta_scan('{current}')
    UNION ALL BY NAME
    SELECT deltas.* EXCLUDE (commit_date)
    FROM delta_scan('{deltas}') AS deltas LEFT JOIN held USING (integration_key)
    WHERE _op = 'upsert' OR held_since IS NULL OR _fetched_at < held_since
), newest AS (
    SELECT * FROM observed
    QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1
)
SELECT * FROM newest WHERE
{if termination_date}    termination_date < current_date OR
    _op <> 'upsert';
