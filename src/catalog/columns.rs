//! Arrow schemas of rows: first the system columns, then Kombo's typed columns.
//!
//! Every field carries `PARQUET:field_id`. The children of lists are named `element`, as Delta and Iceberg expect. All
//! of Kombo's columns except the key may be null, because Kombo sets all fields of a row to null 14 days after its
//! deletion. Of the system columns only `_rest` may be null. A new system column must be nullable, too: older files
//! lack the column, and readers fill it with nulls.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, Fields, Schema, TimeUnit};

use super::field::{Field, FieldKind};

/// The columns that this program adds to each row, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SystemColumn {
    /// The safe name of the integration. Partition column of `snapshots` and `current`.
    IntegrationKey,
    /// Kombo's integration id.
    IntegrationId,
    /// What the row says: `upsert`, `delete` (when `remote_deleted_at` is set) or `absent`.
    Op,
    /// When the row was observed, on the server's clock.
    FetchedAt,
    /// The fetch that brought the row.
    FetchId,
    /// 64-bit hash of Kombo's record. The hash does not depend on the version of the schema.
    Hash,
    /// Values that did not fit a column, as a JSON object from JSON Pointer (RFC 6901) to value.
    Rest,
}

impl SystemColumn {
    /// All system columns, in their order.
    pub const ALL: [Self; 7] = [
        Self::IntegrationKey,
        Self::IntegrationId,
        Self::Op,
        Self::FetchedAt,
        Self::FetchId,
        Self::Hash,
        Self::Rest,
    ];

    /// Returns the column's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IntegrationKey => "integration_key",
            Self::IntegrationId => "_integration_id",
            Self::Op => "_op",
            Self::FetchedAt => "_fetched_at",
            Self::FetchId => "_fetch_id",
            Self::Hash => "_hash",
            Self::Rest => "_rest",
        }
    }

    /// Returns the position of the column in a row's schema.
    #[must_use]
    pub fn position(self) -> usize {
        self as usize
    }

    fn field(self) -> ArrowField {
        let (data_type, nullable) = match self {
            Self::IntegrationKey | Self::IntegrationId | Self::Op | Self::FetchId => {
                (DataType::Utf8, false)
            }
            Self::FetchedAt => (timestamp(), false),
            Self::Hash => (DataType::Int64, false),
            Self::Rest => (DataType::Utf8, true),
        };
        let id = i32::try_from(self.position()).expect("seven columns") + 1;
        numbered(ArrowField::new(self.name(), data_type, nullable), id)
    }
}

/// Returns the Arrow fields of the system columns, with field ids 1 to 7.
#[must_use]
pub fn system_columns() -> Vec<ArrowField> {
    SystemColumn::ALL
        .into_iter()
        .map(SystemColumn::field)
        .collect()
}

/// Builds the schema of a row.
pub(super) fn arrow_schema(fields: &[Field]) -> Schema {
    let kombo = fields.iter().map(|field| {
        let nullable = field.name != "id";
        arrow_field(field, &field.name, nullable)
    });
    Schema::new(
        system_columns()
            .into_iter()
            .chain(kombo)
            .collect::<Vec<_>>(),
    )
}

fn arrow_field(field: &Field, name: &str, nullable: bool) -> ArrowField {
    numbered(
        ArrowField::new(name, data_type(&field.kind), nullable),
        field.id,
    )
}

fn data_type(kind: &FieldKind) -> DataType {
    match kind {
        FieldKind::String | FieldKind::Json => DataType::Utf8,
        FieldKind::Int => DataType::Int64,
        FieldKind::Float => DataType::Float64,
        FieldKind::Bool => DataType::Boolean,
        FieldKind::Timestamp => timestamp(),
        FieldKind::Date | FieldKind::MidnightDate => DataType::Date32,
        FieldKind::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| arrow_field(field, &field.name, true))
                .collect::<Fields>(),
        ),
        FieldKind::List(item) => DataType::List(Arc::new(arrow_field(item, "element", true))),
    }
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn numbered(field: ArrowField, id: i32) -> ArrowField {
    field.with_metadata(HashMap::from([(
        "PARQUET:field_id".to_owned(),
        id.to_string(),
    )]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn only_the_key_and_system_columns_may_not_be_null() {
        for endpoint in Catalog::embedded().endpoints() {
            let schema = endpoint.schema();
            let required: Vec<_> = schema
                .fields()
                .iter()
                .filter(|f| !f.is_nullable())
                .map(|f| f.name().as_str())
                .collect();
            assert_eq!(
                required,
                [
                    "integration_key",
                    "_integration_id",
                    "_op",
                    "_fetched_at",
                    "_fetch_id",
                    "_hash",
                    "id"
                ]
            );
        }
    }

    #[test]
    fn system_columns_stand_where_their_position_says() {
        let schema = Catalog::embedded()
            .find("ats/tags")
            .expect("known")
            .schema();
        for column in SystemColumn::ALL {
            assert_eq!(schema.field(column.position()).name(), column.name());
        }
    }
}
