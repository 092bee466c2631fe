//! Finds tables that cannot be read completely: a log with a damaged part, or data files that are missing or cut.
//!
//! Each log is opened, and each table's folder is listed once. No data file is read, so damage within a file that has
//! its size is left to `lint` and `repair`.

use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::delta::lost_files::Closeness;
use crate::lake::ledgers::{self, LEDGERS};
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::{LakeError, Part};

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
        let opened = tables.existing(endpoint, part).await;
        let name = part.of(endpoint.name());
        found.extend(TableDamage::of(&name.to_string(), opened).await);
    }
    found
}

/// Looks for damage in the lake's own tables. Creates nothing.
pub(in crate::lake) async fn of_ledgers(tables: &Tables) -> Vec<TableDamage> {
    let mut found = Vec::new();
    for name in LEDGERS {
        let opened = ledgers::existing(tables, &name).await;
        found.extend(TableDamage::of(&name.to_string(), opened).await);
    }
    found
}

impl TableDamage {
    /// Looks at one table. `None` when it is whole, or does not exist.
    pub(in crate::lake) async fn of(
        table: &str,
        opened: Result<Option<OpenTable>, LakeError>,
    ) -> Option<Self> {
        let errors = match opened {
            Ok(None) => Vec::new(),
            Ok(Some(opened)) => match lost(&opened).await {
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

async fn lost(table: &OpenTable) -> Result<Vec<LakeError>, LakeError> {
    let state = table.refreshed().await?;
    let lost = table.lost_files(&state, Closeness::Listing).await?;
    let mut errors: Vec<LakeError> = lost.into_iter().map(|lost| lost.error.into()).collect();
    if state.is_under_repair() {
        let table = table.name.to_string();
        errors.push(LakeError::UnderRepair { table });
    }
    Ok(errors)
}
