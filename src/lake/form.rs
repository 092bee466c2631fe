//! The form of each Delta table: its partition column, the sorting of its files, its description.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::delta::file::file_form::FileForm;
use crate::delta::log::BoundedColumns;
use crate::lake::LakeSettings;
use crate::lake::layout::{COMMIT_DATE, INTEGRATION_KEY, LakeTable};

/// The metadata key of every file that states the version of the file layout.
pub(super) const LAYOUT_KEY: &str = "kombo.layout_version";

/// Returns the columns by which the files of a table are found and merged.
pub(super) fn bounded(table: &LakeTable) -> BoundedColumns {
    BoundedColumns {
        key: INTEGRATION_KEY,
        id: match table {
            // Its rows have no id of Kombo.
            LakeTable::Quarantine => "_fetch_id",
            _ => "id",
        },
        observed: "_fetched_at",
    }
}

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
        LakeTable::Snapshots(_) => Some(INTEGRATION_KEY),
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
        in_log,
        in_files,
        left_out: partition_column(table),
        sorted_by: match table {
            // The integration key is not stored in these files. `_integration_id` is the same in all rows of a file.
            LakeTable::Snapshots(_) => &["_integration_id", "id"],
            LakeTable::Deltas(_) | LakeTable::Current(_) | LakeTable::Drift => {
                &[INTEGRATION_KEY, "id"]
            }
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
        LakeTable::Coverage => {
            "which models and fields Kombo can read of each integration, and why not the others"
                .to_owned()
        }
        LakeTable::Issues => {
            "what Kombo says is wrong with the connections to customers, with the remedy".to_owned()
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

/// The columns whose statistics the log may hold: what the lake and its readers find files by, and our own columns.
///
/// This list and [`IN_FILES`] are the only place that decides about statistics. A column that is not listed has none,
/// so a new column of Kombo's has none. The bounds of a file with one row are the values of that row, and its count of
/// nulls says which values are missing. The log outlives the files. So nothing about a person may get into it, except
/// the id that Kombo gave to the record.
const IN_LOG: &[&str] = &[
    "id",
    INTEGRATION_KEY,
    "changed_at",
    "_integration_id",
    "_op",
    "_fetched_at",
    "_fetch_id",
    // Columns of the lake's own tables, which no table of Kombo's has.
    "endpoint",
    "kind",
    "cause",
];

/// The columns that only the statistics and page indexes of Parquet files may hold, in addition to [`IN_LOG`]: what
/// readers filter and join by. These statistics leave together with the rows of their file.
const IN_FILES: &[&str] = &[
    "remote_deleted_at",
    // References to other records of Kombo's.
    "application_id",
    "approver_id",
    "author_id",
    "candidate_id",
    "course_revision_id",
    "current_stage_id",
    "employee_id",
    "interview_id",
    "job_id",
    "legal_entity_id",
    "manager_id",
    "package_id",
    "parent_id",
    "skill_id",
    "stage_id",
    "user_id",
    "work_location_id",
];

/// Returns whether the log may hold statistics of a column.
fn in_log(name: &str) -> bool {
    IN_LOG.contains(&name)
}

/// Returns whether Parquet files may hold statistics of a column.
fn in_files(name: &str) -> bool {
    in_log(name) || IN_FILES.contains(&name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalog::Catalog;
    use crate::lake::Part;

    /// Returns the names of all columns of all endpoints.
    fn columns() -> BTreeSet<String> {
        let catalog = Catalog::embedded();
        let schemas = catalog
            .endpoints()
            .iter()
            .map(|one| Part::Deltas.schema(one));
        let names = schemas.flat_map(|schema| {
            let names = schema.fields().iter().map(|field| field.name().clone());
            names.collect::<Vec<_>>()
        });
        names.collect()
    }

    #[test]
    fn of_all_columns_the_log_holds_statistics_only_of_the_key_the_change_and_our_own() {
        let columns = columns();
        let in_log: Vec<&str> = columns
            .iter()
            .map(String::as_str)
            .filter(|one| in_log(one))
            .collect();
        assert_eq!(
            in_log,
            [
                "_fetch_id",
                "_fetched_at",
                "_integration_id",
                "_op",
                "changed_at",
                "id",
                "integration_key"
            ]
        );
    }

    #[test]
    fn files_hold_no_statistics_of_anything_that_describes_a_person() {
        for name in [
            "first_name",
            "last_name",
            "display_full_name",
            "name",
            "remote_id",
            "employee_number",
            "ssn",
            "tax_id",
            "bank_accounts",
            "home_address",
            "email",
            "work_email",
            "personal_email",
            "mobile_phone_number",
            "phone_numbers",
            "date_of_birth",
            "ethnicity",
            "gender",
            "nationality",
            "marital_status",
            "pay_rate",
            "termination_date",
            "comment",
            "content_html",
            "description",
            "custom_fields",
            "remote_data",
            "_rest",
            "_hash",
            "row",
            "a_column_of_next_year_id",
        ] {
            assert!(!in_files(name) && !in_log(name), "{name}");
        }
        let columns = columns();
        for name in IN_FILES {
            assert!(columns.contains(*name), "no table has the column {name}");
        }
    }
}
