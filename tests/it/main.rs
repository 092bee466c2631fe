//! Integration tests.

mod architecture;
mod dependencies;
mod schema_files;
mod source_text;
