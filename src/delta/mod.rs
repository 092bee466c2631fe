//! Delta tables on an object store. Nothing in this room knows Kombo.
//!
//! - [`store`] is the object store, rooted at the lake's own prefix. [`fault`] says why the store failed, without
//!   repeating the store's answer. [`object_key`] builds every key.
//! - [`log`] is the log of one table. A log entry is created only where no entry exists, and makes data files and
//!   transactions visible at once.
//! - `file` writes and reads data files.
//! - `table` joins the log and the data files of one table. `transact` is the one loop by which a table changes.
//! - `small_table` is a table of a few rows that each change writes completely. `rows` converts between structs and
//!   rows.
//! - Upkeep of a table that is written to for years: `compaction` merges small files (with `merge`), `rewrite`
//!   removes or changes rows of a file, `exchange` replaces files with others in one log entry, and `vacuum` finds
//!   unreferenced files. `lost_files` finds files that are named and cannot be read.
//!
//! The log on the store is the truth. A data file that no log entry names belongs to no table, and vacuum deletes it.
//! No error may contain a row value or an answer of the store.

pub mod delta_error;
pub mod fault;
pub mod log;
pub mod object_key;
pub mod store;

pub(crate) mod compaction;
pub(crate) mod exchange;
pub(crate) mod file;
pub(crate) mod lost_files;
mod merge;
mod rewrite;
pub(crate) mod rows;
pub(crate) mod small_table;
pub(crate) mod table;
pub(crate) mod transact;
mod vacuum;

pub(crate) use rewrite::Sifting;
