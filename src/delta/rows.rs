//! Structs as rows of a table: by serde, to a batch and back.
//!
//! The library's own texts are left out of errors: they quote values.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use serde_arrow::Deserializer;

use crate::delta::delta_error::{DECODING, DeltaError, ENCODING};

/// Writes structs as rows with these columns.
pub(crate) fn to_batch<R: Serialize>(
    schema: &SchemaRef,
    rows: &[R],
) -> Result<RecordBatch, DeltaError> {
    serde_arrow::to_record_batch(schema.fields(), &rows).map_err(|_| ENCODING)
}

/// Reads rows, whatever columns there are besides. `None` for a row that is no such struct.
pub(crate) fn each_row<'a, R: Deserialize<'a>>(
    batch: &'a RecordBatch,
    mut each: impl FnMut(Option<R>),
) -> Result<(), DeltaError> {
    let rows = Deserializer::from_record_batch(batch).map_err(|_| DECODING)?;
    rows.iter().for_each(|row| each(R::deserialize(row).ok()));
    Ok(())
}
