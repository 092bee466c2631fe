//! `kombo_coverage`: which models of an integration Kombo can read, and which of their fields it cannot. One row per
//! integration and model, in a [`SmallTable`]. The answer to "why is this null?".
//!
//! A row says what Kombo's last answer said. A model that the last answer does not name keeps its row, with the reason
//! `unlisted`. A row is written only when it says something new.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize, Serializer};

use crate::catalog::Endpoint;
use crate::customer::{CustomerInfo, ModelAccess, WhyUnreadable};
use crate::delta::small_table::SmallTable;
use crate::ids::IntegrationId;
use crate::lake::LakeError;
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::fields::{flag_field, names_field, text_field, time_field};
use crate::lake::operation::Operation;
use crate::lake::tables::Tables;
use crate::time::Moment;

/// A row of `kombo_coverage`: what Kombo says of one model of an integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCoverage {
    /// The integration.
    #[serde(rename = "_integration_id", serialize_with = "as_text")]
    pub integration: IntegrationId,
    /// Kombo's name of the model, such as `hris_employees`.
    pub model: String,
    /// The tables that show the records of the model, such as `hris_groups` for `hris_teams`.
    pub tables: Vec<String>,
    /// Whether Kombo can read the model.
    pub is_readable: bool,
    /// Why Kombo cannot read the model: a name of [`WhyUnreadable`]. `None` when Kombo can.
    pub reason: Option<String>,
    /// Kombo's own word: `SUPPORTED`, `UNSUPPORTED`, `NOT_IMPLEMENTED` or `UNKNOWN`.
    pub coverage_status: Option<String>,
    /// The setting of the scope configuration: `ENABLED`, `DISABLED` or `OPTIONAL`.
    pub scope_config_setting: Option<String>,
    /// Whether the customer has switched off what is `OPTIONAL`.
    pub opted_out_by_customer: bool,
    /// Fields that the connected tool does not have.
    pub unsupported_fields: Vec<String>,
    /// Fields that the tool has and that Kombo does not read.
    pub not_implemented_fields: Vec<String>,
    /// Fields that the scope configuration switches off.
    pub disabled_fields: Vec<String>,
    /// Fields that the customer has switched off.
    pub opted_out_fields: Vec<String>,
    /// Fields that Kombo calls unavailable without a reason.
    pub unavailable_fields: Vec<String>,
    /// Since when the model is readable, or not readable for this reason, in microseconds since the epoch.
    #[serde(rename = "since")]
    pub since_us: i64,
    /// When this row was written, in microseconds since the epoch.
    #[serde(rename = "updated_at")]
    pub updated_at_us: i64,
}

/// A row as stored.
#[derive(Serialize, Deserialize)]
struct CoverageRow {
    integration_key: String,
    #[serde(flatten)]
    coverage: ModelCoverage,
}

/// Rows by integration and model.
type ByModel = BTreeMap<(IntegrationId, String), ModelCoverage>;

/// Returns every row, by integration and model. Creates nothing.
pub(in crate::lake) async fn read(tables: &Tables) -> Result<Vec<ModelCoverage>, LakeError> {
    if !tables.exists(&LakeTable::Coverage).await? {
        return Ok(Vec::new());
    }
    let stored = open(tables).await?.rows().await?;
    Ok(by_model(stored).into_values().collect())
}

/// Writes what Kombo says of these integrations, as far as it is new. An answer without models says nothing, and changes
/// nothing.
pub(in crate::lake) async fn put(
    tables: &Tables,
    customers: &[CustomerInfo],
    endpoints: &[Arc<Endpoint>],
    now: Moment,
) -> Result<(), LakeError> {
    let said: Vec<&CustomerInfo> = (customers.iter())
        .filter(|customer| !customer.models.is_empty())
        .collect();
    if said.is_empty() {
        return Ok(());
    }
    let change = |stored: Vec<CoverageRow>| {
        let before = by_model(stored);
        let changed = said.iter().flat_map(|customer| {
            let rows = ModelCoverage::of(customer, endpoints, now);
            changed(&before, &customer.integration, rows, now)
        });
        changed.map(CoverageRow::from).collect()
    };
    open(tables).await?.rewrite(change).await?;
    Ok(())
}

async fn open(tables: &Tables) -> Result<SmallTable, LakeError> {
    let schema = schema();
    Ok(SmallTable {
        table: tables.open(&LakeTable::Coverage, &schema).await?.table,
        schema,
        key: &["integration_key", "model"],
        operation: Operation::Describe.as_str(),
    })
}

/// Returns the rows of an integration that say something new.
fn changed(
    before: &ByModel,
    integration: &IntegrationId,
    mut rows: Vec<ModelCoverage>,
    now: Moment,
) -> Vec<ModelCoverage> {
    let named: BTreeSet<String> = rows.iter().map(|row| row.model.clone()).collect();
    let from = (integration.clone(), String::new());
    let own = before.range(from..);
    let own = own.take_while(|((of, _), _)| of == integration);
    let unlisted = own.filter(|((_, model), _)| !named.contains(model));
    rows.extend(unlisted.map(|(_, row)| row.unlisted(now)));
    rows.retain_mut(|row| {
        let key = (integration.clone(), row.model.clone());
        let Some(stored) = before.get(&key) else {
            return true;
        };
        if stored.reason == row.reason {
            row.since_us = stored.since_us;
        }
        let updated_at_us = row.updated_at_us;
        *row != ModelCoverage {
            updated_at_us,
            ..stored.clone()
        }
    });
    rows
}

impl ModelCoverage {
    /// Returns the rows of an integration: one for each model, also where Kombo names a model twice.
    fn of(customer: &CustomerInfo, endpoints: &[Arc<Endpoint>], now: Moment) -> Vec<Self> {
        let row = |model: &ModelAccess| {
            let (why, fields) = (model.access.why_unreadable(), &|why| {
                model.fields_that_are(why)
            });
            let row = Self {
                integration: customer.integration.clone(),
                model: model.id.clone(),
                tables: tables_of(&model.id, endpoints),
                is_readable: why.is_none(),
                reason: why.map(|why| why.as_str().to_owned()),
                coverage_status: model.access.coverage_status.clone(),
                scope_config_setting: model.access.scope_config_setting.clone(),
                opted_out_by_customer: model.access.opted_out_by_customer,
                unsupported_fields: fields(WhyUnreadable::Unsupported),
                not_implemented_fields: fields(WhyUnreadable::NotImplemented),
                disabled_fields: fields(WhyUnreadable::Disabled),
                opted_out_fields: fields(WhyUnreadable::OptedOut),
                unavailable_fields: fields(WhyUnreadable::Unavailable),
                since_us: now.as_micros(),
                updated_at_us: now.as_micros(),
            };
            (model.id.clone(), row)
        };
        let rows: BTreeMap<String, Self> = customer.models.iter().map(row).collect();
        rows.into_values().collect()
    }

    /// Returns the row of a model that Kombo does not name any more.
    fn unlisted(&self, now: Moment) -> Self {
        Self {
            is_readable: false,
            reason: Some(WhyUnreadable::Unlisted.as_str().to_owned()),
            coverage_status: None,
            scope_config_setting: None,
            opted_out_by_customer: false,
            unsupported_fields: Vec::new(),
            not_implemented_fields: Vec::new(),
            disabled_fields: Vec::new(),
            opted_out_fields: Vec::new(),
            unavailable_fields: Vec::new(),
            since_us: now.as_micros(),
            updated_at_us: now.as_micros(),
            ..self.clone()
        }
    }

    /// Returns why Kombo cannot read the model. `None` when Kombo can, and for a reason of a newer version.
    #[must_use]
    pub fn why(&self) -> Option<WhyUnreadable> {
        WhyUnreadable::from_name(self.reason.as_deref()?)
    }

    /// Returns the fields that cannot be read, by reason.
    pub fn fields(&self) -> impl Iterator<Item = (WhyUnreadable, &str)> {
        let by_reason = [
            (WhyUnreadable::Unsupported, &self.unsupported_fields),
            (WhyUnreadable::NotImplemented, &self.not_implemented_fields),
            (WhyUnreadable::Disabled, &self.disabled_fields),
            (WhyUnreadable::OptedOut, &self.opted_out_fields),
            (WhyUnreadable::Unavailable, &self.unavailable_fields),
        ];
        let named = |(why, names)| {
            let names: &Vec<String> = names;
            names.iter().map(move |name| (why, name.as_str()))
        };
        by_reason.into_iter().flat_map(named)
    }
}

/// Returns the tables that show the records of a model: those of the endpoints whose first model it is.
fn tables_of(model: &str, endpoints: &[Arc<Endpoint>]) -> Vec<String> {
    let shows = |endpoint: &&Arc<Endpoint>| {
        let first = endpoint.models.first();
        first.is_some_and(|first| first.name == model)
    };
    let tables = endpoints.iter().filter(shows);
    tables
        .map(|endpoint| endpoint.name().table_name())
        .collect()
}

impl From<ModelCoverage> for CoverageRow {
    fn from(coverage: ModelCoverage) -> Self {
        let integration_key = coverage.integration.key().to_string();
        Self {
            integration_key,
            coverage,
        }
    }
}

fn by_model(stored: Vec<CoverageRow>) -> ByModel {
    let rows = stored.into_iter().map(|row| row.coverage);
    let keyed = rows.map(|row| ((row.integration.clone(), row.model.clone()), row));
    keyed.collect()
}

fn as_text<S: Serializer>(id: &IntegrationId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// Returns the columns of `kombo_coverage`.
pub(in crate::lake) fn schema() -> SchemaRef {
    let word = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text_field("integration_key"),
        text_field("_integration_id"),
        text_field("model"),
        names_field("tables"),
        flag_field("is_readable"),
        word("reason"),
        word("coverage_status"),
        word("scope_config_setting"),
        flag_field("opted_out_by_customer"),
        names_field("unsupported_fields"),
        names_field("not_implemented_fields"),
        names_field("disabled_fields"),
        names_field("opted_out_fields"),
        names_field("unavailable_fields"),
        time_field("since", false),
        time_field("updated_at", false),
    ]))
}

#[cfg(test)]
mod tests;
