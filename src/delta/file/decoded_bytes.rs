//! The size of rows in memory.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;

/// Returns the size in bytes of a batch's values. Unused space in the batch's buffers does not count, nor do values
/// that lie beside a slice in the buffers that it shares.
pub(crate) fn decoded_bytes(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    columns.map(|column| bytes_of(column.as_ref())).sum()
}

fn bytes_of(array: &dyn Array) -> usize {
    let nulls = array.nulls().map_or(0, |nulls| nulls.len().div_ceil(8));
    let values = match array.data_type() {
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            columns.map(|column| bytes_of(column.as_ref())).sum()
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (from, len) = span(list.value_offsets());
            // The elements of a sliced list are those of the whole list.
            bytes_of(list.values().slice(from, len).as_ref()) + size_of_val(list.value_offsets())
        }
        DataType::Utf8 => {
            let offsets = array.as_string::<i32>().value_offsets();
            span(offsets).1 + size_of_val(offsets)
        }
        DataType::Boolean => array.len().div_ceil(8),
        other => match other.primitive_width() {
            Some(width) => width * array.len(),
            None => array.get_array_memory_size(),
        },
    };
    nulls + values
}

/// Returns where the values of offsets begin, and how many there are.
fn span(offsets: &[i32]) -> (usize, usize) {
    let position = |offset: Option<&i32>| {
        let offset = offset.copied().unwrap_or_default();
        usize::try_from(offset).unwrap_or_default()
    };
    let from = position(offsets.first());
    (from, position(offsets.last()).saturating_sub(from))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Int64Array, ListArray, StringArray, StructArray, new_empty_array,
    };
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{Field, Fields};

    use super::*;

    /// Rows with a list of structs: two tags of three characters each.
    fn rows(count: usize) -> RecordBatch {
        let tags: ArrayRef = Arc::new(StringArray::from(vec!["abc"; 2 * count]));
        let fields = Fields::from(vec![Field::new("tag", DataType::Utf8, true)]);
        let tags = StructArray::new(fields.clone(), vec![tags], None);
        let element = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
        let offsets = OffsetBuffer::from_lengths(vec![2; count]);
        let lists: ArrayRef = Arc::new(ListArray::new(element, offsets, Arc::new(tags), None));
        let ids: ArrayRef = Arc::new(StringArray::from(vec!["id-4"; count]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![None; count]));
        let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true; count]));
        RecordBatch::try_from_iter([
            ("id", ids),
            ("n", numbers),
            ("flag", flags),
            ("tags", lists),
        ])
        .expect("columns of one length")
    }

    #[test]
    fn the_slices_of_a_batch_have_its_size_together() {
        let whole = rows(4_000);
        let each = 4 + 4 + 8 + 4 + 2 * (4 + 3);
        let expected = 4_000 * each + 2 * 4_000 / 8;
        let size = decoded_bytes(&whole);
        assert!(size.abs_diff(expected) < 32, "{size} and {expected}");
        let slices = (0..40).map(|nth| decoded_bytes(&whole.slice(nth * 100, 100)));
        let together: usize = slices.sum();
        assert!(together.abs_diff(size) < 40 * 16, "{together} and {size}");
    }

    #[test]
    fn no_rows_have_hardly_a_size() {
        let empty = RecordBatch::new_empty(rows(1).schema());
        assert!(decoded_bytes(&empty) <= 16);
        assert_eq!(bytes_of(new_empty_array(&DataType::Int64).as_ref()), 0);
    }
}
