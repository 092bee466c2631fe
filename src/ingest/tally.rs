//! Counts the events of one walk.

use super::done::{Done, FetchEnding};
use super::{FetchPlace, FetchStep, Watch};
use crate::fetch::{Counts, FetchEnd, FetchMode};
use crate::sink::Receipt;
use crate::stream::{FetchError, FetchEvent, SharedSieve, Verdicts};

/// Counts of one walk so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pages: u64,
    bytes: u64,
    rows: u64,
    /// Rows passed to the sink.
    pub(super) kept: u64,
    /// Rows without a usable id.
    pub(super) quarantined: u64,
    /// Results for the rows that a snapshot lacks.
    pub(super) verdicts: Verdicts,
    /// Whether so many of the missing rows exist that the snapshot cannot be complete.
    pub(super) is_cut_short: bool,
    /// Values of the end of the walk; `None` before the last page.
    pub(super) end: Option<FetchEnd>,
}

impl Tally {
    /// Counts an event.
    pub(super) fn see(&mut self, event: &Result<FetchEvent, FetchError>, watch: &impl Watch) {
        match event {
            Ok(FetchEvent::Page { rows, bytes }) => {
                self.pages += 1;
                self.bytes += bytes;
                self.rows += rows;
                let (rows, bytes) = (*rows, *bytes);
                watch.step(FetchStep::Page { rows, bytes });
            }
            Ok(FetchEvent::Batch(batch)) => self.kept += batch.num_rows() as u64,
            Ok(FetchEvent::Quarantine(rows)) => self.quarantined += rows.len() as u64,
            Ok(FetchEvent::Asked {
                verdicts,
                is_cut_short,
            }) => {
                (self.verdicts, self.is_cut_short) = (*verdicts, *is_cut_short);
                // Gone rows are on no page, but count as received.
                self.rows += verdicts.gone;
            }
            Ok(FetchEvent::End(end)) => self.end = Some(*end),
            Err(_) => {}
        }
    }

    /// Tells the place of the fetch that the last page is received.
    pub(super) fn free(&self, place: &mut impl FetchPlace) {
        if self.end.is_some() {
            place.received(self.bytes);
        }
    }

    /// Returns whether there is nothing to commit.
    pub(super) fn is_empty(&self) -> bool {
        self.kept == 0 && self.quarantined == 0
    }

    /// Counts the walk as abandoned: nothing of it became visible.
    pub(super) fn abandon(&self, counts: &mut Counts) {
        self.receive(counts);
        counts.abandoned += self.rows + self.quarantined;
    }

    /// Counts the walk as committed with `committed` visible rows. The other rows passed to the sink were repetitions
    /// of the same ids.
    pub(super) fn commit(&self, committed: u64, sieve: Option<&SharedSieve>, counts: &mut Counts) {
        self.receive(counts);
        counts.committed += committed;
        counts.repeated += self.kept.saturating_sub(committed);
        counts.quarantined += self.quarantined;
        if let Some(sieve) = sieve {
            let sieve = sieve
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            counts.unchanged += sieve.unchanged;
            counts.repeated += sieve.repeated;
        }
    }

    /// Counts the walk by the sink's answer to its commit.
    pub(super) fn settle(
        &self,
        receipt: &Receipt,
        sieve: Option<&SharedSieve>,
        counts: &mut Counts,
    ) -> FetchEnding {
        match *receipt {
            Receipt::Committed {
                version,
                rows,
                files,
                bytes,
                ..
            } => {
                self.commit(rows, sieve, counts);
                FetchEnding::Committed {
                    version,
                    files,
                    bytes,
                }
            }
            Receipt::Superseded => {
                self.abandon(counts);
                FetchEnding::Superseded
            }
        }
    }

    /// Returns the result of the fetch. The caller fills in the counts.
    pub(super) fn done(&self, mode: FetchMode, ending: FetchEnding) -> Done {
        Done {
            mode,
            base: self.end.and_then(|end| end.base),
            counts: Counts::default(),
            rest_values: self.end.map_or(0, |end| end.rest_values),
            closing_rows: 0,
            missing: Verdicts::default(),
            ending,
            unannounced_rows: None,
        }
    }

    fn receive(&self, counts: &mut Counts) {
        counts.pages += self.pages;
        counts.bytes += self.bytes;
        counts.received += self.rows + self.quarantined;
    }
}
