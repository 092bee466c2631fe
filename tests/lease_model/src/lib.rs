//! The rules of the lease (`src/plan/lease.rs`, the file itself) with a model of the services and the store around them.

#[path = "../../../src/plan/lease.rs"]
pub mod lease;
pub mod model;
