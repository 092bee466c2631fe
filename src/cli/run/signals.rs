//! What the operator asks of a process that runs.

use std::io;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OperatorRequest {
    /// SIGTERM or Ctrl-C.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The signals of this process, from now on ours.
#[cfg(unix)]
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> OperatorRequest {
        tokio::select! {
            _ = self.terminate.recv() => OperatorRequest::Stop,
            _ = self.interrupt.recv() => OperatorRequest::Stop,
            _ = self.hangup.recv() => OperatorRequest::Reload,
        }
    }
}

/// Ctrl-C is all there is elsewhere.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "it may fail where there are signals"
    )]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> OperatorRequest {
        // Without a handler the default action does the same, less politely.
        drop(tokio::signal::ctrl_c().await);
        OperatorRequest::Stop
    }
}
