//! A fetch that was taken up to its end, and whether a sink may commit it: the rules of [`Sink`](crate::sink::Sink) for a
//! sink that keeps a table's [`Coverage`] in one place.

use std::pin::pin;

use arrow::array::RecordBatch;
use futures_util::{Stream, StreamExt};

use crate::decode::observed_rows;
use crate::fetch::{FetchEnd, FetchMode};
use crate::sink::{Coverage, SinkError, WriteError};
use crate::stream::{FetchError, FetchEvent};
use crate::time::ObservedAt;

/// A fetch that was taken up to its end.
#[derive(Clone, Debug)]
pub struct WholeFetch {
    /// How it was fetched.
    pub mode: FetchMode,
    /// Rows that it has.
    pub rows: u64,
    /// What its last page said.
    pub end: FetchEnd,
    /// What covered the table when it began.
    start: Coverage,
    /// Its first observation.
    first: Option<ObservedAt>,
}

impl WholeFetch {
    /// Takes a fetch up to its end and hands its batches to `keep`. `start` is what covered the table before the first
    /// event. Rows without an id are passed over: they have no place in a table.
    ///
    /// # Errors
    /// Without its end a fetch is not whole.
    pub async fn take(
        mode: FetchMode,
        start: Coverage,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
        mut keep: impl FnMut(RecordBatch) -> Result<(), SinkError> + Send,
    ) -> Result<Self, WriteError> {
        let (mut rows, mut first, mut events) = (0, None, pin!(events));
        while let Some(event) = events.next().await {
            match event.map_err(WriteError::Fetch)? {
                FetchEvent::Batch(batch) => {
                    rows += batch.num_rows() as u64;
                    let times = observed_rows(&batch).map(|row| row.at);
                    first = first.into_iter().chain(times).min();
                    keep(batch)?;
                }
                FetchEvent::End(end) => {
                    return Ok(Self {
                        mode,
                        rows,
                        end,
                        start,
                        first,
                    });
                }
                _ => {}
            }
        }
        Err(WriteError::Fetch(FetchError::Stopped { page: 0 }))
    }

    /// Returns the new watermark of the fetch's part, and moves what covers the table; `None`, and nothing moves, when
    /// somebody has committed to this part since the fetch began: the fetch is superseded.
    #[must_use]
    pub fn commit(&self, now: &mut Coverage) -> Option<ObservedAt> {
        let (seen, start) = (now.watermarks, &self.start);
        let is_overtaken = match self.mode {
            FetchMode::Snapshot => seen.snapshots != start.watermarks.snapshots,
            FetchMode::Delta { .. } => {
                let is_later = self.first.is_none_or(|first| Some(first) > seen.deltas);
                seen.deltas != start.watermarks.deltas || now.bases != start.bases || !is_later
            }
        };
        (!is_overtaken).then(|| now.commit(self.mode, &self.end))
    }
}
