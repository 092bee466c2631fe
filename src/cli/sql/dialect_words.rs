//! The words of each engine that takes SQL, as tables.

/// The words of a dialect, each with its text.
pub(super) type DialectWords = &'static [(&'static str, &'static str)];

/// The words of most engines, which combine tables column by column.
pub(super) const USUAL: DialectWords = &[
    ("create", "CREATE OR REPLACE VIEW "),
    ("fetched_at", "_fetched_at"),
    ("op", "_op"),
    ("later", ">"),
    ("at", "TIMESTAMP '{at}'"),
    ("since", "TIMESTAMP '{since}'"),
    ("today", "current_date"),
    ("max", "max"),
    ("min", "min"),
    ("known", "SELECT\n        {columns}"),
    ("changed", "SELECT\n        {columns}"),
    ("from", "\n    FROM"),
    ("union", "UNION ALL"),
    ("newest", RANKED),
];

const RANKED: &str = "SELECT
        {columns}
    FROM (
        SELECT *, row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) AS newness
        FROM observed
    ) AS ranked WHERE newness = 1";

/// The words of engines that combine tables by the names of their columns.
pub(super) const BY_NAME: DialectWords = &[
    ("known", "SELECT *"),
    ("changed", "SELECT * EXCLUDE (commit_date)"),
    ("from", " FROM"),
    ("union", "UNION ALL BY NAME"),
    ("newest", QUALIFIED),
];

const QUALIFIED: &str = "SELECT * FROM observed
    QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1";

/// The words of engines whose timestamps have milliseconds: the place of a table decides which of two rows is newer.
pub(super) const BY_PLACE: DialectWords = &[
    ("millis", "yes"),
    ("fetched_at", "\"_fetched_at\""),
    ("op", "\"_op\""),
    ("later", ">="),
    ("at", "from_iso8601_timestamp('{at}')"),
    ("since", "from_iso8601_timestamp('{since}')"),
    ("place 0", ",\n        0 AS place"),
    ("place 1", ",\n        1 AS place"),
    ("newest", PLACED),
];

const PLACED: &str = "SELECT
        {columns}
    FROM (
        SELECT *,
            row_number() OVER (PARTITION BY integration_key, id ORDER BY \"_fetched_at\" DESC, place) AS newness
        FROM observed
    ) AS ranked WHERE newness = 1";

/// The words of engines whose queries name the location of a table.
pub(super) const UNREGISTERED: DialectWords = &[("unregistered", "yes")];

pub(super) const DUCKDB: DialectWords = &[
    ("setup", "-- setup: once in each session
INSTALL delta; LOAD delta;"),
    ("read", "delta_scan('{location}')"),
    ("at", "TIMESTAMPTZ '{at}'"),
    ("since", "TIMESTAMPTZ '{since}'"),
];

pub(super) const SPARK: DialectWords = &[
    ("read", "delta.`{location}`"),
    ("create", "CREATE OR REPLACE TEMPORARY VIEW "),
    ("today", "current_date()"),
    ("travels", "yes"),
];

pub(super) const TRINO: DialectWords = &[
    ("setup", "-- setup: once; the catalog delta is Trino's Delta Lake connector, with delta.register-table-procedure.enabled=true
CREATE SCHEMA IF NOT EXISTS delta.kombo;"),
    ("register", "CALL delta.system.register_table(
    schema_name => 'kombo', table_name => '{name}',
    table_location => '{location}');"),
    ("read", "delta.kombo.{name}"),
    ("create", "CREATE OR REPLACE VIEW delta.kombo."),
];

pub(super) const ATHENA: DialectWords = &[
    ("setup", "-- setup: once; Athena takes one statement at a time
CREATE DATABASE IF NOT EXISTS kombo;"),
    ("register", "CREATE EXTERNAL TABLE kombo.{name}
    LOCATION '{location}/' TBLPROPERTIES ('table_type' = 'DELTA');"),
    ("read", "kombo.{name}"),
    ("create", ""),
];

pub(super) const SNOWFLAKE: DialectWords = &[
    ("setup", "-- setup: once, over an external volume named kombo_lake whose STORAGE_BASE_URL is {lake}/
CREATE CATALOG INTEGRATION IF NOT EXISTS kombo_delta
    CATALOG_SOURCE = OBJECT_STORE TABLE_FORMAT = DELTA ENABLED = TRUE;
CREATE SCHEMA IF NOT EXISTS kombo;"),
    ("register", "CREATE ICEBERG TABLE IF NOT EXISTS kombo.{name}
    CATALOG = 'kombo_delta' EXTERNAL_VOLUME = 'kombo_lake' BASE_LOCATION = '{folder}' AUTO_REFRESH = TRUE;"),
    ("read", "kombo.{name}"),
    ("create", "CREATE OR REPLACE VIEW kombo."),
    ("at", "'{at}'::TIMESTAMP_TZ"),
    ("since", "'{since}'::TIMESTAMP_TZ"),
    ("today", "CURRENT_DATE"),
];

pub(super) const BIGQUERY: DialectWords = &[
    ("setup", "-- setup: once; the default Cloud resource connection needs to be allowed to read {lake}
CREATE SCHEMA IF NOT EXISTS kombo;"),
    ("register", "CREATE EXTERNAL TABLE IF NOT EXISTS kombo.{name}
    WITH CONNECTION DEFAULT OPTIONS (format = 'DELTA_LAKE', uris = ['{location}']);"),
    ("read", "kombo.{name}"),
    ("create", "CREATE OR REPLACE VIEW kombo."),
    ("today", "CURRENT_DATE"),
    ("changed", "SELECT * EXCEPT (commit_date)"),
    ("union", "FULL OUTER UNION ALL BY NAME"),
    ("newest", "SELECT * FROM observed WHERE TRUE
    QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1"),
];

pub(super) const CLICKHOUSE: DialectWords = &[
    ("read", "{scan}('{location}')"),
    ("at", "parseDateTime64BestEffort('{at}', 6, 'UTC')"),
    ("since", "parseDateTime64BestEffort('{since}', 6, 'UTC')"),
    ("today", "today()"),
    // Null where there is no row.
    ("max", "maxOrNull"),
    ("min", "minOrNull"),
    ("newest", "SELECT * FROM observed ORDER BY _fetched_at DESC LIMIT 1 BY integration_key, id"),
];

pub(super) const DATAFUSION: DialectWords = &[
    ("setup", "-- setup: once in each session
-- (in Python ctx.register_table(\"kombo_holds\", DeltaTable(\"...\")) and so on, with the same names and places)"),
    ("register", "CREATE EXTERNAL TABLE {name} STORED AS DELTATABLE LOCATION '{location}';"),
    ("read", "{name}"),
    ("at", "to_timestamp_micros('{at}')"),
    ("since", "to_timestamp_micros('{since}')"),
    ("today", "current_date()"),
    ("changed", "SELECT * EXCEPT (commit_date)"),
];
