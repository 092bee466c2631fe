//! What a backfill will cost, estimated from the first page of each table.
//!
//! Kombo reports no totals, and its cursors are opaque. So a first page gives a lower bound. If the lake holds an older
//! snapshot, its number of rows is the better estimate.

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
}

/// What the first page of a table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstPage {
    /// Rows on the page.
    pub rows: u64,
    /// Whether more pages follow.
    pub more: bool,
}

impl Estimate {
    /// Returns the estimated number of rows, and whether the number is exact.
    #[must_use]
    pub fn rows(&self) -> (u64, bool) {
        match &self.first_page {
            Ok(FirstPage { rows, more: false }) => (*rows, true),
            Ok(FirstPage { rows, more: true }) => {
                (self.known_rows.unwrap_or(0).max(*rows + 1), false)
            }
            Err(_) => (0, false),
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

    /// Returns the estimated number of requests with pages of `page_size` rows.
    #[must_use]
    pub fn requests(&self, page_size: u32) -> u64 {
        match &self.first_page {
            Ok(FirstPage { more: false, .. }) => 1,
            Ok(_) => self.rows().0.div_ceil(u64::from(page_size.max(1))),
            Err(_) => 0,
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
