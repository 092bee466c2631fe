//! The words of `sql`.

use clap::ValueEnum;

use super::lake::LakeArgs;
use super::values::{Since, since};

/// What `sql` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source sql --engine duckdb --table hris_employees --view live
  kombo-source sql --engine trino --lake-url s3://bucket/lake --table ats_jobs,ats_offers
  kombo-source sql --engine spark --view as-of --at 2026-11-01T00:00:00Z
  kombo-source sql --engine polars --view changes --since 7d

It reads no lake and needs no network; the views work once the lake was folded.
Exit codes: 0 printed, 64 wrong usage, 78 wrong configuration.")]
pub struct SqlArgs {
    /// For which engine: SQL, or Python for Polars
    #[arg(short, long, value_enum)]
    pub engine: SqlEngine,
    /// Which table, such as hris_employees; several times or with commas for several
    #[arg(short, long = "table", value_name = "TABLE")]
    #[arg(value_delimiter = ',', default_value = "ats_applications")]
    pub tables: Vec<String>,
    /// Only this view; all of them if not given
    #[arg(long, value_enum)]
    pub view: Option<SqlView>,
    /// The time of the as-of view: 2026-11-01T00:00:00Z, 2026-11-01, or 7d for so long ago; 24 hours ago if not given
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub at: Option<Since>,
    /// Since when changes are listed, in the same forms; 24 hours ago if not given
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// What reads the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SqlEngine {
    /// With its delta extension.
    #[value(name = "duckdb", help = "DuckDB with its delta extension")]
    DuckDb,
    /// Spark with Delta Lake; Databricks and Sail take the same
    #[value(alias = "databricks", alias = "sail")]
    Spark,
    /// Trino's Delta Lake connector
    Trino,
    /// Amazon Athena
    Athena,
    /// Snowflake, which takes Delta tables as Iceberg tables
    Snowflake,
    /// With external tables.
    #[value(name = "bigquery", help = "BigQuery with BigLake external tables")]
    BigQuery,
    /// And chdb.
    #[value(name = "clickhouse", help = "ClickHouse, and chdb")]
    ClickHouse,
    /// With delta-rs.
    #[value(name = "datafusion", help = "DataFusion with delta-rs")]
    DataFusion,
    /// Polars, in Python
    Polars,
}

/// What is asked of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SqlView {
    /// One row per record, as last folded
    Current,
    /// current, and what was observed since
    Live,
    /// The rows at a time
    AsOf,
    /// Upserts and removals since a time
    Changes,
    /// Records that are gone
    Leavers,
}

impl SqlView {
    /// All of them, in the order they are printed.
    pub const ALL: [Self; 5] = [
        Self::Current,
        Self::Live,
        Self::AsOf,
        Self::Changes,
        Self::Leavers,
    ];

    /// Returns the word for it, in arguments and at the head of its section.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Live => "live",
            Self::AsOf => "as-of",
            Self::Changes => "changes",
            Self::Leavers => "leavers",
        }
    }
}
