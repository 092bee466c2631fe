//! Decides which columns of a file get a dictionary, by a sample of their first values, and which columns of a small file
//! are compressed.
//!
//! A dictionary pays where values repeat. Dictionaries of ids and timestamps would save nothing and take a fifth of the
//! writer's time. A few bytes are not compressed: they would not become fewer, and whoever writes or reads a column makes
//! a compressor and a decompressor for it, which takes longer than the column.

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use parquet::basic::Compression;
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;
use xxhash_rust::xxh3::xxh3_64;

/// The values that are sampled of a column, at most.
const SAMPLE: usize = 1_024;

/// A sample is taken in this many rounds. One or two rounds show for most columns whether their values repeat.
const ROUNDS: usize = 16;

/// Values of a round.
const ROUND: usize = SAMPLE / ROUNDS;

/// Least size in bytes of the values that get a dictionary. A dictionary is a page of its own, with a header and an
/// entry in the footer. Measured with 20 and 200 applications: fewer bytes, and more, give larger files.
const LEAST_BYTES: usize = 512;

/// Stored bytes of a column from which on it is compressed. Measured over 400 files of 20 to 500 rows: columns below this
/// size take as many bytes either way, and a quarter of the columns are below it.
const COMPRESSED_FROM: usize = 120;

/// What a sample says of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sampled {
    repeat: bool,
    distinct: usize,
}

/// Decides for each column of a file by its first rows. `is_complete` says that the file has no more rows.
pub(super) fn choose_dictionaries(
    mut properties: WriterPropertiesBuilder,
    first: &RecordBatch,
    is_complete: bool,
) -> WriterPropertiesBuilder {
    let mut path = Vec::new();
    for (field, column) in first.schema().fields().iter().zip(first.columns()) {
        path.push(field.name().clone());
        properties = choose(properties, &mut path, column, is_complete);
        path.pop();
    }
    properties
}

fn choose(
    mut properties: WriterPropertiesBuilder,
    path: &mut Vec<String>,
    column: &ArrayRef,
    is_complete: bool,
) -> WriterPropertiesBuilder {
    match column.data_type() {
        DataType::Struct(fields) => {
            for (field, child) in fields.iter().zip(column.as_struct().columns()) {
                path.push(field.name().clone());
                properties = choose(properties, path, child, is_complete);
                path.pop();
            }
            properties
        }
        DataType::List(element) => {
            path.extend(["list".to_owned(), element.name().clone()]);
            properties = choose(properties, path, &elements(column.as_list()), is_complete);
            path.truncate(path.len() - 2);
            properties
        }
        _ => choose_leaf(
            properties,
            ColumnPath::from(path.clone()),
            column.as_ref(),
            is_complete,
        ),
    }
}

fn choose_leaf(
    mut properties: WriterPropertiesBuilder,
    path: ColumnPath,
    column: &dyn Array,
    is_complete: bool,
) -> WriterPropertiesBuilder {
    let mut stored = value_bytes(column);
    if *column.data_type() != DataType::Boolean {
        let pays = !is_complete || stored >= LEAST_BYTES;
        let sampled = pays.then(|| values_repeat(column));
        let repeat = sampled.filter(|sampled| sampled.repeat);
        if let Some(Sampled { distinct, .. }) = repeat {
            let values = column.len() - column.null_count();
            let bits_each = distinct.next_power_of_two().trailing_zeros() as usize;
            stored = stored / values.max(1) * distinct + values * bits_each / 8;
        }
        properties = properties.set_column_dictionary_enabled(path.clone(), repeat.is_some());
    }
    if is_complete && stored < COMPRESSED_FROM {
        properties = properties.set_column_compression(path, Compression::UNCOMPRESSED);
    }
    properties
}

/// Returns the elements of a column's lists. A slice of a column holds the elements of all rows.
fn elements(lists: &ListArray) -> ArrayRef {
    let position = |offset: i32| usize::try_from(offset).unwrap_or_default();
    let (start, end) = (lists.offsets().first(), lists.offsets().last());
    let (start, end) = (position(start), position(end));
    lists.values().slice(start, end.saturating_sub(start))
}

/// Returns the size in bytes of a column's values, as Parquet stores them without a dictionary.
fn value_bytes(column: &dyn Array) -> usize {
    let values = column.len() - column.null_count();
    match column.data_type() {
        DataType::Utf8 => {
            let offsets = column.as_string::<i32>().value_offsets();
            let text = offsets.last().zip(offsets.first());
            let text = text.map_or(0, |(end, start)| end.saturating_sub(*start));
            usize::try_from(text).unwrap_or_default() + 4 * values
        }
        DataType::Date32 => 4 * values,
        DataType::Boolean => values.div_ceil(8),
        _ => 8 * values,
    }
}

/// Samples values spread over the column. Values repeat when at most half of the sampled values are distinct. The
/// sample ends before [`SAMPLE`] values when the result is clear.
fn values_repeat(column: &dyn Array) -> Sampled {
    let step = column.len().div_ceil(SAMPLE).max(1);
    let (mut looked_at, mut seen) = (0, Vec::with_capacity(ROUND));
    // Each round goes over the complete column, since values next to each other are often equal.
    for round in 0..ROUNDS {
        let rows = (round * step..column.len()).step_by(step * ROUNDS);
        for row in rows.filter(|row| column.is_valid(*row)) {
            let Some(value) = fingerprint(column, row) else {
                return Sampled {
                    repeat: true,
                    distinct: column.len(),
                };
            };
            seen.push(value);
            looked_at += 1;
        }
        seen.sort_unstable();
        seen.dedup();
        let is_clear = looked_at >= ROUND && seen.len() * 8 <= looked_at
            || looked_at >= 2 * ROUND && seen.len() + looked_at / ROUND >= looked_at;
        if is_clear {
            break;
        }
    }
    Sampled {
        repeat: seen.len() * 2 <= looked_at.max(1),
        distinct: seen.len(),
    }
}

/// Returns a number that equal values share, and that different values hardly share. `None` for another type.
fn fingerprint(column: &dyn Array, row: usize) -> Option<u64> {
    Some(match column.data_type() {
        DataType::Utf8 => xxh3_64(column.as_string::<i32>().value(row).as_bytes()),
        DataType::Int64 => bits(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_bits(),
        DataType::Date32 => bits(column.as_primitive::<Date32Type>().value(row).into()),
        DataType::Timestamp(..) => {
            bits(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        _ => return None,
    })
}

fn bits(value: i64) -> u64 {
    u64::from_ne_bytes(value.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Int64Array, StringArray};
    use parquet::basic::ZstdLevel;
    use parquet::file::properties::WriterProperties;

    use super::*;

    fn texts(rows: usize, value: impl Fn(usize) -> usize) -> StringArray {
        let texts = (0..rows).map(|row| Some(format!("value {}", value(row))));
        texts.collect()
    }

    /// A number below `limit` that looks random.
    fn mixed(row: usize, limit: usize) -> usize {
        usize::try_from(xxh3_64(&row.to_le_bytes()) % limit as u64).expect("below the limit")
    }

    #[test]
    fn values_repeat_when_at_most_half_of_a_sample_is_distinct() {
        for (distinct, repeat) in [(1, true), (20, true), (300, true), (3_000, false)] {
            let column = texts(20_000, |row| mixed(row, distinct));
            let sampled = values_repeat(&column);
            assert_eq!(sampled.repeat, repeat, "{distinct} distinct values");
            let sorted = texts(20_000, |row| row * distinct / 20_000);
            let sampled = values_repeat(&sorted);
            assert_eq!(sampled.repeat, repeat, "{distinct} sorted values");
        }
        assert!(!values_repeat(&texts(20_000, |row| row)).repeat);
        assert!(!values_repeat(&texts(3, |row| row)).repeat);
        let two = Sampled {
            repeat: true,
            distinct: 2,
        };
        assert_eq!(values_repeat(&texts(4, |row| row / 2)), two);
        let numbers: Int64Array = (0..5_000_i64)
            .map(|row| (row % 9 == 0).then_some(row % 7))
            .collect();
        assert!(values_repeat(&numbers).repeat);
    }

    #[test]
    fn only_columns_of_a_complete_file_with_more_than_a_few_bytes_are_compressed() {
        let columns: [(&str, ArrayRef); 5] = [
            ("ids", Arc::new(texts(300, |row| row))),
            ("states", Arc::new(texts(300, |row| row % 3))),
            ("few", Arc::new(texts(8, |row| row))),
            ("nothing", Arc::new(StringArray::new_null(300))),
            ("flags", Arc::new(BooleanArray::from(vec![true; 300]))),
        ];
        for (name, column) in columns {
            for is_complete in [true, false] {
                let zstd = Compression::ZSTD(ZstdLevel::default());
                let begun = WriterProperties::builder().set_compression(zstd);
                let first = RecordBatch::try_from_iter([(name, Arc::clone(&column))]);
                let first = first.expect("one column");
                let chosen = choose_dictionaries(begun, &first, is_complete).build();
                let found = chosen.compression(&ColumnPath::from(name));
                let is_compressed = found == zstd;
                assert_eq!(is_compressed, name == "ids" || !is_complete, "{name}");
            }
        }
    }

    #[test]
    fn the_bytes_of_values_are_those_of_a_slice() {
        let texts = StringArray::from(vec![Some("abc"), None, Some("de"), Some("f")]);
        assert_eq!(value_bytes(&texts), 6 + 3 * 4);
        assert_eq!(value_bytes(&texts.slice(1, 2)), 2 + 4);
        assert_eq!(value_bytes(&Int64Array::from(vec![Some(1), None])), 8);
    }
}
