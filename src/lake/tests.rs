//! Tests of the lake as its callers use it. The tests read the lake's content back from the Parquet files that its
//! log names.

mod apart;
mod bases;
mod concurrency;
#[cfg(feature = "twin")]
mod counted;
mod crash;
mod damage;
mod drift;
mod fetches;
mod files;
mod fold;
mod holds;
mod isolation;
mod lint;
mod looks;
mod missing;
mod newest;
mod promises;
mod quarantine;
mod siblings;
mod staged;
mod support;
mod upkeep;
