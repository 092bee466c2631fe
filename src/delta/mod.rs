//! Delta tables on an object store, without a word of Kombo.
//!
//! - [`store`] is the object store, rooted at the lake's own prefix; [`fault`] says why it failed without repeating what it
//!   answered; [`object_key`] builds every key.
//! - [`log`] is a table's log. An entry is put only where none is, and makes files and transactions visible at once.
//! - `file` writes and reads the data files.
//! - `table` joins log and files of one table, and `transact` is the one loop by which a table changes.
//! - `small_table` is a table of a few rows that a change writes whole, and `rows` makes structs of rows.
//! - What a table needs that is written to for years: `compaction` merges small files (`merge`), `rewrite` takes rows out of
//!   a file or changes them, `exchange` puts files in the place of others, and `vacuum` finds those that nothing names.
//!
//! The log on the store is the truth. A data file that no entry names is nobody's, and vacuum deletes it.
//! No row value and no answer of the store may reach an error.

pub mod delta_error;
pub mod fault;
pub mod log;
pub mod object_key;
pub mod store;

pub(crate) mod compaction;
pub(crate) mod exchange;
pub(crate) mod file;
mod merge;
mod rewrite;
pub(crate) mod rows;
pub(crate) mod small_table;
pub(crate) mod table;
pub(crate) mod transact;
mod vacuum;

pub(crate) use rewrite::Sifting;
