//! The lake: Delta tables on an object store.

pub mod error;
pub mod layout;
pub mod log;
pub mod store;
