//! A complete fetch, and the decision whether a sink may commit it. Implements the rules of [`Sink`](crate::sink::Sink)
//! for a sink that stores a table's [`Coverage`] in one place.

use std::pin::pin;

use arrow::array::RecordBatch;
use futures_util::{Stream, StreamExt};

use crate::decode::observed_rows;
use crate::fetch::{FetchEnd, FetchMode};
use crate::sink::{Coverage, SinkError, WriteError};
use crate::stream::{FetchError, FetchEvent};
use crate::time::ObservedAt;

/// A fetch that was read up to its end.
#[derive(Clone, Debug)]
pub struct WholeFetch {
    /// How it was fetched.
    pub mode: FetchMode,
    /// Number of rows of the fetch.
    pub rows: u64,
    /// What was known at the last page of the fetch.
    pub end: FetchEnd,
    /// The coverage of the table when the fetch began.
    start: Coverage,
    /// The earliest `_fetched_at` of the fetch's rows.
    first: Option<ObservedAt>,
}

impl WholeFetch {
    /// Reads a fetch up to its end and hands each batch to `keep`. `start` is the coverage of the table before the
    /// first event. Drops quarantined rows: they have no usable id and so no place in a table.
    ///
    /// # Errors
    /// Returns an error when the events end before [`FetchEvent::End`], when an event is an error, or when `keep`
    /// fails.
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

    /// Applies the fetch to `now`, the current coverage of the table. Returns the new watermark of the fetch's part.
    /// Returns `None` and changes nothing when another writer has committed to this part since the fetch began: the
    /// fetch is superseded.
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
