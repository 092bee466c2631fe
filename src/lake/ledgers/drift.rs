//! `kombo_drift`: what full fetches found that the lake had not known. One row per record, never a value of it.
//!
//! A comparison writes its rows to a file that nobody sees ([`stage`]); one log entry then makes those of many
//! tables visible, together with what was compared ([`completeness`](crate::lake::ledgers::completeness)). A crash in between leaves a
//! file that nothing names, and the snapshot is compared again: the entry says up to which one a table is.

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

/// A row that a full fetch found other than the lake had it.
#[derive(Clone, PartialEq, Eq)]
pub struct DriftRow {
    /// Kombo's id of it.
    pub id: String,
    /// What was wrong with it.
    pub kind: DriftKind,
    /// Why.
    pub cause: DriftCause,
    /// Top-level columns that differ: names, never values.
    pub columns: Vec<String>,
    /// When the full fetch saw it, in microseconds since the epoch, as all instants here.
    pub fetched_at_us: i64,
    /// The lake's own newest observation of it before.
    pub known_fetched_at_us: Option<i64>,
    /// When it changed, as Kombo says.
    pub changed_at_us: Option<i64>,
    /// Since when the lake was wrong, as far as that is known.
    pub wrong_since_us: Option<i64>,
}

/// A row of `kombo_drift` as it is stored. Instants are in microseconds since the epoch.
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

/// Tags of a file of one table, so that a search need not open those of others. A merged file has none.
pub(in crate::lake) const TAGS: [&str; 2] = ["integration_key", "endpoint"];

impl DriftRow {
    /// Returns for how long the lake was wrong, in whole seconds, as far as that is known.
    #[must_use]
    pub fn wrong_secs(&self) -> Option<i64> {
        let since = self.wrong_since_us?;
        Some(self.fetched_at_us.saturating_sub(since).max(0) / 1_000_000)
    }
}

impl fmt::Debug for DriftRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The id is a value of the row.
        f.debug_struct("DriftRow")
            .field("kind", &self.kind)
            .field("cause", &self.cause)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

/// Writes the rows of one comparison to a file of their own, by id; `None` without rows. Nothing is visible.
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

/// Makes comparisons visible in one log entry, those without a drifted row too. May be called again with the same
/// ones: a table that is compared up to that snapshot already, by whomever, is left out, and nothing names its file.
pub(in crate::lake) async fn commit(
    tables: &Tables,
    mut compared: Vec<TableComparison>,
) -> Result<(), LakeError> {
    if compared.is_empty() {
        return Ok(());
    }
    let table = open(tables).await?;
    // Should one table be there twice, the later comparison has the last word.
    compared.sort_by_key(|one| one.snapshot);
    let state = table.refreshed().await?;
    table.transact(state, &mut Comparisons(compared)).await?;
    Ok(())
}

/// Returns, for each table that was ever compared, its last comparison. Reads no rows and creates nothing.
pub(in crate::lake) async fn completeness(
    tables: &Tables,
) -> Result<HashMap<ComparedTable, Completeness>, LakeError> {
    if !tables.exists(&LakeTable::Drift).await? {
        return Ok(HashMap::new());
    }
    let state = open(tables).await?.refreshed().await?;
    Ok(all_of(&state))
}

/// Opens `kombo_drift`, creating it where it is not.
pub(in crate::lake) async fn open(tables: &Tables) -> Result<OpenTable, LakeError> {
    tables.open(&LakeTable::Drift, &schema()).await
}

/// Comparisons, those of older snapshots first. Another writer may have compared the same ones.
struct Comparisons(Vec<TableComparison>);

impl Proposal for Comparisons {
    /// Puts together what is new to the table as of `state`. No table goes back to an older comparison.
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

/// The partition column is not in the files.
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
