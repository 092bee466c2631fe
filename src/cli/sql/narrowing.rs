//! Limits the views to some customers: by the id of an integration, or by the id that the operator gave to the customer.

use crate::cli::args::{SqlArgs, SqlEngine};
use crate::cli::cli_error::{CliError, USAGE};
use crate::cli::named::Named;
use crate::cli::session::Session;
use crate::ids::IntegrationId;

/// The customers that the views show. Without any, the views show everyone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Narrowing {
    keys: Vec<String>,
    origin_ids: Vec<String>,
}

impl Narrowing {
    /// Reads the flags.
    pub(super) fn of(args: &SqlArgs, session: &Session) -> Result<Self, CliError> {
        if args
            .origin_ids
            .iter()
            .any(|id| id.chars().any(char::is_control) || id.is_empty())
        {
            return Err(CliError::new(
                USAGE,
                "the value of --origin-id is empty or has a control character",
                "give the id that you gave to the customer at Kombo; kombo_integrations has it as origin_id",
            ));
        }
        let named = Named::of(&session.catalog, &args.integrations, &[])?;
        let named = named.integrations.into_iter().flatten();
        Ok(Self::to(named, args.origin_ids.clone()))
    }

    pub(super) fn to(
        integrations: impl IntoIterator<Item = IntegrationId>,
        origin_ids: Vec<String>,
    ) -> Self {
        let keys = integrations.into_iter().map(|id| id.key().to_string());
        Self {
            keys: keys.collect(),
            origin_ids,
        }
    }

    /// Returns the read of a table, limited to the customers. `integrations` is the read of `kombo_integrations`.
    pub(super) fn narrowed(&self, read: &str, integrations: &str) -> String {
        let mut conditions = Vec::new();
        if !self.keys.is_empty() {
            conditions.push("integration_key IN ({keys})".to_owned());
        }
        if !self.origin_ids.is_empty() {
            conditions.push(format!(
                "integration_key IN (SELECT integration_key FROM {integrations} WHERE origin_id IN ({{origin_ids}}))"
            ));
        }
        if conditions.is_empty() {
            return read.to_owned();
        }
        format!("(SELECT * FROM {read} WHERE {})", conditions.join(" AND "))
    }

    /// Returns the Python that limits a frame to the customers, behind the frame.
    pub(super) fn in_python(&self) -> String {
        let mut steps = String::new();
        if !self.keys.is_empty() {
            steps.push_str(".filter(pl.col(\"integration_key\").is_in([{keys}]))");
        }
        if !self.origin_ids.is_empty() {
            steps.push_str(".join(\n    pl.scan_delta(\"{integrations}\").filter(pl.col(\"origin_id\").is_in([{origin_ids}])),\n    on=\"integration_key\",\n    how=\"semi\",\n)");
        }
        steps
    }

    /// Returns the values of the placeholders: lists of texts as the engine writes them.
    pub(super) fn values(&self, engine: SqlEngine) -> [(&'static str, String); 2] {
        let list = |texts: &[String]| {
            let texts = texts.iter().map(|text| engine.literal(text));
            texts.collect::<Vec<_>>().join(", ")
        };
        [
            ("keys", list(&self.keys)),
            ("origin_ids", list(&self.origin_ids)),
        ]
    }
}
