//! Finds tables that cannot be read completely: a log with a damaged part, or data files that are missing or cut.
//!
//! Each log is opened, and each table's folder is listed once. No data file is read, so damage within a file that has
//! its size is left to `lint` and `repair`.

use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::delta::log::LogState;
use crate::delta::lost_files::Closeness;
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::{self, LEDGERS};
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::{LakeError, Part};

/// An opened table and its newest state.
type AtVersion = (OpenTable, Arc<LogState>);

/// A table that cannot be read completely.
#[derive(Clone, Debug)]
pub struct TableDamage {
    /// The table's folder.
    pub table: String,
    /// What is wrong, each with its file and cure. One error when the log is damaged, else one per data file.
    pub errors: Vec<LakeError>,
}

/// Looks for damage in the tables of an endpoint. Creates nothing.
pub(in crate::lake) async fn of_endpoint(
    tables: &Tables,
    endpoint: &Arc<Endpoint>,
) -> Vec<TableDamage> {
    let mut found = Vec::new();
    for part in [Part::Snapshots, Part::Deltas, Part::Current] {
        let opened = tables.newest(endpoint, part).await;
        let name = part.of(endpoint.name());
        found.extend(TableDamage::of(&name.to_string(), opened).await);
    }
    found
}

/// Looks for damage in the lake's own tables. Creates nothing.
pub(in crate::lake) async fn of_ledgers(tables: &Tables) -> Vec<TableDamage> {
    let mut found = Vec::new();
    for name in LEDGERS {
        let opened = opened(tables, &name).await;
        found.extend(TableDamage::of(&name.to_string(), opened).await);
    }
    found
}

impl TableDamage {
    /// Looks at one table. `None` when it is whole, or does not exist.
    async fn of(table: &str, opened: Result<Option<AtVersion>, LakeError>) -> Option<Self> {
        let errors = match opened {
            Ok(None) => Vec::new(),
            Ok(Some((table, state))) => match lost(&table, &state).await {
                Ok(errors) => errors,
                Err(error) => vec![error],
            },
            Err(error) => vec![error],
        };
        (!errors.is_empty()).then(|| Self {
            table: table.to_owned(),
            errors,
        })
    }
}

async fn opened(tables: &Tables, name: &LakeTable) -> Result<Option<AtVersion>, LakeError> {
    let Some(table) = ledgers::existing(tables, name).await? else {
        return Ok(None);
    };
    let state = table.refreshed().await?;
    Ok(Some((table, state)))
}

async fn lost(table: &OpenTable, state: &LogState) -> Result<Vec<LakeError>, LakeError> {
    let lost = table.lost_files(state, Closeness::Listing).await?;
    let mut errors: Vec<LakeError> = lost.into_iter().map(|lost| lost.error.into()).collect();
    if state.is_under_repair() {
        let table = table.name.to_string();
        errors.push(LakeError::UnderRepair { table });
    }
    Ok(errors)
}
