//! The form of each Delta table: how it is partitioned, how its files are sorted, what it says of itself.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::delta::file::writer::FileForm;
use crate::delta::log::BoundedColumns;
use crate::lake::LakeSettings;
use crate::lake::layout::{COMMIT_DATE, INTEGRATION_KEY, LakeTable};

/// The key in every file's metadata that says which version of the files' own layout it has.
pub(super) const LAYOUT_KEY: &str = "kombo.layout_version";

/// The columns that files are found by.
pub(super) const BOUNDED: BoundedColumns = BoundedColumns {
    key: INTEGRATION_KEY,
    id: "id",
    observed: "_fetched_at",
};

/// The version of the files' own layout.
const FILE_LAYOUT: &str = "1";

/// Rows of a page where whole files are read: a page then holds its megabyte, and the index of pages says little.
const PAGE_ROWS: usize = 20_000;

/// Rows of a page where single records are looked for. An engine that takes pages by their index reads 1.2 MB for one of
/// 97,000 applications, and 2.8 MB with large pages, which are whole row groups; 1,024 rows make that 0.7 MB. They cost 6 %
/// in size and 14 % of a fold's time, 1,024 rows 8 % and 21 %. DuckDB takes row groups whole and reads 6 % more.
const LOOKUP_PAGE_ROWS: usize = 2_048;

/// Returns the column that partitions a table.
pub(super) fn partition_column(table: &LakeTable) -> Option<&'static str> {
    match table {
        LakeTable::Snapshots(_) | LakeTable::Current(_) => Some(INTEGRATION_KEY),
        LakeTable::Deltas(_) | LakeTable::Drift => Some(COMMIT_DATE),
        _ => None,
    }
}

/// Returns how a table's data files are written.
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
            // The key is not in these files; the id is the same in all of their rows.
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

/// Returns what people who list tables read of one.
pub(super) fn description(table: &LakeTable) -> String {
    match table {
        LakeTable::Integrations => "integrations the lake has rows of".to_owned(),
        LakeTable::Drift => "what full fetches found".to_owned(),
        LakeTable::Quarantine => "rows without a usable id".to_owned(),
        LakeTable::Holds => {
            "what the guard holds back, until it is accepted or confirmed".to_owned()
        }
        LakeTable::Snapshots(endpoint) => {
            format!("{endpoint}: the last full fetch of each integration")
        }
        LakeTable::Deltas(endpoint) => format!("{endpoint}: what changed"),
        LakeTable::Current(endpoint) => format!("{endpoint}: one row per record, as it is now"),
    }
}

/// Puts the day in front: `deltas` grows by the day, and readers prune by it.
pub(super) fn with_commit_date(schema: &Schema) -> SchemaRef {
    let day = Field::new(COMMIT_DATE, DataType::Date32, false);
    let fields = std::iter::once(Arc::new(day)).chain(schema.fields().iter().cloned());
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Kombo's ids get text bounds: files are sorted by them and joins prune by them. Nothing else does: a file of one row has
/// its values as bounds, and personal data (names, dates of birth, pay, ids that a tool or a state gave to a person) has
/// no business in a log that outlives the files it describes.
fn has_text_bounds(name: &str) -> bool {
    let is_reference = name.ends_with("_id") && !matches!(name, "remote_id" | "tax_id");
    // And the words of our own tables, none of which a table of Kombo's has.
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
