//! What a backfill will cost, estimated from the first page of each table.
//!
//! Kombo reports no totals, and its cursors are opaque. So a first page gives a lower bound, and the plan gives ranges. If the
//! lake holds an older snapshot of the table, its number of rows is the better estimate. Otherwise the largest snapshot of
//! the endpoint in the lake, and at least [`UNSEEN_ROWS`], is the upper end.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::targets::Target;
use crate::api::{ApiError, KomboApi, PageRequest};
use crate::decode::{DecodeLimits, PageDecoder};
use crate::fetch::{Fetch, FetchMode, Lane};
use crate::stream::FetchError;

/// The estimated cost of one table.
#[derive(Debug)]
pub struct Estimate {
    /// The table.
    pub target: Target,
    /// The first page, or why it could not be fetched.
    pub first_page: Result<FirstPage, FetchError>,
    /// Rows of the snapshot in the lake; `None` if there is none.
    pub known_rows: Option<u64>,
    /// Rows of the largest snapshot of the same endpoint in the lake, of any integration; 0 if there is none.
    pub largest_elsewhere: u64,
}

/// The most rows that a table of unknown size is taken to have: 40 pages. Kombo tells no totals, so this is an assumption
/// and no bound.
pub const UNSEEN_ROWS: u64 = 10_000;

/// The most requests after the walk of a table, in general: one closing delta, and one question for rows that the walk
/// lacks.
const CLOSING: u64 = 2;

/// What the first page of a table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstPage {
    /// Rows on the page.
    pub rows: u64,
    /// Whether more pages follow.
    pub more: bool,
}

impl Estimate {
    /// Returns how much is known of the number of rows.
    #[must_use]
    pub fn size(&self) -> KnownSize {
        match (&self.first_page, self.known_rows) {
            (Ok(FirstPage { more: true, .. }), Some(_)) => KnownSize::Snapshot,
            (Ok(FirstPage { more: true, .. }), None) => KnownSize::Unknown,
            _ => KnownSize::Exact,
        }
    }

    /// Returns the least and the most rows to expect.
    #[must_use]
    pub fn rows(&self) -> (u64, u64) {
        let Ok(FirstPage { rows, more }) = self.first_page else {
            return (0, 0);
        };
        let more_than_a_page = rows + 1;
        match self.known_rows {
            _ if !more => (rows, rows),
            Some(known) => {
                let known = known.max(more_than_a_page);
                (known, known)
            }
            None => {
                let most = self.largest_elsewhere.max(UNSEEN_ROWS);
                (more_than_a_page, most.max(more_than_a_page))
            }
        }
    }

    /// Returns why the first page could not be fetched. A model that the tool lacks is no failure.
    #[must_use]
    pub fn failure(&self) -> Option<&FetchError> {
        self.first_page.as_ref().err().filter(|error| {
            let left_out = |source: &ApiError| matches!(source, ApiError::SkipEndpoint { .. });
            !matches!(error, FetchError::Page { source, .. } if left_out(source))
        })
    }

    /// Returns the least and the most requests with pages of `page_size` rows, when each walk is done `walks` times.
    #[must_use]
    pub fn requests(&self, page_size: u32, walks: u64) -> (u64, u64) {
        let Ok(FirstPage { rows: first, more }) = self.first_page else {
            return (0, 0);
        };
        if !more {
            return (walks, walks + CLOSING);
        }
        let (least, most) = self.rows();
        // A snapshot in the lake is as old as it is: the customer may have grown meanwhile.
        let most = match self.size() {
            KnownSize::Snapshot => most.saturating_add(most / 5),
            _ => most,
        };
        // Kombo may send fewer rows than a page can hold.
        let page_size = u64::from(page_size.max(1));
        let sent = first.clamp(1, page_size);
        let (least, most) = (least.div_ceil(page_size), most.div_ceil(sent));
        (least * walks, most * walks + CLOSING)
    }
}

/// How much is known of the number of rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownSize {
    /// The first page holds everything, or could not be fetched.
    Exact,
    /// More pages follow. The lake holds an earlier snapshot.
    Snapshot,
    /// More pages follow, and nothing says how many.
    Unknown,
}

impl KnownSize {
    /// Returns the name for JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Snapshot => "earlier_snapshot",
            Self::Unknown => "unknown",
        }
    }
}

/// Fetches the first page of every table, `concurrency` at a time.
pub async fn first_pages<A: KomboApi>(
    api: &A,
    targets: Vec<Target>,
    limits: DecodeLimits,
    concurrency: usize,
) -> Vec<Estimate> {
    let asked = targets.into_iter().map(|target| async {
        let first_page = first_page(api, &target, limits).await;
        Estimate {
            target,
            first_page,
            known_rows: None,
            largest_elsewhere: 0,
        }
    });
    stream::iter(asked)
        .buffered(concurrency.max(1))
        .collect()
        .await
}

/// Returns the least time that `requests` take under a rate limit of so many requests per window.
#[must_use]
pub fn least_time(requests: u64, limit: Option<(u32, Duration)>) -> Duration {
    let Some((per_window, window)) = limit else {
        return Duration::ZERO;
    };
    // The requests of the first window may all go out at once.
    let waits = requests.saturating_sub(1) / u64::from(per_window.max(1));
    window.saturating_mul(u32::try_from(waits).unwrap_or(u32::MAX))
}

async fn first_page<A: KomboApi>(
    api: &A,
    target: &Target,
    limits: DecodeLimits,
) -> Result<FirstPage, FetchError> {
    let request = PageRequest {
        integration: &target.table.integration,
        endpoint: &target.endpoint,
        updated_after: None,
        ids: &[],
        cursor: None,
        lane: Lane::Backfill,
    };
    let page = api
        .page(request)
        .await
        .map_err(|source| FetchError::Page { page: 1, source })?;
    let fetch = Fetch::new(target.table.clone(), FetchMode::Snapshot);
    let mut decoder = PageDecoder::new(Arc::clone(&target.endpoint), &fetch, limits);
    let summary = decoder
        .page(&page.body, page.observed_at, |_| {})
        .map_err(|source| FetchError::Decode { page: 1, source })?;
    Ok(FirstPage {
        rows: summary.rows,
        more: summary.next.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_window_costs_no_time() {
        let limit = Some((300, Duration::from_mins(1)));
        assert_eq!(least_time(300, limit), Duration::ZERO);
        assert_eq!(least_time(301, limit), Duration::from_mins(1));
        assert_eq!(least_time(1_000_000, None), Duration::ZERO);
    }
}
