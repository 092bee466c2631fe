//! The flags of `sql`.

use clap::ValueEnum;

use super::lake::LakeArgs;
use super::values::{Since, since};

/// The flags of `sql`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source sql --engine duckdb --table hris_employees --view live
  kombo-source sql --engine duckdb --table 'ats_*'
  kombo-source sql --engine trino --lake-url s3://bucket/lake --table all
  kombo-source sql -e duckdb -t hris_employees --origin-id tenant-42
  kombo-source sql --engine spark --view as-of --at 2026-11-01T00:00:00Z
  kombo-source sql --engine polars --view changes --since 7d

It opens no lake and needs no network. The views work as soon as the lake was folded once.

Exit codes: 0 printed, 64 wrong usage, 78 wrong configuration.")]
pub struct SqlArgs {
    /// Engine that reads the lake: SQL, or Python for Polars
    #[arg(short, long, value_enum)]
    pub engine: SqlEngine,
    /// Tables: a name such as hris_employees, a pattern such as 'hris_*', or all; repeat it or use commas
    #[arg(short, long = "table", value_name = "TABLE")]
    #[arg(value_delimiter = ',', default_value = "ats_applications")]
    pub tables: Vec<String>,
    /// Only this view; default: all views
    #[arg(long, value_enum)]
    pub view: Option<SqlView>,
    /// Time of the as-of view: 2026-11-01T00:00:00Z, 2026-11-01, or 7d for 7 days ago; default: 24h
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub at: Option<Since>,
    /// Start of the changes view, in the forms of --at; default: 24h
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
    /// Only these integration ids; repeat it or use commas
    #[arg(short, long = "integration", value_name = "ID", value_delimiter = ',')]
    pub integrations: Vec<String>,
    /// Only the customers to whom you gave these ids at Kombo (`origin_id` of `kombo_integrations`); repeat it
    #[arg(long = "origin-id", value_name = "ID")]
    pub origin_ids: Vec<String>,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// An engine that reads the lake.
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

/// A view of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SqlView {
    /// One row per record, as of the last fold
    Current,
    /// current, with the changes observed since the last fold
    Live,
    /// The rows as of a time
    AsOf,
    /// Upserts and removals since a time
    Changes,
    /// Deleted records; of `hris_employees` also people whose termination date is past
    Leavers,
}

impl SqlView {
    /// All views, in the order in which they are printed.
    pub const ALL: [Self; 5] = [
        Self::Current,
        Self::Live,
        Self::AsOf,
        Self::Changes,
        Self::Leavers,
    ];

    /// Returns the name of the view, in arguments and at the head of its section.
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
