//! What people name on the command line: tables and integrations.

use std::sync::Arc;

use super::cli_error::{CliError, USAGE};
use crate::catalog::{Catalog, Endpoint};
use crate::ids::{EndpointName, IntegrationId};

/// Whose rows, and of which endpoint; all where nothing is named.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    pub(super) integration: Option<IntegrationId>,
    pub(super) endpoint: Option<EndpointName>,
}

impl Named {
    pub(super) fn of(
        catalog: &Catalog,
        integration_id: Option<&str>,
        table: Option<&str>,
    ) -> Result<Self, CliError> {
        let table = table.map(|table| endpoint(catalog, table)).transpose()?;
        Ok(Self {
            integration: integration(integration_id)?,
            endpoint: table.map(|endpoint| endpoint.name().clone()),
        })
    }
}

/// Finds a table by its name in the lake, or by its endpoint's.
pub(super) fn endpoint<'a>(
    catalog: &'a Catalog,
    table: &str,
) -> Result<&'a Arc<Endpoint>, CliError> {
    let found = catalog.find_table(table).or_else(|| catalog.find(table));
    found.ok_or_else(|| {
        let all = catalog.endpoints().iter();
        let names = all.map(|endpoint| endpoint.name().table_name());
        let near = names.max_by(|a, b| strsim::jaro(a, table).total_cmp(&strsim::jaro(b, table)));
        let advice = format!("did you mean {:?}?", near.unwrap_or_default());
        CliError::new(USAGE, format!("there is no table {table:?}"), advice)
    })
}

/// Finds the table that is named. Without a name it is every table: also of endpoints that are not fetched any more.
pub(super) fn endpoints(
    catalog: &Catalog,
    table: Option<&str>,
) -> Result<Vec<Arc<Endpoint>>, CliError> {
    Ok(match table {
        Some(table) => vec![Arc::clone(endpoint(catalog, table)?)],
        None => catalog.endpoints().to_vec(),
    })
}

/// Reads an integration's id, where one is given.
pub(super) fn integration(id: Option<&str>) -> Result<Option<IntegrationId>, CliError> {
    let id = id.map(IntegrationId::new).transpose();
    id.map_err(|error| {
        let message = format!("--integration cannot be used: {error}");
        CliError::new(USAGE, message, "Kombo's dashboard shows the ids")
    })
}
