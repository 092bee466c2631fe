//! Writes and reads data files in Parquet.

pub(crate) mod column_copy;
pub(crate) mod data_files;
mod dictionaries;
pub(crate) mod footer;
pub(crate) mod lookup;
pub(crate) mod reader;
mod short_footer;
pub(crate) mod stats;
pub(crate) mod writer;
