//! Delta tables on an object store, without a word of Kombo.

pub mod delta_error;
pub mod fault;
pub mod log;
pub mod object_key;
pub mod store;

pub(crate) mod file;
pub(crate) mod small_table;
pub(crate) mod table;
pub(crate) mod transact;
