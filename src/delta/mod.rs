//! Delta tables on an object store, without a word of Kombo.

pub mod fault;
pub mod log;
pub mod store;

pub(crate) mod file;
pub(crate) mod small_table;
