//! Counts one walk as its events pass.

use super::done::{Done, FetchEnding};
use super::{FetchStep, Watch};
use crate::fetch::{Counts, FetchEnd, FetchMode};
use crate::sink::Receipt;
use crate::stream::{FetchError, FetchEvent, SharedSieve, Verdicts};

/// What one walk brought so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pages: u64,
    bytes: u64,
    rows: u64,
    /// Rows handed on.
    pub(super) kept: u64,
    /// Rows without a usable id.
    pub(super) quarantined: u64,
    /// What became of the rows that a snapshot lacks.
    pub(super) verdicts: Verdicts,
    /// So many of them live that the snapshot is none.
    pub(super) is_cut_short: bool,
    /// What the last page said.
    pub(super) end: Option<FetchEnd>,
}

impl Tally {
    /// Takes in an event.
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
                // No page has them, and they are received all the same.
                self.rows += verdicts.gone;
            }
            Ok(FetchEvent::End(end)) => self.end = Some(*end),
            Err(_) => {}
        }
    }

    /// Returns whether there is nothing to commit.
    pub(super) fn is_empty(&self) -> bool {
        self.kept == 0 && self.quarantined == 0
    }

    /// Counts the walk as one of which nothing became visible.
    pub(super) fn abandon(&self, counts: &mut Counts) {
        self.receive(counts);
        counts.abandoned += self.rows + self.quarantined;
    }

    /// Counts the walk as one of which `committed` rows became visible; the others that were handed on had the same ids.
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

    /// Counts the walk by what the sink answered to its commit.
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

    /// Says what became of the table; the counts are filled in at the end.
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
