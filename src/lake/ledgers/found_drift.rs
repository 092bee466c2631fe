//! Reads `kombo_drift`: the newest rows, and how many rows of each kind there are.
//!
//! Days and files that cannot hold matching rows are skipped. Only one file is in memory at a time, and of its rows
//! only the matching ones.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::delta::delta_error::{DECODING, DeltaError};
use crate::delta::file::data_files::on_cpu;
use crate::delta::file::writer::read;
use crate::delta::log::LiveFile;
use crate::delta::rows::each_row;
use crate::ids::{EndpointName, IntegrationId};
use crate::lake::layout::{LakeTable, day_of};
use crate::lake::ledgers::drift::{DriftRecord, TAGS, open};
use crate::lake::tables::Tables;
use crate::lake::{LakeError, Members, SetAside};
use crate::versions::drift::{DriftCause, DriftKind};

/// Which rows are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DriftFilter {
    /// Only rows of these integrations.
    pub integrations: Option<BTreeSet<IntegrationId>>,
    /// Only rows of these endpoints.
    pub endpoints: Option<BTreeSet<EndpointName>>,
    /// Only rows of this kind.
    pub kind: Option<DriftKind>,
    /// Only rows with this cause.
    pub cause: Option<DriftCause>,
    /// Only rows that a full fetch saw at this instant or later, in microseconds since the epoch.
    pub since_us: Option<i64>,
    /// At most this many rows, the newest.
    pub limit: usize,
}

/// A row of `kombo_drift`. Values are as stored: a newer build may use values that this build does not know.
#[derive(Clone, PartialEq, Eq)]
pub struct FoundDrift {
    /// The id of the integration.
    pub integration: String,
    /// The endpoint, such as `ats/applications`.
    pub endpoint: String,
    /// Kombo's id of the record.
    pub id: String,
    /// What was wrong with the row in the lake.
    pub kind: String,
    /// Why the row was wrong.
    pub cause: String,
    /// Names of the top-level columns that differed.
    pub columns: Vec<String>,
    /// When the full fetch saw the record, in microseconds since the epoch. All instants here have this unit.
    pub fetched_at_us: i64,
    /// The lake's own newest observation of the record before the full fetch.
    pub known_fetched_at_us: Option<i64>,
    /// When the record changed, as Kombo says.
    pub changed_at_us: Option<i64>,
    /// Since when the lake was wrong, if that is known.
    pub wrong_since_us: Option<i64>,
    /// For how many seconds the lake was wrong.
    pub wrong_secs: Option<i64>,
    /// The id of the full fetch that found the row.
    pub fetch_id: String,
}

/// Rows with the same endpoint, kind and cause.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriftGroup {
    /// The endpoint, such as `ats/applications`.
    pub endpoint: String,
    /// What was wrong with the rows in the lake.
    pub kind: String,
    /// Why the rows were wrong.
    pub cause: String,
}

impl fmt::Debug for FoundDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The id is a value of the row, so it is not printed.
        f.debug_struct("FoundDrift")
            .field("integration", &self.integration)
            .field("endpoint", &self.endpoint)
            .field("kind", &self.kind)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

/// Returns the newest matching rows of `kombo_drift`, the newest first. A missing or damaged file is set aside.
/// Creates nothing.
pub(in crate::lake) async fn drift(
    tables: &Tables,
    filter: &DriftFilter,
) -> Result<Members<FoundDrift, String>, LakeError> {
    let mut found = DriftSearch::of(NewestDrift::of(filter.limit));
    for (day, file) in drift_files(tables, filter).await? {
        if found.rows.are_after(day) {
            break;
        }
        let each = |newest: &mut NewestDrift, record: &DriftRecord<'_>| newest.add(record);
        found = through_drift(tables, &file, filter, found, each).await?;
    }
    Ok(Members {
        going: found.rows.into_rows(),
        aside: found.aside,
    })
}

/// Counts the rows of `kombo_drift` that match the filter, without its limit. A missing or damaged file is set aside.
/// Creates nothing.
pub(in crate::lake) async fn drift_counts(
    tables: &Tables,
    filter: &DriftFilter,
) -> Result<(BTreeMap<DriftGroup, u64>, Vec<SetAside<String>>), LakeError> {
    let mut found = DriftSearch::of(BTreeMap::new());
    for (_, file) in drift_files(tables, filter).await? {
        let each = |counts: &mut BTreeMap<_, u64>, record: &DriftRecord<'_>| {
            let group = DriftGroup {
                endpoint: record.endpoint.to_owned(),
                kind: record.kind.to_owned(),
                cause: record.cause.to_owned(),
            };
            *counts.entry(group).or_default() += 1;
        };
        found = through_drift(tables, &file, filter, found, each).await?;
    }
    Ok((found.rows, found.aside))
}

/// Passes each matching row of a file to `each`. Sets the file aside when it is missing or damaged.
async fn through_drift<T: Send + 'static>(
    tables: &Tables,
    file: &LiveFile,
    filter: &DriftFilter,
    mut found: DriftSearch<T>,
    each: impl Fn(&mut T, &DriftRecord<'_>) + Send + 'static,
) -> Result<DriftSearch<T>, LakeError> {
    let table = open(tables).await?;
    let read = match table.files.read(&file.path).await {
        Ok(bytes) => {
            let (filter, mut rows) = (filter.clone(), found.rows);
            let work = move || {
                let read = through(bytes, &filter, |record| each(&mut rows, record));
                (rows, read)
            };
            let (rows, read) = on_cpu(work).await?;
            found.rows = rows;
            read.map_err(|error| table.files.named(&file.path, error))
        }
        Err(error) => Err(error),
    };
    match read {
        Err(error) if error.is_damage() => {
            let (member, error) = (LakeTable::Drift.to_string(), error.into());
            found.aside.push(SetAside { member, error });
        }
        read => read?,
    }
    Ok(found)
}

/// Lists the files that may hold matching rows, with their days, the latest day first.
async fn drift_files(
    tables: &Tables,
    filter: &DriftFilter,
) -> Result<Vec<(i32, Arc<LiveFile>)>, LakeError> {
    if !tables.exists(&LakeTable::Drift).await? {
        return Ok(Vec::new());
    }
    let table = open(tables).await?;
    let state = table.refreshed().await?;
    let live = table.live(&state).await?.into_iter();
    let mut files: Vec<_> = live
        .filter(|file| filter.concerns(file))
        // A file without a day was written by another program and may hold any row.
        .map(|file| (day_of(&file).unwrap_or(i32::MAX), file))
        .filter(|(day, _)| filter.since_us.is_none_or(|since| ends_us(*day) >= since))
        .collect();
    files.sort_by_key(|(day, _)| Reverse(*day));
    Ok(files)
}

/// The results so far, and the files that could not be read.
struct DriftSearch<T> {
    rows: T,
    aside: Vec<SetAside<String>>,
}

impl<T> DriftSearch<T> {
    fn of(rows: T) -> Self {
        let aside = Vec::new();
        Self { rows, aside }
    }
}

impl DriftFilter {
    /// Returns whether a file may hold matching rows, by its tags. A file without tags may hold any row.
    fn concerns(&self, file: &LiveFile) -> bool {
        let keys = self.integrations.as_ref();
        let keys = keys.map(|ids| ids.iter().map(|id| id.key().to_string()).collect());
        let endpoints = self.endpoints.as_ref();
        let endpoints = endpoints.map(|names| names.iter().map(ToString::to_string).collect());
        let wanted: [Option<Vec<String>>; 2] = [keys, endpoints];
        TAGS.into_iter().zip(wanted).all(|(tag, wanted)| {
            let tagged = file.tag(tag);
            wanted.is_none_or(|wanted| {
                tagged.is_none_or(|tagged| wanted.iter().any(|one| one == tagged))
            })
        })
    }

    fn takes(&self, record: &DriftRecord<'_>) -> bool {
        let is = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
        let (integrations, endpoints) = (self.integrations.as_ref(), self.endpoints.as_ref());
        integrations.is_none_or(|all| all.iter().any(|id| id.as_str() == record.integration))
            && endpoints.is_none_or(|all| all.iter().any(|name| name.as_str() == record.endpoint))
            && is(self.kind.map(DriftKind::as_str), record.kind)
            && is(self.cause.map(DriftCause::as_str), record.cause)
            && self.since_us.is_none_or(|since| record.fetched_at >= since)
    }
}

/// The newest rows so far, and some rows that will be dropped at the next sorting.
struct NewestDrift {
    limit: usize,
    rows: Vec<FoundDrift>,
}

impl NewestDrift {
    fn of(limit: usize) -> Self {
        Self {
            limit,
            rows: Vec::new(),
        }
    }

    fn add(&mut self, record: &DriftRecord<'_>) {
        self.rows.push(record.into());
        // Sorts only now and then, so that each row is compared a few times only, whatever the limit.
        if self.rows.len() > self.limit.saturating_mul(2).saturating_add(1_024) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        let key = |row: &FoundDrift| Reverse(row.fetched_at_us);
        self.rows.sort_by(|a, b| {
            let (left, right) = ((key(a), &a.integration), (key(b), &b.integration));
            left.cmp(&right)
                .then_with(|| (&a.endpoint, &a.id).cmp(&(&b.endpoint, &b.id)))
        });
        self.rows.truncate(self.limit);
    }

    /// Returns whether the files of a day, and of all earlier days, cannot hold newer rows than the ones found.
    fn are_after(&mut self, day: i32) -> bool {
        self.settle();
        let is_full = self.rows.len() == self.limit;
        is_full
            && self
                .rows
                .last()
                .is_none_or(|oldest| oldest.fetched_at_us > ends_us(day))
    }

    fn into_rows(mut self) -> Vec<FoundDrift> {
        self.settle();
        self.rows
    }
}

impl From<&DriftRecord<'_>> for FoundDrift {
    fn from(record: &DriftRecord<'_>) -> Self {
        Self {
            integration: record.integration.to_owned(),
            endpoint: record.endpoint.to_owned(),
            id: record.id.to_owned(),
            kind: record.kind.to_owned(),
            cause: record.cause.to_owned(),
            columns: record.columns.iter().copied().map(str::to_owned).collect(),
            fetched_at_us: record.fetched_at,
            known_fetched_at_us: record.known_fetched_at,
            changed_at_us: record.changed_at,
            wrong_since_us: record.wrong_since,
            wrong_secs: record.wrong_secs,
            fetch_id: record.fetch_id.to_owned(),
        }
    }
}

fn through(
    file: Bytes,
    filter: &DriftFilter,
    mut each: impl FnMut(&DriftRecord<'_>),
) -> Result<(), DeltaError> {
    for batch in read(file, &[])? {
        let mut is_whole = true;
        each_row(&batch?, |record| match record {
            Some(record) if filter.takes(&record) => each(&record),
            Some(_) => {}
            None => is_whole = false,
        })?;
        if !is_whole {
            return Err(DECODING);
        }
    }
    Ok(())
}

/// Returns an instant after all observations that were committed on a day. Kombo's clock and ours may differ by a
/// day.
fn ends_us(day: i32) -> i64 {
    (i64::from(day) + 2).saturating_mul(86_400_000_000)
}
