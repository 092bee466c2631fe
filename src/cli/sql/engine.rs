//! How each engine writes what differs between them.

use super::dialect;
use super::lake_location::{LakeLocation, Store};
use crate::cli::args::SqlEngine;

impl SqlEngine {
    /// Returns what it is told, with words in braces to be filled in.
    pub(super) fn template(self) -> String {
        let python = || include_str!("polars.py").to_owned();
        dialect::template(self).unwrap_or_else(python)
    }

    /// Returns what begins a comment.
    pub(super) fn comment(self) -> &'static str {
        match self {
            Self::Polars => "#",
            _ => "--",
        }
    }

    /// Returns what stands around the name of a column.
    pub(super) fn quote(self) -> char {
        match self {
            Self::Spark | Self::BigQuery => '`',
            _ => '"',
        }
    }

    /// Returns a place as it stands between the quotes that the engine's file has around it.
    pub(in crate::cli) fn escaped(self, text: &str) -> String {
        match self {
            Self::Spark => text.replace('`', "``"),
            Self::Polars => text.replace('\\', "\\\\").replace('"', "\\\""),
            Self::ClickHouse | Self::BigQuery | Self::Snowflake => {
                text.replace('\\', "\\\\").replace('\'', "\\'")
            }
            _ => text.replace('\'', "''"),
        }
    }

    /// Returns what has to be said of a lake in this place before all.
    pub(super) fn remark(self, location: &LakeLocation) -> Option<&'static str> {
        let remark = match (self, location.store) {
            (Self::Athena, Store::Disk | Store::Gcs | Store::Azure) => {
                "Athena reads S3 alone, and this lake is elsewhere: give its place there with --lake-url."
            }
            (Self::Snowflake | Self::BigQuery, Store::Disk) => {
                "It reads object stores alone, and this lake is on a disk: give its place there with --lake-url."
            }
            (Self::BigQuery, Store::S3 | Store::Azure) => {
                "BigQuery reads other clouds through Omni: name your connection in place of DEFAULT."
            }
            (Self::Trino, Store::Disk) => {
                "Trino reads a disk below its local.location, as local:/// and the path from there."
            }
            (Self::Spark, Store::S3) => "Open-source Spark says s3a:// in place of s3://.",
            (Self::ClickHouse, Store::Disk) => {
                "ClickHouse reads a disk below its user_files; chdb, below the folder it was started in."
            }
            (Self::ClickHouse, Store::Azure) => {
                "deltaLakeAzure takes the account's URL or connection string, the container, and the path in it."
            }
            _ => return None,
        };
        Some(remark)
    }
}

/// Returns the function by which `ClickHouse` reads a Delta table.
pub(super) fn scan(location: &LakeLocation) -> &'static str {
    match location.store {
        Store::Disk => "deltaLakeLocal",
        Store::S3 | Store::Gcs => "deltaLake",
        Store::Azure => "deltaLakeAzure",
    }
}
