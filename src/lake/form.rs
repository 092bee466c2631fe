//! The form of each Delta table: its partition column, the sorting of its files, its description.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::delta::file::writer::FileForm;
use crate::delta::log::BoundedColumns;
use crate::lake::LakeSettings;
use crate::lake::layout::{COMMIT_DATE, INTEGRATION_KEY, LakeTable};

/// The metadata key of every file that states the version of the file layout.
pub(super) const LAYOUT_KEY: &str = "kombo.layout_version";

/// The columns by which files are found.
pub(super) const BOUNDED: BoundedColumns = BoundedColumns {
    key: INTEGRATION_KEY,
    id: "id",
    observed: "_fetched_at",
};

/// The version of the file layout.
const FILE_LAYOUT: &str = "1";

/// Rows of a page in tables that are read as complete files. A page then reaches its megabyte, and the page index is
/// small.
const PAGE_ROWS: usize = 20_000;

/// Rows of a page in `current`, where single records are looked up. Measured with one of 97,000 applications, by an
/// engine that uses the page index: it reads 2.8 MB with large pages (a page is then a complete row group), 1.2 MB
/// with 2,048 rows and 0.7 MB with 1,024 rows. Pages of 2,048 rows cost 6 % in size and 14 % of a fold's time, pages
/// of 1,024 rows 8 % and 21 %. DuckDB reads complete row groups, and reads 6 % more with small pages.
const LOOKUP_PAGE_ROWS: usize = 2_048;

/// Returns the partition column of a table.
pub(super) fn partition_column(table: &LakeTable) -> Option<&'static str> {
    match table {
        LakeTable::Snapshots(_) | LakeTable::Current(_) => Some(INTEGRATION_KEY),
        LakeTable::Deltas(_) | LakeTable::Drift => Some(COMMIT_DATE),
        _ => None,
    }
}

/// Returns how the data files of a table are written.
pub(super) fn file_form(table: &LakeTable, settings: &LakeSettings) -> FileForm {
    FileForm {
        metadata: vec![
            (LAYOUT_KEY, FILE_LAYOUT.to_owned()),
            ("kombo.writer_version", env!("CARGO_PKG_VERSION").to_owned()),
            ("kombo.table", table.to_string()),
        ],
        looked_up_by: "id",
        has_text_bounds,
        left_out: partition_column(table),
        sorted_by: match table {
            // The integration key is not stored in these files. `_integration_id` is the same in all rows of a file.
            LakeTable::Snapshots(_) | LakeTable::Current(_) => &["_integration_id", "id"],
            LakeTable::Deltas(_) | LakeTable::Drift => &[INTEGRATION_KEY, "id"],
            _ => &[],
        },
        row_group_bytes: settings.row_group_bytes.get(),
        page_rows: match table {
            LakeTable::Current(_) => LOOKUP_PAGE_ROWS,
            _ => PAGE_ROWS,
        },
    }
}

/// Returns the description of a table, for people who list tables.
pub(super) fn description(table: &LakeTable) -> String {
    match table {
        LakeTable::Integrations => {
            "integrations: one row per connected customer, with its state".to_owned()
        }
        LakeTable::Drift => "rows that differed between the lake and a full fetch".to_owned(),
        LakeTable::Quarantine => "rows from Kombo without a usable id".to_owned(),
        LakeTable::Holds => {
            "changes that the guard holds back until they are accepted or confirmed".to_owned()
        }
        LakeTable::Snapshots(endpoint) => {
            format!("{endpoint}: the last full fetch of each integration")
        }
        LakeTable::Deltas(endpoint) => {
            format!("{endpoint}: the changes, as one row per observation")
        }
        LakeTable::Current(endpoint) => format!("{endpoint}: one current row per record"),
    }
}

/// Adds the commit date as the first column: `deltas` grows by the day, and readers skip files by the date.
pub(super) fn with_commit_date(schema: &Schema) -> SchemaRef {
    let day = Field::new(COMMIT_DATE, DataType::Date32, false);
    let fields = std::iter::once(Arc::new(day)).chain(schema.fields().iter().cloned());
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Returns whether the log may hold text bounds of a column. Kombo's ids get text bounds, because files are sorted by
/// ids and joins skip files by them. No other text of Kombo's gets bounds. The bounds of a file with one row are the
/// values of that row, and the log outlives the files. So personal data must not get into the log: names, dates of
/// birth, pay, ids that a tool or a state gave to a person.
fn has_text_bounds(name: &str) -> bool {
    let is_reference = name.ends_with("_id") && !matches!(name, "remote_id" | "tax_id");
    // Columns of the lake's own tables, which no table of Kombo's has.
    let is_own = matches!(
        name,
        "integration_key" | "_op" | "endpoint" | "kind" | "cause"
    );
    name == "id" || is_own || is_reference
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
    use serde_json::{Value, json};

    use super::*;
    use crate::delta::file::stats::FileStats;

    fn stats_of(columns: Vec<(&str, ArrayRef)>) -> Value {
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let mut stats = FileStats::new(has_text_bounds);
        stats.add(&batch);
        serde_json::from_str(&stats.to_json()).expect("JSON")
    }

    #[test]
    fn what_describes_a_person_stays_out_of_the_log_and_nulls_are_counted() {
        let stats = stats_of(vec![
            (
                "first_name",
                Arc::new(StringArray::from(vec![Some("Jane"), None])) as ArrayRef,
            ),
            ("tax_id", Arc::new(StringArray::from(vec!["DE1", "DE1"]))),
            ("remote_id", Arc::new(StringArray::from(vec!["jd", "jd"]))),
            ("date_of_birth", Arc::new(Date32Array::from(vec![0, 10]))),
            ("pay_rate", Arc::new(Float64Array::from(vec![1.5, 1.5]))),
            ("index", Arc::new(Int64Array::from(vec![None::<i64>, None]))),
        ]);
        assert_eq!(stats["minValues"], json!({}));
        assert_eq!(stats["maxValues"], json!({}));
        assert_eq!(stats["nullCount"]["first_name"], 1);
        assert_eq!(stats["nullCount"]["index"], 2);
    }
}
