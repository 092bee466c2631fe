//! One list endpoint: its path, its filters, the models that affect it, and its columns.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use serde::Deserialize;

use super::columns::arrow_schema;
use super::field::{Field, FieldKind};
use crate::ids::{Category, EndpointName};
use crate::json;

/// The lowest field id of Kombo's columns. Lower ids belong to the system columns.
pub(super) const FIRST_FIELD_ID: i32 = 100;

/// A list endpoint of Kombo.
#[derive(Debug, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each flag states one fact about the API and depends on no other flag"
)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The API family.
    pub category: Category,
    /// The name of the endpoint within its category, such as `applications`.
    #[serde(rename = "endpoint")]
    own_name: String,
    /// The path below the API's base URL, such as `/ats/applications`.
    pub path: String,
    /// The key below `data` that holds the rows: `results`, or `packages`.
    pub results: String,
    /// The field that identifies a row within the table.
    pub key: String,
    /// Whether the endpoint declares `cursor` and `page_size`. An endpoint without them may still send `next`.
    pub paged: bool,
    /// The limits of `page_size`.
    pub page_size: Option<PageSize>,
    /// Whether the endpoint supports `updated_after`, so that it can be fetched as a delta.
    pub updated_after: bool,
    /// Whether the endpoint supports `include_deleted`.
    pub include_deleted: bool,
    /// Whether the endpoint supports the filter `ids`.
    pub ids: bool,
    /// Whether the endpoint supports the filter `remote_ids`.
    pub remote_ids: bool,
    /// Whether the endpoint is deprecated. A deprecated endpoint is fetched only when the configuration names it.
    pub deprecated: bool,
    /// Whether the endpoint is beta, so that Kombo may still change it.
    pub beta: bool,
    /// The id that the next new field gets.
    next_field_id: i32,
    /// The models whose changes affect the endpoint's rows.
    pub models: Vec<ModelLink>,
    /// Nested data, and whether `updated_after` returns a row when its nested data changed.
    pub nested: Vec<NestedReach>,
    /// Kombo's columns.
    pub fields: Vec<Field>,
    #[serde(skip)]
    name: OnceLock<EndpointName>,
    #[serde(skip)]
    schema: OnceLock<SchemaRef>,
}

/// A model from `data-changed`, and whether `updated_after` reports its changes at an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelLink {
    /// Kombo's name of the model, such as `ats_candidates`.
    pub name: String,
    /// Whether a delta returns the affected rows. `None` when Kombo's documentation does not say.
    pub surfaced: Option<bool>,
}

/// Nested data of a record, and which of its changes `updated_after` reports.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NestedReach {
    /// The path within the record, with dots.
    pub path: String,
    /// Whether `updated_after` returns the record when the relation is added or removed.
    pub linked: Option<bool>,
    /// Whether `updated_after` returns the record when the related record changes.
    pub changed: Option<bool>,
}

/// The number of rows that a page may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageSize {
    /// Rows per page when the request has no `page_size`.
    pub default: u32,
    /// Largest allowed `page_size`.
    pub max: u32,
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.fields == other.fields
    }
}

impl Endpoint {
    /// Reads one schema file, and checks the rules that its form does not express.
    ///
    /// # Errors
    /// Returns a sentence that says what is wrong in the file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let endpoint: Self = json::from_str(text).map_err(|error| error.to_string())?;
        let mut ids = HashSet::new();
        check_ids(&endpoint.fields, &mut ids, endpoint.next_field_id)?;
        check_names(&endpoint.fields, &endpoint.path)?;
        if !endpoint
            .fields
            .iter()
            .any(|field| field.name == endpoint.key && field.kind == FieldKind::String)
        {
            return Err(format!("key {:?} is not a string field", endpoint.key));
        }
        Ok(endpoint)
    }

    /// Returns `category/endpoint`.
    #[must_use]
    pub fn name(&self) -> &EndpointName {
        self.name
            .get_or_init(|| EndpointName::new(self.category, &self.own_name))
    }

    /// Returns the Arrow schema of the endpoint's rows: first the system columns, then Kombo's columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(
            self.schema
                .get_or_init(|| Arc::new(arrow_schema(&self.fields))),
        )
    }
}

fn check_ids(fields: &[Field], seen: &mut HashSet<i32>, next: i32) -> Result<(), String> {
    for field in fields {
        if field.id < FIRST_FIELD_ID || field.id >= next {
            return Err(format!(
                "field {:?} has id {}, outside {FIRST_FIELD_ID}..{next}",
                field.name, field.id
            ));
        }
        if !seen.insert(field.id) {
            return Err(format!(
                "field id {} is used twice, the second time by {:?}",
                field.id, field.name
            ));
        }
        match &field.kind {
            FieldKind::Struct(fields) => check_ids(fields, seen, next)?,
            FieldKind::List(item) => check_ids(std::slice::from_ref(item), seen, next)?,
            _ => {}
        }
    }
    Ok(())
}

/// Delta compares column names without regard to case.
fn check_names(fields: &[Field], within: &str) -> Result<(), String> {
    let mut seen = HashSet::new();
    for field in fields {
        if !seen.insert(field.name.to_lowercase()) {
            return Err(format!(
                "{within} has two fields whose names differ only in upper and lower case: {:?}",
                field.name
            ));
        }
        let mut inner = field;
        while let FieldKind::List(item) = &inner.kind {
            inner = item;
        }
        if let FieldKind::Struct(fields) = &inner.kind {
            check_names(fields, &field.name)?;
        }
    }
    Ok(())
}
