//! What people name on the command line: tables and integrations.

use std::sync::Arc;

use super::failure::{Failure, USAGE};
use crate::catalog::{Catalog, Endpoint};
use crate::ids::IntegrationId;

/// Finds a table by its name in the lake, or by its endpoint's.
pub(super) fn endpoint<'a>(
    catalog: &'a Catalog,
    table: &str,
) -> Result<&'a Arc<Endpoint>, Failure> {
    let found = catalog.find_table(table).or_else(|| catalog.find(table));
    found.ok_or_else(|| {
        let names = catalog
            .endpoints()
            .iter()
            .map(|endpoint| endpoint.name().table_name());
        let near = names.max_by(|a, b| strsim::jaro(a, table).total_cmp(&strsim::jaro(b, table)));
        let advice = format!("did you mean {:?}?", near.unwrap_or_default());
        Failure::new(USAGE, format!("there is no table {table:?}"), advice)
    })
}

/// Reads an integration's id.
pub(super) fn integration(id: &str) -> Result<IntegrationId, Failure> {
    IntegrationId::new(id).map_err(|error| {
        let message = format!("--integration cannot be used: {error}");
        Failure::new(USAGE, message, "Kombo's dashboard shows the ids")
    })
}
