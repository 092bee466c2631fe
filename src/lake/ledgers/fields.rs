//! Fields of the lake's own tables: `kombo_integrations`, `kombo_quarantine`, `kombo_drift`, `kombo_holds`,
//! `kombo_coverage`, `kombo_issues`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

/// Declares a text column without nulls.
pub(crate) fn text_field(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

/// Declares a timestamp column.
pub(crate) fn time_field(name: &str, nullable: bool) -> Field {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Field::new(name, micros, nullable)
}

/// Declares an integer column without nulls.
pub(crate) fn long_field(name: &str) -> Field {
    Field::new(name, DataType::Int64, false)
}

/// Declares a column with true or false, without nulls.
pub(crate) fn flag_field(name: &str) -> Field {
    Field::new(name, DataType::Boolean, false)
}

/// Declares a column with a list of names.
pub(crate) fn names_field(name: &str) -> Field {
    // Delta and Iceberg use this name.
    let element = Field::new("element", DataType::Utf8, true);
    Field::new(name, DataType::List(Arc::new(element)), false)
}
