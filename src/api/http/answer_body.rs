//! Reads the bodies of answers within limits, and tells errors that look like pages.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use crate::api::ApiError;
use crate::api::error::LostAnswer;
use crate::api::page_budget::{PageBudget, PageReservation};
use crate::api::transport::Incoming;

/// The largest body of an error that is read. Error envelopes have a few hundred bytes. A longer body is cut, and then
/// the status decides.
const MAX_ERROR_BYTES: u64 = 64 << 10;

/// A successful answer below this size is checked for an error envelope.
const MAX_DISGUISED_BYTES: usize = 16 << 10;

/// The first reservation for a page of unknown size. Ordinary pages need no second one.
const FIRST_STEP: usize = 256 << 10;

/// From this size on a body gets its largest allowed capacity at once. Untouched memory costs nothing, and a growing
/// buffer would be copied with both copies in memory.
const LARGE_BODY: usize = 2 << 20;

/// The most capacity that is taken ahead. A limit far above it is grown into.
const MOST_UNTOUCHED: usize = 64 << 20;

/// The body of an answer on its way, and how long it may still take.
pub(super) struct IncomingBody<I> {
    pub(super) answer: I,
    pub(super) deadline: Instant,
}

impl<I: Incoming> IncomingBody<I> {
    /// Reads the body to its end. The limit is for the decompressed bytes, because a few kilobytes may unpack to
    /// gigabytes. The bytes are reserved before they are read; a wait for other pages does not count as time of the
    /// answer.
    pub(super) async fn read(
        mut self,
        limit: u64,
        budget: &PageBudget,
    ) -> Result<(Bytes, PageReservation), ApiError> {
        let too_large = ApiError::TooLarge { limit_bytes: limit };
        let announced = self.answer.content_length();
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large);
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let announced = announced.and_then(|length| usize::try_from(length).ok());
        let mut reserved = PageReservation::default();
        let mut room = announced.unwrap_or(FIRST_STEP).min(limit);
        self.wait_for(budget.cover(&mut reserved, room)).await;
        let mut body = BytesMut::with_capacity(room);
        while let Some(chunk) = self.chunk().await? {
            let len = body.len() + chunk.len();
            if len > limit {
                return Err(too_large);
            }
            while len > room {
                room = room.max(FIRST_STEP).saturating_mul(2).min(limit);
                self.wait_for(budget.cover(&mut reserved, room)).await;
            }
            if len > body.capacity() {
                let capacity = if len > LARGE_BODY { limit } else { room };
                body.reserve(capacity.min(MOST_UNTOUCHED.max(room)) - body.len());
            }
            body.extend_from_slice(&chunk);
        }
        reserved.shrink(body.len());
        Ok((body.freeze(), reserved))
    }

    /// Reads the body of an error. Returns no bytes when the body breaks off; then the status decides.
    pub(super) async fn read_error(self) -> Bytes {
        // Bodies of errors are small and soon gone, so they have no share of the budget.
        let own = PageBudget::new(0);
        let read = self.read(MAX_ERROR_BYTES, &own).await;
        read.map(|(body, _)| body).unwrap_or_default()
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        let chunk = timeout_at(self.deadline, self.answer.chunk()).await;
        chunk.map_err(timed_out)?
    }

    /// Waits for memory. The answer gets the waiting time on top.
    async fn wait_for(&mut self, memory: impl Future<Output = ()>) {
        let since = Instant::now();
        memory.await;
        self.deadline += since.elapsed();
    }
}

/// Checks that a successful answer is a JSON object and not an error envelope. The decoder checks the rest.
pub(super) fn check_body(body: &[u8], with_cursor: bool) -> Result<(), ApiError> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::NotJson);
    }
    if body.len() <= MAX_DISGUISED_BYTES
        && let Some(error) = ApiError::from_error_envelope(200, body, with_cursor)
    {
        return Err(error);
    }
    Ok(())
}

/// Classifies an answer that was not complete in time.
pub(super) fn timed_out(error: Elapsed) -> ApiError {
    ApiError::Unreachable {
        reason: LostAnswer::TimedOut,
        source: Arc::new(error),
    }
}
