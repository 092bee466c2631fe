//! How each engine quotes names and texts, and what it needs to reach a lake.

use super::dialect;
use super::lake_location::{LakeLocation, Store};
use super::narrowing::Narrowing;
use crate::cli::args::SqlEngine;

impl SqlEngine {
    /// Returns the views for the engine, limited to some customers, with placeholders in braces.
    pub(super) fn template(self, narrowing: &Narrowing) -> String {
        let python = || {
            let mut views = include_str!("polars.py").to_owned();
            for table in ["current", "deltas", "snapshots"] {
                let scan = format!("pl.scan_delta(\"{{{table}}}\")");
                views = views.replace(&scan, &format!("{scan}{}", narrowing.in_python()));
            }
            views
        };
        dialect::template(self, narrowing).unwrap_or_else(python)
    }

    /// Returns the characters that begin a comment.
    pub(super) fn comment(self) -> &'static str {
        match self {
            Self::Polars => "#",
            _ => "--",
        }
    }

    /// Returns the quote around the name of a column.
    pub(super) fn quote(self) -> char {
        match self {
            Self::Spark | Self::BigQuery => '`',
            _ => '"',
        }
    }

    /// Returns a location, escaped for the quotes that the views have around it.
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

    /// Returns a text as the engine writes it.
    pub(super) fn literal(self, text: &str) -> String {
        let (backslash, quote) = (text.replace('\\', "\\\\"), |text: &str| format!("'{text}'"));
        match self {
            Self::Polars => format!("\"{}\"", self.escaped(text)),
            Self::Spark | Self::ClickHouse | Self::BigQuery | Self::Snowflake => {
                quote(&backslash.replace('\'', "\\'"))
            }
            _ => quote(&text.replace('\'', "''")),
        }
    }

    /// Returns a remark about a lake in this location; `None` where the engine can reach it.
    pub(super) fn remark(self, location: &LakeLocation) -> Option<&'static str> {
        let remark = match (self, location.store) {
            (Self::Athena, Store::Disk | Store::Gcs | Store::Azure) => {
                "Athena reads S3 alone, and this lake is not on S3: give its location on S3 with --lake-url."
            }
            (Self::Snowflake | Self::BigQuery, Store::Disk) => {
                "This engine reads object stores alone, and this lake is on a disk: give its location in an object store with --lake-url."
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
