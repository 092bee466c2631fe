//! The form of each Delta table: how it is partitioned, how its files are sorted, what it says of itself.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::delta::file::writer::FileForm;
use crate::lake::LakeSettings;
use crate::lake::layout::{DeltaTable, Partition};

/// Rows of a page where whole files are read: a page then holds its megabyte, and the index of pages says little.
const PAGE_ROWS: usize = 20_000;

/// Rows of a page where single records are looked for. An engine that takes pages by their index reads 1.2 MB for one of
/// 97,000 applications, and 2.8 MB with large pages, which are whole row groups; 1,024 rows make that 0.7 MB. They cost 6 %
/// in size and 14 % of a fold's time, 1,024 rows 8 % and 21 %. DuckDB takes row groups whole and reads 6 % more.
const LOOKUP_PAGE_ROWS: usize = 2_048;

/// Returns the column that partitions a table.
pub(super) fn partition_column(table: &DeltaTable) -> Option<&'static str> {
    match table {
        DeltaTable::Snapshots(_) | DeltaTable::Current(_) => Some(Partition::INTEGRATION_KEY),
        DeltaTable::Deltas(_) | DeltaTable::Drift => Some(Partition::COMMIT_DATE),
        _ => None,
    }
}

/// Returns how a table's data files are written.
pub(super) fn file_form(table: &DeltaTable, settings: &LakeSettings) -> FileForm {
    FileForm {
        table: table.to_string(),
        left_out: partition_column(table),
        sorted_by: match table {
            // The key is not in these files; the id is the same in all of their rows.
            DeltaTable::Snapshots(_) | DeltaTable::Current(_) => &["_integration_id", "id"],
            DeltaTable::Deltas(_) | DeltaTable::Drift => &[Partition::INTEGRATION_KEY, "id"],
            _ => &[],
        },
        row_group_bytes: settings.row_group_bytes.get(),
        page_rows: match table {
            DeltaTable::Current(_) => LOOKUP_PAGE_ROWS,
            _ => PAGE_ROWS,
        },
    }
}

/// Returns what people who list tables read of one.
pub(super) fn description(table: &DeltaTable) -> String {
    match table {
        DeltaTable::Integrations => "integrations the lake has rows of".to_owned(),
        DeltaTable::Drift => "what full fetches found".to_owned(),
        DeltaTable::Quarantine => "rows without a usable id".to_owned(),
        DeltaTable::Holds => {
            "what the guard holds back, until it is accepted or confirmed".to_owned()
        }
        DeltaTable::Snapshots(endpoint) => {
            format!("{endpoint}: the last full fetch of each integration")
        }
        DeltaTable::Deltas(endpoint) => format!("{endpoint}: what changed"),
        DeltaTable::Current(endpoint) => format!("{endpoint}: one row per record, as it is now"),
    }
}

/// Puts the day in front: `deltas` grows by the day, and readers prune by it.
pub(super) fn with_commit_date(schema: &Schema) -> SchemaRef {
    let day = Field::new(Partition::COMMIT_DATE, DataType::Date32, false);
    let fields = std::iter::once(Arc::new(day)).chain(schema.fields().iter().cloned());
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
