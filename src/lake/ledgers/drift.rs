//! `kombo_drift`: what full fetches found that the lake had not known. One row per record, never a value of it.
//!
//! A comparison writes its rows to a file that nobody sees ([`stage`]); one log entry then makes those of many
//! tables visible, together with what was compared ([`completeness`](crate::lake::ledgers::completeness)). A crash in between leaves a
//! file that nothing names, and the snapshot is compared again: the entry says up to which one a table is.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::Written;
use crate::delta::log::{Entry, LogState};
use crate::delta::transact::Proposal;
use crate::ids::{EndpointName, IntegrationId};
use crate::lake::LakeError;
use crate::lake::form::with_commit_date;
use crate::lake::layout::LakeTable;
use crate::lake::layout::of_day;
use crate::lake::ledgers::completeness::Standings;
use crate::lake::ledgers::own_columns::{
    longs, names, names_field, text_field, texts, time_field, times,
};
use crate::lake::tables::{OpenTable, Tables};
use crate::time::ObservedAt;
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

/// One table's comparison, with the file its drift rows are in: not visible yet.
#[derive(Clone, Debug)]
pub(in crate::lake) struct Compared {
    /// Whose table.
    pub(in crate::lake) integration: IntegrationId,
    /// Which.
    pub(in crate::lake) endpoint: EndpointName,
    /// The snapshot that was compared: the `seen` of its commit.
    pub(in crate::lake) snapshot: ObservedAt,
    /// How many rows were compared.
    pub(in crate::lake) rows: u64,
    /// How many of them drifted.
    pub(in crate::lake) drifted: u64,
    /// Where they are.
    pub(in crate::lake) files: Vec<Written>,
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
    let batch = batch(integration, endpoint, fetch_id, &rows);
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
    mut compared: Vec<Compared>,
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

/// Opens the table, creating it where it is not.
pub(in crate::lake) async fn open(tables: &Tables) -> Result<OpenTable, LakeError> {
    tables.open(&LakeTable::Drift, &schema()).await
}

/// Comparisons, those of older snapshots first. Another writer may have compared the same ones.
struct Comparisons(Vec<Compared>);

impl Proposal for Comparisons {
    /// Puts together what is new to the table as of `state`. No table goes back to an older comparison.
    async fn entry(&mut self, state: Arc<LogState>) -> Result<Option<Entry>, DeltaError> {
        let mut entry = Entry {
            operation: "COMPARE",
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

fn batch(
    integration: &IntegrationId,
    endpoint: &EndpointName,
    fetch_id: &str,
    rows: &[DriftRow],
) -> RecordBatch {
    let same = |value: &str| texts(rows.iter().map(|_| value));
    let columns = vec![
        same(integration.key().as_str()),
        same(integration.as_str()),
        same(endpoint.as_str()),
        texts(rows.iter().map(|row| &row.id)),
        texts(rows.iter().map(|row| row.kind.as_str())),
        texts(rows.iter().map(|row| row.cause.as_str())),
        names(rows.iter().map(|row| row.columns.as_slice())),
        times(rows.iter().map(|row| Some(row.fetched_at_us))),
        times(rows.iter().map(|row| row.known_fetched_at_us)),
        times(rows.iter().map(|row| row.changed_at_us)),
        times(rows.iter().map(|row| row.wrong_since_us)),
        longs(rows.iter().map(DriftRow::wrong_secs)),
        same(fetch_id),
    ];
    RecordBatch::try_new(Arc::new(in_files()), columns)
        .expect("the columns are those of the schema")
}
