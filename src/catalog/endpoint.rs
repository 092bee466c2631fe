//! One list endpoint: where it is, what it can be asked, which models concern it, which columns it has.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use serde::Deserialize;

use super::columns::arrow_schema;
use super::field::{Field, FieldKind};
use crate::ids::{Category, EndpointName};
use crate::json;

/// The lowest field id of Kombo's columns; those below are the system columns'.
pub(super) const FIRST_FIELD_ID: i32 = 100;

/// A list endpoint of Kombo.
#[derive(Debug, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says one thing of the API; none depends on another"
)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The API family.
    pub category: Category,
    /// Its own name: `applications`.
    #[serde(rename = "endpoint")]
    own_name: String,
    /// Path below the API's base URL: `/ats/applications`.
    pub path: String,
    /// The key below `data` that holds the rows: `results`, or `packages`.
    pub results: String,
    /// The field that identifies a row within the table.
    pub key: String,
    /// `cursor` and `page_size` are declared. An unpaged endpoint may still send `next`.
    pub paged: bool,
    /// Rows per page.
    pub page_size: Option<PageSize>,
    /// Knows `updated_after`, so it can be fetched as a delta.
    pub updated_after: bool,
    /// Knows `include_deleted`.
    pub include_deleted: bool,
    /// Knows the filter `ids`.
    pub ids: bool,
    /// Knows the filter `remote_ids`.
    pub remote_ids: bool,
    /// Fetched only when named.
    pub deprecated: bool,
    /// Kombo may still change it.
    pub beta: bool,
    /// The id the next new field gets.
    next_field_id: i32,
    /// The models whose changes concern its rows.
    pub models: Vec<ModelLink>,
    /// Nested data, and whether a change of it brings the row back under `updated_after`.
    pub nested: Vec<NestedReach>,
    /// Kombo's columns.
    pub fields: Vec<Field>,
    #[serde(skip)]
    name: OnceLock<EndpointName>,
    #[serde(skip)]
    schema: OnceLock<SchemaRef>,
}

/// A model named in `data-changed`, and whether `updated_after` surfaces its changes at an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelLink {
    /// Kombo's model name: `ats_candidates`.
    pub name: String,
    /// Whether a delta returns the rows concerned; `None` where Kombo's documentation does not say.
    pub surfaced: Option<bool>,
}

/// Nested data of a record, and what `updated_after` sees of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NestedReach {
    /// Path within the record, with dots.
    pub path: String,
    /// Adding or removing the relation surfaces the record.
    pub linked: Option<bool>,
    /// A change of the related record surfaces it.
    pub changed: Option<bool>,
}

/// How many rows a page may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageSize {
    /// Without `page_size`.
    pub default: u32,
    /// At most.
    pub max: u32,
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.fields == other.fields
    }
}

impl Endpoint {
    /// Reads one schema file and checks what its form cannot say.
    ///
    /// # Errors
    /// Returns what is wrong, for people.
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

    /// Returns the Arrow schema of its rows: the system columns, then Kombo's.
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

/// Delta compares column names without case.
fn check_names(fields: &[Field], within: &str) -> Result<(), String> {
    let mut seen = HashSet::new();
    for field in fields {
        if !seen.insert(field.name.to_lowercase()) {
            return Err(format!(
                "{within} has two fields named {:?} but for case",
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
