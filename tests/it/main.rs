//! Integration tests.

mod architecture;
mod backfill;
mod dependencies;
mod rebuild;
mod schema_files;
mod source_text;
mod support;
