//! Time limits of a connection. hyper has timers for some phases; this timer covers all of them.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::settings::ListenerLimits;

/// What a connection is doing, and since when.
#[derive(Debug)]
pub(super) struct Pulse {
    state: Mutex<PulseState>,
    limits: ListenerLimits,
}

#[derive(Debug)]
struct PulseState {
    phase: Phase,
    since: Instant,
    /// Number of requests that are being answered. Each has a time limit of its own.
    answering: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The headers of a request are due, or are arriving.
    Headers,
    /// The last request is answered.
    Idle,
}

/// Marks a request as being answered until it is dropped.
#[derive(Debug)]
pub(super) struct Beat(Arc<Pulse>);

impl Pulse {
    pub(super) fn new(limits: ListenerLimits) -> Arc<Self> {
        let state = PulseState {
            phase: Phase::Headers,
            since: Instant::now(),
            answering: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            limits,
        })
    }

    /// Takes in that the headers of a request are complete.
    pub(super) fn request(self: &Arc<Self>) -> Beat {
        self.state().answering += 1;
        Beat(Arc::clone(self))
    }

    /// Waits until the connection has exceeded a time limit.
    ///
    /// The future wakes up by itself only at the deadline that it knew when it was last polled. So it has to be polled
    /// after each turn of the connection, in the same task.
    pub(super) async fn expired(&self) {
        let mut armed = Instant::now() + self.limits.header_time;
        let mut sleep = pin!(sleep_until(armed));
        poll_fn(|cx| {
            loop {
                let deadline = self.deadline();
                if let Some(sooner) = deadline.filter(|deadline| *deadline < armed) {
                    armed = sooner;
                    sleep.as_mut().reset(armed);
                }
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                let now = Instant::now();
                if deadline.is_some_and(|deadline| deadline <= now) {
                    return Poll::Ready(());
                }
                armed = deadline.unwrap_or(now + self.limits.request_time);
                sleep.as_mut().reset(armed);
            }
        })
        .await;
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let allowed = match state.phase {
            _ if state.answering > 0 => return None,
            Phase::Headers => self.limits.header_time,
            Phase::Idle => self.limits.idle_time,
        };
        Some(state.since + allowed)
    }

    /// Takes in that bytes have arrived.
    fn heard(&self) {
        let mut state = self.state();
        if state.phase == Phase::Idle && state.answering == 0 {
            (state.phase, state.since) = (Phase::Headers, Instant::now());
        }
    }

    fn state(&self) -> MutexGuard<'_, PulseState> {
        // Only complete values are stored, so the state is valid after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.answering -= 1;
        (state.phase, state.since) = (Phase::Idle, Instant::now());
    }
}

/// A stream that reports arriving bytes to its `Pulse`.
#[derive(Debug)]
pub(super) struct Heard<S> {
    pub(super) stream: S,
    pub(super) pulse: Arc<Pulse>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pulse.heard();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits() -> ListenerLimits {
        ListenerLimits::default()
    }

    async fn lasts(pulse: &Pulse) -> Duration {
        let start = Instant::now();
        pulse.expired().await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_sends_no_request_ends_with_the_time_for_headers() {
        let pulse = Pulse::new(limits());
        pulse.heard();
        assert_eq!(lasts(&pulse).await, limits().header_time);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_being_answered_has_its_own_limits() {
        let pulse = Pulse::new(limits());
        let beat = pulse.request();
        let hour = Duration::from_hours(1);
        assert!(tokio::time::timeout(hour, lasts(&pulse)).await.is_err());
        drop(beat);
        assert_eq!(lasts(&pulse).await, limits().idle_time);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_byte_of_the_next_request_starts_the_time_for_headers() {
        let pulse = Pulse::new(limits());
        drop(pulse.request());
        let begun = async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            pulse.heard();
        };
        // The end of the sleep wakes the task that watches, as arriving bytes do.
        let ((), lasted) = tokio::join!(begun, lasts(&pulse));
        assert_eq!(lasted, Duration::from_secs(20) + limits().header_time);
    }
}
