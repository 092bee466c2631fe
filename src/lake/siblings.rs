//! What the tables of a lake know of each other, so that a lost table never counts as a new one.
//!
//! A fetch creates `snapshots` and `deltas` of its endpoint before it commits rows to either, and registers its
//! integration in `kombo_integrations` before that. So rows in one of these tables prove that the others existed.
//! `current` is made from `snapshots` and `deltas`, and is made again where it is missing.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::delta::delta_error::DeltaError;
use crate::delta::log::LogError;
use crate::delta::object_key::TablePath;
use crate::delta::store::TableStore;
use crate::delta::table::Table;
use crate::lake::LakeError;
use crate::lake::layout::{LakeTable, parts_in};
use crate::lake::txn_name::key_of;

/// The tables that may be created.
pub(in crate::lake) struct Siblings {
    /// Whether this process began the lake. No table of such a lake is lost yet.
    is_begun_here: bool,
    /// Tables that did not exist when this process asked first. Later commits to their siblings prove nothing.
    new: Mutex<HashSet<LakeTable>>,
}

impl Siblings {
    pub(in crate::lake) fn new(is_begun_here: bool) -> Self {
        Self {
            is_begun_here,
            new: Mutex::default(),
        }
    }

    /// Checks that a table that does not exist never existed. Costs a few requests, the first time.
    ///
    /// # Errors
    /// Fails with [`LogDamageKind::MissingTable`](crate::delta::log::LogDamageKind::MissingTable) when another table
    /// proves that the table existed.
    pub(in crate::lake) async fn must_be_new(
        &self,
        store: &TableStore,
        table: &LakeTable,
    ) -> Result<(), LakeError> {
        if self.is_begun_here || self.tables().contains(table) {
            return Ok(());
        }
        let siblings = match table {
            LakeTable::Snapshots(endpoint) | LakeTable::Deltas(endpoint) => {
                parts_in(&endpoint.table_name()).to_vec()
            }
            LakeTable::Integrations => every_table(store).await?,
            _ => Vec::new(),
        };
        for sibling in siblings {
            if sibling != table.path() && has_rows(store, &sibling).await? {
                let lost = LogError::missing_table(&table.path(), sibling.to_string());
                return Err(DeltaError::from(lost).into());
            }
        }
        self.tables().insert(table.clone());
        Ok(())
    }

    /// Names are inserted completely, so a panic elsewhere leaves the set intact.
    fn tables(&self) -> MutexGuard<'_, HashSet<LakeTable>> {
        self.new.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the tables of every endpoint that has a folder in the lake.
async fn every_table(store: &TableStore) -> Result<Vec<TablePath>, LakeError> {
    let folders = store.folders().await.map_err(|source| {
        let table = LakeTable::Integrations.to_string();
        DeltaError::from(LogError::Read { table, source })
    })?;
    let mut folders: Vec<_> = folders.into_iter().collect();
    folders.sort_unstable();
    Ok(folders.iter().flat_map(|folder| parts_in(folder)).collect())
}

/// Returns whether a table has, or had, rows of an integration. A damaged log counts: it was written.
async fn has_rows(store: &TableStore, table: &TablePath) -> Result<bool, LakeError> {
    match Table::stored_txns(store, table).await {
        Ok(txns) => Ok(txns.iter().any(|app| key_of(app).is_some())),
        Err(error) if error.is_damage() => Ok(true),
        Err(error) => Err(error.into()),
    }
}
