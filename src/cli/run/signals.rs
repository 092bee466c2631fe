//! Signals by which the operator controls the running service.

use std::io;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OperatorRequest {
    /// SIGTERM or Ctrl-C: end the service. Holds the name of the signal.
    Stop(&'static str),
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The signals of this process. While this value exists, they no longer end the process.
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

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> OperatorRequest {
        tokio::select! {
            _ = self.terminate.recv() => OperatorRequest::Stop("SIGTERM"),
            _ = self.interrupt.recv() => OperatorRequest::Stop("SIGINT"),
            _ = self.hangup.recv() => OperatorRequest::Reload,
        }
    }
}

/// The signals of this process: on other systems than Unix only Ctrl-C.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "the version for Unix can fail")]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> OperatorRequest {
        // Without a handler the default action ends the process as well.
        drop(tokio::signal::ctrl_c().await);
        OperatorRequest::Stop("Ctrl-C")
    }
}
