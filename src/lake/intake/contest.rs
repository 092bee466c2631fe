//! Finds, of ids that came in several runs of a fetch, the rows that are not the latest.

use std::collections::HashMap;

use bytes::Bytes;

use crate::catalog::SystemColumn;
use crate::delta::delta_error::DeltaError;
use crate::delta::file::writer::read;
use crate::lake::intake::runs::{hash, observed, text};

/// Ids in one contest, at most: about 30 MB.
pub(crate) const CONTEST_IDS: usize = 262_144;

/// Finds, among the rows with repeated ids in several files, the latest observation of each id.
pub(crate) struct Contest {
    /// The hashes of the repeated ids, ascending.
    hashes: Vec<u64>,
    best: HashMap<String, Contender>,
    losers: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Contender {
    observed: i64,
    run: usize,
    row: usize,
}

impl Contest {
    /// Starts a contest over the ids with these hashes, which are ascending.
    pub(crate) fn over(hashes: &[u64]) -> Self {
        Self {
            hashes: hashes.to_vec(),
            best: HashMap::new(),
            losers: Vec::new(),
        }
    }

    /// Enters the rows of a run's file.
    pub(crate) fn enter(mut self, run: usize, file: Bytes) -> Result<Self, DeltaError> {
        let mut first_row = 0;
        for batch in read(file, &["id", SystemColumn::FetchedAt.name()])? {
            let batch = batch?;
            let (ids, observed) = (text(&batch, "id"), observed(&batch));
            for (row, observed) in observed.iter().enumerate() {
                let id = ids.value(row);
                if self.hashes.binary_search(&hash(id)).is_err() {
                    continue;
                }
                let entry = Contender {
                    observed: *observed,
                    run,
                    row: first_row + row,
                };
                let Some(best) = self.best.get_mut(id) else {
                    self.best.insert(id.to_owned(), entry);
                    continue;
                };
                let loser = entry.min(*best);
                *best = entry.max(*best);
                self.losers.push((loser.run, loser.row));
            }
            first_row += batch.num_rows();
        }
        Ok(self)
    }

    /// Returns the rows that are not the latest of their id, as (run, row in the run's file).
    pub(crate) fn losers(self) -> Vec<(usize, usize)> {
        self.losers
    }
}
