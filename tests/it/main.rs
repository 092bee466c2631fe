//! Integration tests.

mod architecture;
mod backfill;
mod dependencies;
mod rebuild;
mod support;
