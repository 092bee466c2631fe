//! Writes and reads data files in Parquet.

pub(crate) mod column_copy;
pub(crate) mod data_files;
pub(crate) mod decoded_bytes;
mod dictionaries;
pub(crate) mod file_form;
pub(crate) mod footer;
pub(crate) mod lookup;
pub(crate) mod reader;
mod row_groups;
mod short_footer;
pub(crate) mod stats;
pub(crate) mod writer;
