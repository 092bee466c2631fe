-- setup: once, over an external volume named kombo_lake whose STORAGE_BASE_URL is {lake}/
CREATE CATALOG INTEGRATION IF NOT EXISTS kombo_delta
    CATALOG_SOURCE = OBJECT_STORE TABLE_FORMAT = DELTA ENABLED = TRUE;
CREATE SCHEMA IF NOT EXISTS kombo;
CREATE ICEBERG TABLE IF NOT EXISTS kombo.kombo_integrations
    CATALOG = 'kombo_delta' EXTERNAL_VOLUME = 'kombo_lake' BASE_LOCATION = 'kombo_integrations' AUTO_REFRESH = TRUE;
CREATE ICEBERG TABLE IF NOT EXISTS kombo.kombo_holds
    CATALOG = 'kombo_delta' EXTERNAL_VOLUME = 'kombo_lake' BASE_LOCATION = 'kombo_holds' AUTO_REFRESH = TRUE;
CREATE ICEBERG TABLE IF NOT EXISTS kombo.kombo_drift
    CATALOG = 'kombo_delta' EXTERNAL_VOLUME = 'kombo_lake' BASE_LOCATION = 'kombo_drift' AUTO_REFRESH = TRUE;

-- tables: those of {endpoint}
CREATE ICEBERG TABLE IF NOT EXISTS kombo.{table}
    CATALOG = 'kombo_delta' EXTERNAL_VOLUME = 'kombo_lake' BASE_LOCATION = '{table}/current' AUTO_REFRESH = TRUE;
CREATE ICEBERG TABLE IF NOT EXISTS kombo.{table}_deltas
    CATALOG = 'kombo_delta' EXTERNAL_VOLUME = 'kombo_lake' BASE_LOCATION = '{table}/deltas' AUTO_REFRESH = TRUE;
CREATE ICEBERG TABLE IF NOT EXISTS kombo.{table}_snapshots
    CATALOG = 'kombo_delta' EXTERNAL_VOLUME = 'kombo_lake' BASE_LOCATION = '{table}/snapshots' AUTO_REFRESH = TRUE;

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
    UNION ALL BY NAME
    SELECT deltas.* EXCLUDE (commit_date)
    FROM kombo.{table}_deltas AS deltas
    LEFT JOIN folded ON folded.integration_key = deltas.integration_key
    LEFT JOIN held ON held.integration_key = deltas.integration_key
    WHERE (folded_to IS NULL OR _fetched_at > folded_to)
      AND (_op = 'upsert' OR held_since IS NULL OR _fetched_at < held_since)
)
SELECT * FROM observed
QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1 AND _op = 'upsert';

-- as-of: the rows at a time, exact back to the last full fetch of each integration
WITH observed AS (
    SELECT * FROM kombo.{table}_snapshots
    UNION ALL BY NAME
    SELECT * EXCLUDE (commit_date) FROM kombo.{table}_deltas
)
SELECT * FROM observed WHERE _fetched_at <= '{at}'::TIMESTAMP_TZ
QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1 AND _op = 'upsert';

-- changes: upserts and removals since a time, the newest of each record
WITH drifted AS (
    SELECT DISTINCT integration_key, id FROM kombo.kombo_drift
    WHERE endpoint = '{endpoint}' AND commit_date >= DATE '{since_day}'
      AND _fetched_at > '{since}'::TIMESTAMP_TZ
), observed AS (
    SELECT * EXCLUDE (commit_date) FROM kombo.{table}_deltas
    WHERE commit_date >= DATE '{since_day}' AND _fetched_at > '{since}'::TIMESTAMP_TZ
    UNION ALL BY NAME
    SELECT present.* FROM kombo.{table} AS present
    JOIN drifted ON drifted.integration_key = present.integration_key AND drifted.id = present.id
)
SELECT * FROM observed
QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1;

-- leavers: records that are gone, and when that was seen
CREATE OR REPLACE VIEW kombo.{table}_leavers AS
WITH held AS (
    SELECT integration_key, min(since) AS held_since FROM kombo.kombo_holds
    WHERE endpoint = '{endpoint}' AND state = 'held' GROUP BY integration_key
), observed AS (
    SELECT * FROM kombo.{table}
    UNION ALL BY NAME
    SELECT deltas.* EXCLUDE (commit_date)
    FROM kombo.{table}_deltas AS deltas LEFT JOIN held ON held.integration_key = deltas.integration_key
    WHERE _op = 'upsert' OR held_since IS NULL OR _fetched_at < held_since
), newest AS (
    SELECT * FROM observed
    QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1
)
SELECT * FROM newest WHERE
{if termination_date}    termination_date < CURRENT_DATE OR
    _op <> 'upsert';
