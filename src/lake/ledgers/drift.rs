//! `kombo_drift`: rows that the lake had missing or wrong when a full fetch came. One row per record, never with a
//! value of the record.
//!
//! A comparison writes its rows to a file that no reader sees yet ([`stage`]). One log entry then makes the files of
//! many tables visible, together with the comparisons themselves
//! ([`completeness`](crate::lake::ledgers::completeness)). A crash in between leaves an unreferenced file, and the
//! snapshot is compared again: only the entry records up to which snapshot a table is compared.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::Written;
use crate::delta::log::{Entry, LogState};
use crate::delta::rows::to_batch;
use crate::delta::transact::Proposal;
use crate::ids::{EndpointName, IntegrationId};
use crate::lake::LakeError;
use crate::lake::form::with_commit_date;
use crate::lake::layout::LakeTable;
use crate::lake::layout::of_day;
use crate::lake::ledgers::completeness::{
    ComparedTable, Completeness, Standings, TableComparison, all_of,
};
use crate::lake::ledgers::fields::{names_field, text_field, time_field};
use crate::lake::operation::Operation;
use crate::lake::tables::{OpenTable, Tables};
use crate::versions::drift::{DriftCause, DriftKind};

/// A row that the lake had missing or wrong when a full fetch came.
#[derive(Clone, PartialEq, Eq)]
pub struct DriftRow {
    /// Kombo's id of the record.
    pub id: String,
    /// What was wrong with the row in the lake.
    pub kind: DriftKind,
    /// Why the row was wrong.
    pub cause: DriftCause,
    /// Names of the top-level columns that differ, never values.
    pub columns: Vec<String>,
    /// When the full fetch saw the record, in microseconds since the epoch. All instants here have this unit.
    pub fetched_at_us: i64,
    /// The lake's own newest observation of the record before the full fetch.
    pub known_fetched_at_us: Option<i64>,
    /// When the record changed, as Kombo says.
    pub changed_at_us: Option<i64>,
    /// Since when the lake was wrong, if that is known.
    pub wrong_since_us: Option<i64>,
}

/// A row of `kombo_drift` as stored. Instants are in microseconds since the epoch.
#[derive(Serialize, Deserialize)]
pub(super) struct DriftRecord<'a> {
    integration_key: &'a str,
    #[serde(rename = "_integration_id")]
    pub(super) integration: &'a str,
    pub(super) endpoint: &'a str,
    pub(super) id: &'a str,
    pub(super) kind: &'a str,
    pub(super) cause: &'a str,
    #[serde(borrow)]
    pub(super) columns: Vec<&'a str>,
    #[serde(rename = "_fetched_at")]
    pub(super) fetched_at: i64,
    pub(super) known_fetched_at: Option<i64>,
    pub(super) changed_at: Option<i64>,
    pub(super) wrong_since: Option<i64>,
    pub(super) wrong_secs: Option<i64>,
    #[serde(rename = "_fetch_id")]
    pub(super) fetch_id: &'a str,
}

/// Tags of a file that holds rows of one table only. With them, a search can skip the files of other tables. A merged
/// file has no tags.
pub(in crate::lake) const TAGS: [&str; 2] = ["integration_key", "endpoint"];

impl DriftRow {
    /// Returns for how many whole seconds the lake was wrong, if that is known.
    #[must_use]
    pub fn wrong_secs(&self) -> Option<i64> {
        let since = self.wrong_since_us?;
        Some(self.fetched_at_us.saturating_sub(since).max(0) / 1_000_000)
    }
}

impl fmt::Debug for DriftRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The id is a value of the row, so it is not printed.
        f.debug_struct("DriftRow")
            .field("kind", &self.kind)
            .field("cause", &self.cause)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

/// Writes the rows of one comparison to a new file, sorted by id. `None` when there are no rows. The file is not
/// visible yet.
pub(in crate::lake) async fn stage(
    tables: &Tables,
    integration: &IntegrationId,
    endpoint: &EndpointName,
    fetch_id: &str,
    mut rows: Vec<DriftRow>,
) -> Result<Option<Written>, LakeError> {
    if rows.is_empty() {
        return Ok(None);
    }
    let table = open(tables).await?;
    rows.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let key = integration.key();
    let records = rows.iter().map(|row| DriftRecord {
        integration_key: key.as_str(),
        integration: integration.as_str(),
        endpoint: endpoint.as_str(),
        id: &row.id,
        kind: row.kind.as_str(),
        cause: row.cause.as_str(),
        columns: row.columns.iter().map(String::as_str).collect(),
        fetched_at: row.fetched_at_us,
        known_fetched_at: row.known_fetched_at_us,
        changed_at: row.changed_at_us,
        wrong_since: row.wrong_since_us,
        wrong_secs: row.wrong_secs(),
        fetch_id,
    });
    let records: Vec<_> = records.collect();
    let batch = to_batch(&Arc::new(in_files()), &records)?;
    let partition = of_day(table.today());
    let written = table.files.write_batch(batch, partition).await?;
    Ok(written.map(|mut file| {
        let values = [integration.key().to_string(), endpoint.to_string()];
        file.add.tags = TAGS.map(str::to_owned).into_iter().zip(values).collect();
        file
    }))
}

/// Makes comparisons visible in one log entry, including comparisons without a drifted row. May be called again with
/// the same comparisons: a table that is already compared up to that snapshot, by any process, is skipped, and its
/// file stays unreferenced.
pub(in crate::lake) async fn commit(
    tables: &Tables,
    mut compared: Vec<TableComparison>,
) -> Result<(), LakeError> {
    if compared.is_empty() {
        return Ok(());
    }
    let table = open(tables).await?;
    // When a table occurs twice, the later comparison wins.
    compared.sort_by_key(|one| one.snapshot);
    let state = table.refreshed().await?;
    table.transact(state, &mut Comparisons(compared)).await?;
    Ok(())
}

/// Returns the last comparison of each table that was ever compared. Reads no rows and creates nothing.
pub(in crate::lake) async fn completeness(
    tables: &Tables,
) -> Result<HashMap<ComparedTable, Completeness>, LakeError> {
    if !tables.exists(&LakeTable::Drift).await? {
        return Ok(HashMap::new());
    }
    let state = open(tables).await?.refreshed().await?;
    Ok(all_of(&state))
}

/// Opens `kombo_drift`. Creates the table where it does not exist.
pub(in crate::lake) async fn open(tables: &Tables) -> Result<OpenTable, LakeError> {
    tables.open(&LakeTable::Drift, &schema()).await
}

/// Comparisons, ordered by snapshot, the oldest first. Another writer may have committed the same comparisons.
struct Comparisons(Vec<TableComparison>);

impl Proposal for Comparisons {
    /// Collects the comparisons that are new to the table as of `state`. No table goes back to an older comparison.
    async fn entry(&mut self, state: Arc<LogState>) -> Result<Option<Entry>, DeltaError> {
        let mut entry = Entry {
            operation: Operation::Compare.as_str(),
            ..Entry::default()
        };
        let mut standings = Standings::of(&state);
        for one in &self.0 {
            let moved = standings.advance(one);
            if !moved.is_empty() {
                entry.txns.extend(moved);
                entry
                    .adds
                    .extend(one.files.iter().map(|file| file.add.clone()));
            }
        }
        Ok((!entry.txns.is_empty()).then_some(entry))
    }
}

/// Returns the columns of `kombo_drift`.
pub(in crate::lake) fn schema() -> SchemaRef {
    with_commit_date(&in_files())
}

/// Returns the columns in the files. The partition column is not among them.
fn in_files() -> Schema {
    Schema::new(vec![
        text_field("integration_key"),
        text_field("_integration_id"),
        text_field("endpoint"),
        text_field("id"),
        text_field("kind"),
        text_field("cause"),
        names_field("columns"),
        time_field("_fetched_at", false),
        time_field("known_fetched_at", true),
        time_field("changed_at", true),
        time_field("wrong_since", true),
        Field::new("wrong_secs", DataType::Int64, true),
        text_field("_fetch_id"),
    ])
}
