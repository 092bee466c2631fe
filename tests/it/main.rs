//! Integration tests.

mod backfill;
mod rebuild;
mod support;
