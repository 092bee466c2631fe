//! A copied file is compared with the same rows written by the usual way.

use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Int64Array, ListBuilder, StringBuilder, StructArray,
    TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

use super::*;

const KEY: &str = "personio:a";

/// The form of the table that is copied from: the key is its partition.
fn snapshots() -> FileForm {
    FileForm {
        metadata: vec![("kombo.table", "ats_applications/snapshots".to_owned())],
        looked_up_by: "id",
        in_log: |name| {
            ["id", "integration_key", "changed_at", "_fetch_id", "order"].contains(&name)
        },
        in_files: |name| name != "name",
        left_out: Some("integration_key"),
        sorted_by: &["_integration_id", "id"],
        row_group_bytes: 150_000,
        page_rows: 1_024,
    }
}

/// The form of the table that is copied to: the key is a column.
fn current() -> FileForm {
    FileForm {
        metadata: vec![("kombo.table", "ats_applications/current".to_owned())],
        left_out: None,
        sorted_by: &["integration_key", "id"],
        ..snapshots()
    }
}

fn numbered(name: &str, data_type: DataType, nullable: bool, id: u32) -> Field {
    let id = ("PARQUET:field_id".to_owned(), id.to_string());
    Field::new(name, data_type, nullable).with_metadata([id])
}

fn labels() -> Fields {
    let element = numbered("element", DataType::Utf8, true, 12);
    let list = DataType::List(Arc::new(element));
    let parts = vec![
        numbered("labels", list, true, 11),
        numbered("order", DataType::Int64, true, 13),
    ];
    parts.into()
}

fn schema() -> SchemaRef {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        numbered("id", DataType::Utf8, false, 1),
        numbered("name", DataType::Utf8, true, 2),
        numbered("stage", DataType::Struct(labels()), true, 3),
        numbered("changed_at", micros, true, 4),
        numbered("integration_key", DataType::Utf8, false, 5),
        numbered("_integration_id", DataType::Utf8, false, 6),
        numbered("_fetch_id", DataType::Utf8, false, 7),
        numbered("order", DataType::Int64, true, 8),
        numbered("is_open", DataType::Boolean, true, 9),
        numbered("day", DataType::Date32, true, 10),
    ]))
}

/// Rows sorted by id. Some values of each column are missing, and whole columns in some row groups.
fn rows(count: i64) -> RecordBatch {
    let each = || 0..count;
    let text = |text: &dyn Fn(i64) -> Option<String>| -> ArrayRef {
        Arc::new(each().map(text).collect::<StringArray>())
    };
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(numbered(
        "element",
        DataType::Utf8,
        true,
        12,
    ));
    for row in each() {
        for label in 0..row % 3 {
            lists
                .values()
                .append_option((label != 1).then(|| format!("label {row}")));
        }
        lists.append(row % 5 != 0);
    }
    let orders: ArrayRef = Arc::new(
        each()
            .map(|row| (row % 2 == 0).then_some(row))
            .collect::<Int64Array>(),
    );
    let stages = StructArray::new(
        labels(),
        vec![Arc::new(lists.finish()), Arc::clone(&orders)],
        None,
    );
    let changed = each().map(|row| (row > 150).then_some(1_700_000_000_000_001 + row * 1_000));
    let changed: TimestampMicrosecondArray = changed.collect();
    let columns: Vec<ArrayRef> = vec![
        text(&|row| Some(format!("id {row:06}"))),
        text(&|row| (row % 7 != 0).then(|| format!("Jane {}", row % 11))),
        Arc::new(stages),
        Arc::new(changed.with_timezone("UTC")),
        text(&|_| Some(KEY.to_owned())),
        text(&|_| Some("a".to_owned())),
        text(&|_| Some("fetch".to_owned())),
        orders,
        Arc::new(
            each()
                .map(|row| (row % 3 != 0).then_some(row % 2 == 0))
                .collect::<BooleanArray>(),
        ),
        Arc::new(
            each()
                .map(|row| (row % 4 != 0).then_some(i32::try_from(row).expect("small")))
                .collect::<Date32Array>(),
        ),
    ];
    RecordBatch::try_new(schema(), columns).expect("columns of one length")
}

fn written(form: &FileForm, rows: &RecordBatch) -> EncodedFile {
    let mut file = form.begin(rows.num_rows(), 100);
    file.write(rows).expect("writes");
    file.finish().expect("closes").expect("has rows")
}

fn key() -> Vec<(&'static str, FreshColumn)> {
    vec![("integration_key", FreshColumn::Text(KEY.to_owned()))]
}

fn copied(source: &EncodedFile) -> EncodedFile {
    let copy = copy_columns(&source.bytes, &current(), &schema(), &key());
    copy.expect("readable").expect("the same columns")
}

fn decoded(file: &EncodedFile) -> RecordBatch {
    let batches = read(file.bytes.clone(), &[]).expect("a file");
    let batches: Vec<RecordBatch> = batches.map(|batch| batch.expect("rows")).collect();
    concat_batches(&batches[0].schema(), &batches).expect("one schema")
}

fn footer(file: &EncodedFile) -> ParquetMetaData {
    ChunkSource::open(file.bytes.clone())
        .expect("a file")
        .metadata
}

#[test]
fn a_copy_reads_as_the_rows_written_anew() {
    let (source, anew) = (
        written(&snapshots(), &rows(4_000)),
        written(&current(), &rows(4_000)),
    );
    let copy = copied(&source);
    assert_eq!(decoded(&copy), decoded(&anew));
    assert_eq!(decoded(&copy).schema(), schema());
    assert_eq!((copy.rows, &copy.stats), (anew.rows, &anew.stats));
    assert!(
        copy.stats.contains(r#""integration_key":"personio:a""#),
        "{}",
        copy.stats
    );
}

#[test]
fn the_footer_of_a_copy_is_that_of_the_new_table() {
    let (source, anew) = (
        written(&snapshots(), &rows(4_000)),
        written(&current(), &rows(4_000)),
    );
    let (copy, anew, source) = (footer(&copied(&source)), footer(&anew), footer(&source));
    assert!(copy.num_row_groups() > 1);
    assert_eq!(
        copy.file_metadata().schema_descr(),
        anew.file_metadata().schema_descr()
    );
    let tables = |footer: &ParquetMetaData| {
        let pairs = footer
            .file_metadata()
            .key_value_metadata()
            .expect("pairs")
            .clone();
        pairs
            .into_iter()
            .filter(|pair| pair.key.starts_with("kombo."))
            .collect::<Vec<_>>()
    };
    assert_eq!(tables(&copy), tables(&anew));
    for at in 0..copy.num_row_groups() {
        let (copy, anew) = (copy.row_group(at), anew.row_group(at));
        assert_eq!(copy.num_rows(), source.row_group(at).num_rows());
        assert_eq!(copy.sorting_columns(), anew.sorting_columns());
        for (copy, anew) in copy.columns().iter().zip(anew.columns()) {
            assert_eq!(copy.statistics(), anew.statistics());
            assert_eq!(copy.page_encoding_stats(), anew.page_encoding_stats());
            assert_eq!(copy.bloom_filter_length(), anew.bloom_filter_length());
        }
    }
}

#[test]
fn a_copy_keeps_the_page_index_and_the_bloom_filter() {
    let copy = copied(&written(&snapshots(), &rows(4_000)));
    let metadata = footer(&copy);
    for (at, group) in metadata.row_groups().iter().enumerate() {
        let index = metadata.page_index_for_row_group(at);
        let offsets = index.offset_index(0).expect("the source has it");
        assert_eq!(
            offsets.page_locations().len(),
            if group.num_rows() > 1_024 { 2 } else { 1 }
        );
        assert!(index.column_index(0).is_some());
        let filter = Sbbf::read_from_column_chunk(group.column(0), &copy.bytes).expect("readable");
        let filter = filter.expect("the source has it");
        let at = i64::try_from(at).expect("a few groups");
        let first = at * metadata.row_group(0).num_rows();
        assert!(filter.check(format!("id {first:06}").as_str()));
        assert!(!filter.check("an id that no row has"));
    }
}

#[test]
fn a_copy_of_a_small_file_has_no_page_index_as_the_file_itself() {
    let source = written(&snapshots(), &rows(100));
    let copy = copied(&source);
    for file in [&source, &copy, &written(&current(), &rows(100))] {
        let footer = footer(file);
        assert!(footer.page_index().is_none());
        let id = footer.row_group(0).column(0);
        assert_eq!(id.bloom_filter_offset(), None);
        assert_eq!(id.offset_index_offset(), None);
        assert_eq!(id.page_encoding_stats(), None);
        assert!(id.statistics().is_some());
    }
    assert_eq!(decoded(&copy), rows(100));
    assert_eq!(copy.stats, written(&current(), &rows(100)).stats);
}

#[test]
fn named_columns_are_replaced_and_the_others_copied() {
    let (old, count) = (rows(4_000), 4_000);
    let times: TimestampMicrosecondArray =
        (0..count).map(|row| (row > 900).then_some(row)).collect();
    let times: ArrayRef = Arc::new(times.with_timezone("UTC"));
    let fresh = [
        ("changed_at", FreshColumn::Values(Arc::clone(&times))),
        ("_fetch_id", FreshColumn::Text("later".to_owned())),
    ];
    let source = written(&current(), &old);
    let copy = copy_columns(&source.bytes, &current(), &schema(), &fresh);
    let copy = copy.expect("readable").expect("the same columns");
    let mut columns = old.columns().to_vec();
    columns[3] = times;
    columns[6] = repeated("later", old.num_rows());
    let anew = RecordBatch::try_new(schema(), columns).expect("columns of one length");
    assert_eq!(decoded(&copy), anew);
    assert_eq!(copy.stats, written(&current(), &anew).stats);
}

#[test]
fn texts_that_a_footer_cuts_have_the_statistics_of_the_values() {
    let mut columns = rows(10).columns().to_vec();
    let ids = (0..10).map(|row| Some(format!("{}{row}", "x".repeat(150))));
    columns[0] = Arc::new(ids.collect::<StringArray>());
    let long = RecordBatch::try_new(schema(), columns).expect("columns of one length");
    let copy = copied(&written(&snapshots(), &long));
    assert_eq!(copy.stats, written(&current(), &long).stats);
}

#[test]
fn a_file_with_other_columns_is_not_copied() {
    let all = rows(10);
    let source = |columns: &[usize]| {
        let some = all.project(columns).expect("columns");
        written(&snapshots(), &some).bytes
    };
    let copy = |file: &Bytes, schema: &SchemaRef, fresh: &[(&str, FreshColumn)]| {
        let copy = copy_columns(file, &current(), schema, fresh).expect("readable");
        copy.is_some()
    };
    let complete = source(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(copy(&complete, &schema(), &key()));
    // A column is missing.
    assert!(!copy(
        &source(&[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        &schema(),
        &key()
    ));
    assert!(!copy(&complete, &schema(), &[]));
    // A column would be lost.
    let fewer = Arc::new(schema().project(&[0, 1, 2, 3, 4, 5, 6]).expect("columns"));
    assert!(!copy(&complete, &fewer, &key()));
    // A column has another type, or another field id.
    for changed in [
        numbered("day", DataType::Int64, true, 10),
        numbered("day", DataType::Date32, false, 10),
        numbered("day", DataType::Date32, true, 20),
    ] {
        let mut fields = schema().fields().to_vec();
        fields[9] = Arc::new(changed);
        assert!(!copy(&complete, &Arc::new(Schema::new(fields)), &key()));
    }
}

#[test]
fn columns_of_a_copy_have_the_order_of_the_table() {
    let moved = rows(500)
        .project(&[9, 2, 0, 1, 3, 4, 5, 6, 7, 8])
        .expect("columns");
    let copy = copied(&written(&snapshots(), &moved));
    assert_eq!(decoded(&copy), rows(500));
}

#[test]
fn a_file_without_rows_is_not_copied() {
    let writer = ArrowWriter::try_new(Vec::new(), snapshots().stored(&schema()), None);
    let empty = writer.expect("a schema").into_inner().expect("closes");
    let copy = copy_columns(&empty.into(), &current(), &schema(), &key());
    assert!(copy.expect("readable").is_none());
}

#[test]
fn nothing_is_copied_with_values_for_fewer_rows_or_from_a_file_that_lacks_a_part() {
    let source = written(&snapshots(), &rows(10));
    let short = [("integration_key", FreshColumn::Values(repeated(KEY, 9)))];
    assert!(copy_columns(&source.bytes, &current(), &schema(), &short).is_err());
    // A part is missing at the start, in the middle, at the end.
    for (from, to) in [
        (0, 100),
        (1_000, 1_001),
        (source.bytes.len() - 20, source.bytes.len()),
    ] {
        let parts = [&source.bytes[..from], &source.bytes[to..]];
        let copy = copy_columns(&parts.concat().into(), &current(), &schema(), &key());
        assert!(
            !copy.is_ok_and(|copy| copy.is_some()),
            "without {from}..{to}"
        );
    }
    assert_eq!(decoded(&source).column(0).as_string::<i32>().len(), 10);
}
