//! How many bytes of pages may be in memory at one time, over all requests of a client.
//!
//! A page reserves its bytes before they are read, and more bytes as it grows. It holds the reservation until its rows
//! are handed on. Ordinary pages have a few hundred kilobytes and never wait here.
//!
//! One page at a time may go beyond the budget. Without this exception a page larger than the budget would never be
//! read, and two half-read pages could wait for each other's bytes for ever. The page beyond the budget waits for no
//! bytes any more, so it always ends, and the next page gets its place. A page must therefore never wait here while its
//! owner holds another page that the owner hands on only afterwards.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The budget: 32 MiB. While a page is decoded, its rows take about as many bytes again. So this budget, a page of 50 MB
/// and the rows that wait for their file stay below 300 MB.
pub(super) const BYTES_IN_FLIGHT: usize = 32 << 20;

/// The shared budget of a client.
#[derive(Clone, Debug)]
pub(super) struct PageBudget {
    bytes: Arc<Semaphore>,
    total: usize,
    /// The place of the one page that may go beyond the budget.
    beyond: Arc<Semaphore>,
}

/// The bytes that a page holds. Dropping the value gives them back. The default value holds nothing, for pages that no
/// budget bounds.
#[derive(Default)]
pub struct PageReservation {
    bytes: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
}

impl PageBudget {
    pub(super) fn new(total: usize) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(total)),
            total,
            beyond: Arc::new(Semaphore::new(1)),
        }
    }

    /// Makes a reservation cover at least `bytes` in all. Waits while other pages use up the budget. Cancelling is safe:
    /// the reservation keeps what it has.
    pub(super) async fn cover(&self, held: &mut PageReservation, bytes: usize) {
        let more = bytes.saturating_sub(held.bytes());
        if more == 0 || held.beyond.is_some() {
            return;
        }
        let fits = u32::try_from(more).ok().filter(|_| bytes <= self.total);
        let within = async {
            match fits {
                Some(more) => Arc::clone(&self.bytes).acquire_many_owned(more).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            permit = within => held.add(permit.expect(NEVER_CLOSED)),
            place = Arc::clone(&self.beyond).acquire_owned() => {
                held.beyond = Some(place.expect(NEVER_CLOSED));
            }
        }
    }
}

const NEVER_CLOSED: &str = "the semaphores of the budget are never closed";

impl PageReservation {
    /// Returns the number of bytes within the budget.
    fn bytes(&self) -> usize {
        self.bytes
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits)
    }

    fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.bytes {
            Some(bytes) => bytes.merge(more),
            None => self.bytes = Some(more),
        }
    }

    /// Gives back what the page does not need: its size is known now.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let spare = self.bytes().saturating_sub(bytes);
        let held = self.bytes.as_mut();
        drop(held.and_then(|held| held.split(spare)));
    }
}

impl fmt::Debug for PageReservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beyond = self.beyond.is_some();
        write!(
            f,
            "PageReservation({} bytes, beyond {beyond})",
            self.bytes()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn covered(budget: &PageBudget, bytes: usize) -> PageReservation {
        let mut held = PageReservation::default();
        budget.cover(&mut held, bytes).await;
        held
    }

    async fn waits(future: impl Future) -> bool {
        timeout(Duration::from_hours(1), future).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn pages_within_the_budget_never_wait_and_give_back_what_they_hold() {
        let budget = PageBudget::new(100);
        for _ in 0..3 {
            let mut first = covered(&budget, 20).await;
            budget.cover(&mut first, 60).await;
            let second = covered(&budget, 40).await;
            assert_eq!((first.bytes(), second.bytes()), (60, 40));
            assert!(first.beyond.is_none() && second.beyond.is_none());
            first.shrink(10);
            assert_eq!(first.bytes(), 10);
            assert_eq!(budget.bytes.available_permits(), 50);
        }
        assert_eq!(budget.bytes.available_permits(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn one_page_at_a_time_goes_beyond_the_budget_and_the_next_follows_it() {
        let budget = PageBudget::new(100);
        let huge = covered(&budget, 5_000).await;
        assert!(huge.beyond.is_some());
        let small = covered(&budget, 100).await;
        assert_eq!(small.bytes(), 100, "the budget itself is still free");
        assert!(waits(covered(&budget, 5_000)).await);
        assert!(waits(covered(&budget, 1)).await);
        let (next, ()) = tokio::join!(covered(&budget, 5_000), async { drop(huge) });
        assert!(next.beyond.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn two_pages_that_grow_do_not_wait_for_each_other() {
        let budget = PageBudget::new(100);
        let (mut one, mut other) = (covered(&budget, 50).await, covered(&budget, 50).await);
        budget.cover(&mut one, 80).await;
        assert!(one.beyond.is_some(), "nobody else goes beyond");
        assert!(waits(budget.cover(&mut other, 80)).await);
        budget.cover(&mut one, 1_000).await;
        drop(one);
        budget.cover(&mut other, 80).await;
        assert_eq!((other.bytes(), other.beyond.is_some()), (80, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_gives_up_its_wait_holds_up_nobody() {
        let budget = PageBudget::new(100);
        let huge = covered(&budget, 5_000).await;
        let full = covered(&budget, 90).await;
        assert!(waits(covered(&budget, 50)).await, "and then gives up");
        assert_eq!(covered(&budget, 10).await.bytes(), 10);
        drop((huge, full));
        assert_eq!(budget.bytes.available_permits(), 100);
        assert_eq!(budget.beyond.available_permits(), 1);
    }
}
