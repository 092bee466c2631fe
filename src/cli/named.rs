//! The one rule for `--table` and `--integration`, for every verb that has them.
//!
//! `--table` takes the name of a table (`ats_applications`), the name of an endpoint (`ats/applications`), a pattern with
//! `*` over either name (`'ats_*'`), or `all`. Both flags can be given several times, and each takes several values with
//! commas.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cli_error::{CliError, USAGE};
use crate::catalog::{Catalog, Endpoint};
use crate::config::glob_matches;
use crate::ids::{EndpointName, IntegrationId};

/// The value of `--table` that names every table.
const ALL: &str = "all";

/// The integrations and endpoints that a verb is limited to. `None` is no limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    pub(super) integrations: Option<BTreeSet<IntegrationId>>,
    pub(super) endpoints: Option<BTreeSet<EndpointName>>,
}

impl Named {
    pub(super) fn of(
        catalog: &Catalog,
        integration_ids: &[String],
        tables: &[String],
    ) -> Result<Self, CliError> {
        let everything = tables.is_empty() || tables.iter().any(|table| table == ALL);
        let endpoints = (!everything)
            .then(|| endpoints(catalog, tables))
            .transpose()?;
        Ok(Self {
            integrations: integrations(integration_ids)?,
            endpoints: endpoints.map(|all| all.iter().map(|one| one.name().clone()).collect()),
        })
    }

    /// Returns whether neither flag was given.
    pub(super) fn is_everything(&self) -> bool {
        self.integrations.is_none() && self.endpoints.is_none()
    }

    /// Returns whether a table of an integration is within the limits.
    pub(super) fn has(&self, integration: &IntegrationId, endpoint: &EndpointName) -> bool {
        let integrations = self.integrations.as_ref();
        integrations.is_none_or(|wanted| wanted.contains(integration))
            && self.has_endpoint(endpoint)
    }

    /// Returns whether an endpoint is within the limits.
    pub(super) fn has_endpoint(&self, endpoint: &EndpointName) -> bool {
        let endpoints = self.endpoints.as_ref();
        endpoints.is_none_or(|wanted| wanted.contains(endpoint))
    }
}

/// Returns the endpoints that `--table` names, in the order of the catalog and each once. Without a value it returns every
/// endpoint of the catalog, also those that are no longer fetched.
pub(super) fn endpoints(
    catalog: &Catalog,
    tables: &[String],
) -> Result<Vec<Arc<Endpoint>>, CliError> {
    if tables.is_empty() {
        return Ok(catalog.endpoints().to_vec());
    }
    let all = || catalog.endpoints().iter();
    if let Some(unknown) = tables
        .iter()
        .find(|table| !all().any(|one| names(table, one)))
    {
        return Err(no_table(catalog, unknown));
    }
    let named = all().filter(|one| tables.iter().any(|table| names(table, one)));
    Ok(named.cloned().collect())
}

fn names(table: &str, endpoint: &Endpoint) -> bool {
    let (name, of_table) = (endpoint.name().as_str(), endpoint.name().table_name());
    table == ALL || glob_matches(table, name) || glob_matches(table, &of_table)
}

fn no_table(catalog: &Catalog, table: &str) -> CliError {
    let all = catalog.endpoints().iter();
    let names = all.map(|endpoint| endpoint.name().table_name());
    let near = names.max_by(|a, b| strsim::jaro(a, table).total_cmp(&strsim::jaro(b, table)));
    let near = near.unwrap_or_default();
    if table.contains('*') {
        let advice = format!("patterns look like 'ats_*' or {near:?}; `all` names every table");
        return CliError::new(USAGE, format!("no table matches {table:?}"), advice);
    }
    let advice = format!("did you mean {near:?}?");
    CliError::new(USAGE, format!("there is no table {table:?}"), advice)
}

/// Reads the values of `--integration`. Returns `None` where none is given.
pub(super) fn integrations(ids: &[String]) -> Result<Option<BTreeSet<IntegrationId>>, CliError> {
    let read = ids.iter().map(|id| IntegrationId::new(id));
    let read: Result<BTreeSet<_>, _> = read.collect();
    let read = read.map_err(|error| {
        let message = format!("--integration cannot be used: {error}");
        CliError::new(USAGE, message, "Kombo's dashboard shows the ids")
    })?;
    Ok((!read.is_empty()).then_some(read))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(tables: &[&str]) -> Vec<String> {
        let tables: Vec<String> = tables.iter().map(ToString::to_string).collect();
        let found = endpoints(Catalog::embedded(), &tables).expect("names");
        found.iter().map(|one| one.name().table_name()).collect()
    }

    #[test]
    fn a_table_is_a_name_a_pattern_or_all() {
        let all = Catalog::embedded().endpoints().len();
        assert_eq!(named(&["ats_jobs"]), ["ats_jobs"]);
        assert_eq!(named(&["ats/jobs", "ats_jobs"]), ["ats_jobs"]);
        assert_eq!(named(&["all"]).len(), all);
        assert_eq!(named(&[]).len(), all);
        let ats = named(&["ats_*"]);
        assert!(
            ats.len() > 3 && ats.iter().all(|name| name.starts_with("ats_")),
            "{ats:?}"
        );
        assert_eq!(named(&["ats/*"]), ats);
    }

    #[test]
    fn a_name_that_no_table_has_is_wrong_usage_with_the_nearest_one() {
        for (table, expected) in [
            (
                "ats_job",
                "error: there is no table \"ats_job\"\n       did you mean \"ats_jobs\"?",
            ),
            ("xyz_*", "error: no table matches \"xyz_*\""),
        ] {
            let error = endpoints(Catalog::embedded(), &[table.to_owned()]).expect_err(table);
            assert!(error.to_string().starts_with(expected), "{error}");
            assert_eq!(error.exit_code, USAGE);
        }
    }

    #[test]
    fn limits_hold_for_integrations_and_endpoints_together() {
        let id = |id: &str| IntegrationId::new(id).expect("an id");
        let catalog = Catalog::embedded();
        let named = Named::of(catalog, &["a:1".to_owned()], &["ats_*".to_owned()]).expect("limits");
        let of = |table: &str| catalog.find_table(table).expect("a table").name().clone();
        assert!(named.has(&id("a:1"), &of("ats_jobs")));
        assert!(!named.has(&id("a:2"), &of("ats_jobs")));
        assert!(!named.has(&id("a:1"), &of("hris_employees")));
        assert!(
            Named::of(catalog, &[], &["all".to_owned()])
                .expect("none")
                .is_everything()
        );
    }
}
