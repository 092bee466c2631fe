//! Delta's schema JSON: made from an Arrow schema, and merged so that a table only ever gains columns.
//!
//! A table's schema is kept as the JSON text in the log, so that a merge cannot drop unknown parts: comments,
//! metadata, columns of a newer build, types of another writer. Parquet field ids are omitted. Without column mapping
//! readers match columns by name, and readers based on the Delta kernel would start to match by id if they found ids.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use delta_kernel::engine::arrow_conversion::TryIntoArrow as _;
use delta_kernel::schema::StructType;
use serde_json::{Value, json};

use crate::delta::log::log_error::SchemaError;
use crate::json as read_json;

/// Writes an Arrow schema as Delta's `schemaString`.
pub(super) fn to_delta(schema: &Schema) -> Result<Value, SchemaError> {
    struct_type(schema.fields(), "")
}

/// Reads a `schemaString` as an Arrow schema. `None` when the text is not a Delta schema.
pub(super) fn to_arrow(schema_string: &str) -> Option<SchemaRef> {
    let schema: StructType = read_json::from_str(schema_string).ok()?;
    let schema: Schema = (&schema).try_into_arrow().ok()?;
    Some(Arc::new(schema))
}

/// Adds the columns of `ours` that the table lacks, inside structs and list elements too.
///
/// Returns whether anything changed. Existing columns keep name, position, type and metadata. A column that is
/// nullable in `ours` and not in the table becomes nullable in the table, which Delta allows.
pub(super) fn merge(table: &mut Value, ours: &Value) -> Result<bool, SchemaError> {
    merge_types(table, ours, "")
}

fn struct_type(fields: &Fields, within: &str) -> Result<Value, SchemaError> {
    let fields = fields
        .iter()
        .map(|field| struct_field(field, within))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(json!({"type": "struct", "fields": fields}))
}

fn struct_field(field: &Field, within: &str) -> Result<Value, SchemaError> {
    let column = below(within, field.name());
    Ok(json!({
        "name": field.name(),
        "type": delta_type(field.data_type(), &column)?,
        "nullable": field.is_nullable(),
        "metadata": {},
    }))
}

fn delta_type(data_type: &DataType, column: &str) -> Result<Value, SchemaError> {
    let name = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string",
        DataType::Int64 => "long",
        DataType::Int32 => "integer",
        DataType::Int16 => "short",
        DataType::Int8 => "byte",
        DataType::Float64 => "double",
        DataType::Float32 => "float",
        DataType::Boolean => "boolean",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary",
        DataType::Date32 => "date",
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => "timestamp",
        DataType::Struct(fields) => return struct_type(fields, column),
        DataType::List(element) | DataType::LargeList(element) => {
            return Ok(json!({
                "type": "array",
                "elementType": delta_type(element.data_type(), &below(column, "element"))?,
                "containsNull": element.is_nullable(),
            }));
        }
        other => {
            return Err(SchemaError::Unsupported {
                column: column.to_owned(),
                found: other.to_string(),
            });
        }
    };
    Ok(Value::from(name))
}

fn merge_types(table: &mut Value, ours: &Value, column: &str) -> Result<bool, SchemaError> {
    match (kind(table), kind(ours)) {
        (Some("struct"), Some("struct")) => merge_structs(table, ours, column),
        (Some("array"), Some("array")) => {
            let relaxed = relax(table, ours, "containsNull");
            let element = below(column, "element");
            let merged = merge_types(&mut table["elementType"], &ours["elementType"], &element)?;
            Ok(relaxed || merged)
        }
        _ if table == ours => Ok(false),
        _ => Err(SchemaError::TypeConflict {
            column: column.to_owned(),
            found: type_name(table),
            expected: type_name(ours),
        }),
    }
}

fn merge_structs(table: &mut Value, ours: &Value, within: &str) -> Result<bool, SchemaError> {
    let damaged = || SchemaError::TypeConflict {
        column: within.to_owned(),
        found: "no list of fields".to_owned(),
        expected: "struct".to_owned(),
    };
    let fields = table["fields"].as_array_mut().ok_or_else(damaged)?;
    let mut changed = false;
    for field in ours["fields"].as_array().into_iter().flatten() {
        let name = field["name"].as_str().unwrap_or_default();
        let column = below(within, name);
        // Delta compares names without case.
        let existing = fields.iter_mut().find(|existing| {
            let existing = existing["name"].as_str().unwrap_or_default();
            existing.to_lowercase() == name.to_lowercase()
        });
        match existing {
            Some(existing) if existing["name"] == name => {
                changed |= relax(existing, field, "nullable");
                changed |= merge_types(&mut existing["type"], &field["type"], &column)?;
            }
            Some(existing) => {
                return Err(SchemaError::CaseConflict {
                    column,
                    found: existing["name"].as_str().unwrap_or_default().to_owned(),
                });
            }
            None => {
                // Rows written earlier have no value for the new column.
                let mut added = field.clone();
                added["nullable"] = Value::Bool(true);
                fields.push(added);
                changed = true;
            }
        }
    }
    Ok(changed)
}

/// Allows nulls in the table where `ours` allows them. Returns whether that changed the table.
fn relax(table: &mut Value, ours: &Value, flag: &str) -> bool {
    let narrower = table[flag] == Value::Bool(false) && ours[flag] == Value::Bool(true);
    if narrower {
        table[flag] = Value::Bool(true);
    }
    narrower
}

fn kind(delta_type: &Value) -> Option<&str> {
    delta_type
        .as_object()
        .and_then(|of| of.get("type"))?
        .as_str()
}

/// Names a type for an error: `long`, `struct`, `array`.
fn type_name(delta_type: &Value) -> String {
    let name = delta_type.as_str().or_else(|| kind(delta_type));
    name.unwrap_or("unknown").to_owned()
}

fn below(within: &str, name: &str) -> String {
    if within.is_empty() {
        name.to_owned()
    } else {
        format!("{within}.{name}")
    }
}

/// The properties of a new table. Retention of transactions is never set: the kernel would then hide old
/// transactions, and with them the bases of tables that had no commit for long.
pub(super) fn configuration() -> std::collections::BTreeMap<String, Option<String>> {
    [
        ("delta.checkpointInterval", "100"),
        ("delta.logRetentionDuration", "interval 7 days"),
        // Vacuum's grace period ends earlier. So a removed file that the checkpoints no longer list was removed long
        // ago.
        ("delta.deletedFileRetentionDuration", "interval 30 days"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
    .collect()
}

#[cfg(test)]
mod tests;
