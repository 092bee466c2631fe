//! Integration tests.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot continue should stop at once"
)]

mod architecture;
mod backfill;
mod dependencies;
mod docs;
mod guide;
mod ingest;
#[allow(dead_code, reason = "its `main` runs as an example only")]
#[path = "../../examples/parquet_folder_sink.rs"]
mod parquet_folder_sink;
mod rebuild;
mod schema_files;
mod sink;
mod source_graph;
mod source_text;
mod support;
mod texts;
mod webhook;
