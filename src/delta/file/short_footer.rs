//! Shortens the footer of a small file, where the footer is a third of the file.
//!
//! Left out are the lists of the encodings of pages (`encoding_stats`) and the sizes before encoding
//! (`size_statistics`). Both are optional. Readers use them to prune by dictionaries and to plan memory, and a small
//! file is one read.

use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData,
};

use crate::delta::delta_error::{DeltaError, ENCODING};

/// Size in bytes of the end of a Parquet file: the length of the metadata, and `PAR1`.
const END: usize = 8;

/// Writes the footer of a finished file again, shorter. The file has no page index.
pub(super) fn shorten(file: &mut Vec<u8>, footer: &ParquetMetaData) -> Result<(), DeltaError> {
    let end = file.last_chunk::<END>().ok_or(ENCODING)?;
    let length = u32::from_le_bytes([end[0], end[1], end[2], end[3]]);
    let length = usize::try_from(length).map_err(|_| ENCODING)?;
    let start = file.len().checked_sub(END + length).ok_or(ENCODING)?;
    let short = shortened(footer).map_err(|_| ENCODING)?;
    file.truncate(start);
    let written = ParquetMetaDataWriter::new(file, &short).finish();
    written.map_err(|_| ENCODING)
}

fn shortened(footer: &ParquetMetaData) -> ParquetResult<ParquetMetaData> {
    let groups = footer.row_groups().iter().map(|group| {
        let columns = group.columns().iter().map(|column| {
            let column = column.clone().into_builder();
            let column = column.clear_page_encoding_stats();
            let column = column.set_unencoded_byte_array_data_bytes(None);
            let column = column.set_definition_level_histogram(None);
            column.set_repetition_level_histogram(None).build()
        });
        let columns = columns.collect::<ParquetResult<Vec<ColumnChunkMetaData>>>()?;
        let group = group.clone().into_builder();
        group.set_column_metadata(columns).build()
    });
    let groups = groups.collect::<ParquetResult<Vec<RowGroupMetaData>>>()?;
    Ok(ParquetMetaData::new(footer.file_metadata().clone(), groups))
}
