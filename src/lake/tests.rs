//! The lake as its callers see it. What is in it is read back from the Parquet files its log names, never assumed.

mod bases;
mod concurrency;
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
mod staged;
mod support;
mod upkeep;
