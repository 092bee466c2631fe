-- current: one row per record, as last folded
{if unregistered}{create}{table} AS
SELECT * FROM {current};

-- live: current, and what was observed since
{if create}{create}{table}_live AS
WITH folded AS (
    SELECT integration_key, {max}({fetched_at}) AS folded_to
    FROM {current} GROUP BY integration_key
), held AS (
    SELECT integration_key, {min}(since) AS held_since FROM {holds}
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY integration_key
), unfolded AS (
    SELECT deltas.* FROM {deltas} AS deltas
    LEFT JOIN folded ON folded.integration_key = deltas.integration_key
{if millis}    -- Timestamps have milliseconds here: what is of the same one may not be folded yet.
    WHERE folded_to IS NULL OR {fetched_at} {later} folded_to
), newer AS (
    SELECT unfolded.* FROM unfolded LEFT JOIN held ON held.integration_key = unfolded.integration_key
    WHERE {op} = 'upsert' OR held_since IS NULL OR {fetched_at} < held_since
), observed AS (
    {known}{place 0}{from} {current}
    {union}
    {changed}{place 1}{from} newer
), newest AS (
    {newest}
)
SELECT * FROM newest WHERE {op} = 'upsert';

-- as-of: the rows at a time, exact back to the last full fetch of each integration
{if travels}-- (for an earlier time, read snapshots of that time: TIMESTAMP AS OF after their path)
WITH everything AS (
    {known}{place 1}{from} {snapshots}
    {union}
    {changed}{place 0}{from} {deltas}
), observed AS (
    SELECT * FROM everything WHERE {fetched_at} <= {at}
), newest AS (
    {newest}
)
SELECT * FROM newest WHERE {op} = 'upsert';

-- changes: upserts and removals since a time, the newest of each record
WITH drifted AS (
    SELECT DISTINCT integration_key, id FROM {drift}
    WHERE endpoint = '{endpoint}' AND commit_date >= DATE '{since_day}'
      AND {fetched_at} > {since}
), refetched AS (
    SELECT present.* FROM {current} AS present
    JOIN drifted ON drifted.integration_key = present.integration_key AND drifted.id = present.id
), newer AS (
    SELECT * FROM {deltas}
    WHERE commit_date >= DATE '{since_day}'
      AND {fetched_at} > {since}
), observed AS (
    {known}{place 0}{from} refetched
    {union}
    {changed}{place 1}{from} newer
), newest AS (
    {newest}
)
SELECT * FROM newest;

-- leavers: records that are gone, and when that was seen
{if create}{create}{table}_leavers AS
WITH held AS (
    SELECT integration_key, {min}(since) AS held_since FROM {holds}
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY integration_key
), accepted AS (
    SELECT deltas.* FROM {deltas} AS deltas
    LEFT JOIN held ON held.integration_key = deltas.integration_key
    WHERE {op} = 'upsert' OR held_since IS NULL OR {fetched_at} < held_since
), observed AS (
    {known}{place 0}{from} {current}
    {union}
    {changed}{place 1}{from} accepted
), newest AS (
    {newest}
)
SELECT * FROM newest WHERE
{if termination_date}    termination_date < {today} OR
    {op} <> 'upsert';
