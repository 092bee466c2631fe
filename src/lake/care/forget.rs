//! Makes what was purged unreadable at once, in earlier versions too: without the grace that upkeep gives to files.
//!
//! Of each table that ever held rows of a purged integration, the log is cut below its newest version, and every data
//! file that only earlier versions name is deleted, with all copies of a repair. Readers of earlier versions fail. A
//! file that no version names is kept for a day, because a running fetch may be about to commit it. May be stopped on
//! any line and run again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::Endpoint;
use crate::delta::delta_error::DeltaError;
use crate::ids::IntegrationKey;
use crate::lake::care::clocks::Clocks;
use crate::lake::care::repair_copies;
use crate::lake::layout::LakeTable;
use crate::lake::ledgers;
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::txn_name::keys_in;
use crate::lake::{LakeError, Part};
use crate::time::Moment;

/// A fetch runs for at most a day.
const LONGEST_FETCH: Duration = Duration::from_hours(24);

/// The lake's own tables that may hold rows of an integration.
pub(super) const OWN: [LakeTable; 5] = [
    LakeTable::Drift,
    LakeTable::Quarantine,
    LakeTable::Holds,
    LakeTable::Coverage,
    LakeTable::Issues,
];

/// Data files that were deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Forgotten {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Makes the earlier versions of every table unreadable that ever held rows of these integrations. Adds the tables
/// that fail to `failed`, and goes on with the others.
pub(super) async fn forget(
    tables: &Tables,
    endpoints: &[Arc<Endpoint>],
    keys: &BTreeSet<IntegrationKey>,
    failed: &mut Vec<(String, LakeError)>,
) -> Result<Forgotten, LakeError> {
    let young = Clocks::read(tables).await?.earlier - LONGEST_FETCH;
    let mut all = Forgotten::default();
    let mut add = |name: &LakeTable, done: Result<Forgotten, LakeError>| match done {
        Ok(done) => {
            all.files += done.files;
            all.bytes += done.bytes;
        }
        Err(error) => failed.push((name.to_string(), error)),
    };
    for endpoint in endpoints {
        for part in [Part::Snapshots, Part::Deltas, Part::Current] {
            let opened = tables.existing(endpoint, part).await;
            let done = of_table(opened, Some(keys), young).await;
            add(&part.of(endpoint.name()), done);
        }
    }
    for name in &OWN {
        let opened = ledgers::existing(tables, name).await;
        add(name, of_table(opened, None, young).await);
    }
    // Copies of a repair hold what the tables held.
    let copies = repair_copies::let_go(tables, Moment::from_millis(i64::MAX), false).await?;
    all.files += copies.deleted_files;
    all.bytes += copies.deleted_bytes;
    Ok(all)
}

/// Makes the earlier versions of `kombo_integrations` unreadable, which name the customers. Called once the newest version
/// does not name them any more.
pub(super) async fn forget_names(tables: &Tables) -> Result<Forgotten, LakeError> {
    let young = Clocks::read(tables).await?.earlier - LONGEST_FETCH;
    let opened = ledgers::existing(tables, &LakeTable::Integrations).await;
    of_table(opened, None, young).await
}

/// With `keys`, leaves a table alone whose log never mentioned one of the integrations.
async fn of_table(
    opened: Result<Option<OpenTable>, LakeError>,
    keys: Option<&BTreeSet<IntegrationKey>>,
    young: Moment,
) -> Result<Forgotten, LakeError> {
    let Some(table) = opened? else {
        return Ok(Forgotten::default());
    };
    let state = table.refreshed().await?;
    let mentions = |keys: &BTreeSet<IntegrationKey>| {
        let mut named = keys_in(&state);
        named.any(|key| keys.contains(&key))
    };
    if !keys.is_none_or(mentions) {
        return Ok(Forgotten::default());
    }
    // The log comes first: no version names a file that is about to be deleted.
    table.log.forget(young).await.map_err(DeltaError::from)?;
    let (files, bytes) = table.delete_earlier_files(young).await?;
    Ok(Forgotten { files, bytes })
}
