//! Converts between structs and rows of a table, with serde.
//!
//! Errors omit the library's own texts, because those quote values.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use serde_arrow::Deserializer;

use crate::delta::delta_error::{DECODING, DeltaError, ENCODING};

/// Writes structs as rows with the columns of `schema`.
pub(crate) fn to_batch<R: Serialize>(
    schema: &SchemaRef,
    rows: &[R],
) -> Result<RecordBatch, DeltaError> {
    serde_arrow::to_record_batch(schema.fields(), &rows).map_err(|_| ENCODING)
}

/// Reads rows as structs and ignores other columns. Passes `None` for a row that does not match the struct.
pub(crate) fn each_row<'a, R: Deserialize<'a>>(
    batch: &'a RecordBatch,
    mut each: impl FnMut(Option<R>),
) -> Result<(), DeltaError> {
    let rows = Deserializer::from_record_batch(batch).map_err(|_| DECODING)?;
    rows.iter().for_each(|row| each(R::deserialize(row).ok()));
    Ok(())
}
