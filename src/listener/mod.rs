//! The listener: receives webhooks, and answers health and metrics. Only this room knows hyper and rustls.
//!
//! Why limits: anybody can send to a public address. So every phase of a connection has a limit ([`ListenerLimits`],
//! `pulse`), and a new connection takes the place of the one that has been idle longest (`connections`).
//!
//! How the parts join: `server` accepts connections, `webhooks` answers requests. The signature is verified over the
//! raw bytes before the body is parsed. A verified [`Webhook`] goes to an [`Intake`], and is answered 200 once the
//! intake has taken it. `telemetry` serves `/health` and `/metrics` on an address of its own.
//!
//! What may never happen: an unsigned body is parsed; a webhook is answered 200 before the intake has taken it; content
//! of a request is sent back, logged, or used as a name of a metric.
//!
//! Who owns the truth: the intake. The listener remembers nothing about webhooks.

mod address;
mod answers;
mod body_budget;
mod connections;
mod error;
mod proved;
mod pulse;
mod seldom;
mod server;
mod settings;
mod shared_verifier;
mod strangers;
mod telemetry;
mod tls;
mod webhooks;

#[cfg(test)]
mod tests;

pub use error::ListenError;
pub use settings::{ListenerLimits, ListenerSettings, TelemetrySettings, TlsFiles};
pub use shared_verifier::SharedVerifier;
pub use telemetry::{Report, Telemetry};
pub use tls::TlsReloader;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::metrics::Metrics;
use crate::webhook::Webhook;
use server::Server;
use webhooks::Webhooks;

/// Takes verified webhooks in.
///
/// Contract: after `take` has returned `Ok`, what the webhook announced must not be forgotten, also after a crash. A
/// webhook may come several times and in any order.
pub trait Intake: Send + Sync + 'static {
    /// Returns once the webhook may be acknowledged. The call is cancelled if it takes longer than
    /// [`ListenerLimits::request_time`]; the webhook may then come again.
    ///
    /// # Errors
    ///
    /// [`Overloaded`] if the webhook cannot be taken now. The sender is answered 503.
    fn take(&self, webhook: Webhook) -> impl Future<Output = Result<(), Overloaded>> + Send;

    /// Is told of a request that was refused because its signature is wrong. Anybody may send such a request.
    fn refused(&self) {}
}

/// A webhook cannot be taken now. Kombo sends it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded {
    /// After how long to try again.
    pub retry_after: Duration,
}

/// Listens for webhooks.
#[derive(Clone, Copy, Debug)]
pub struct Listener;

impl Listener {
    /// Binds the address, and reads the certificate if TLS is configured. Requests are answered only after
    /// [`serve`](Bound::serve) is called.
    ///
    /// # Errors
    ///
    /// Fails if a setting is invalid, if the address cannot be bound, or if the certificate cannot be read.
    pub async fn bind(settings: ListenerSettings) -> Result<Bound, ListenError> {
        settings.check().map_err(ListenError::Setting)?;
        let tls = settings.tls.clone().map(TlsReloader::new).transpose()?;
        let socket = bind_socket(settings.address).await?;
        Ok(Bound {
            address: socket.local_addr().unwrap_or(settings.address),
            socket,
            settings,
            tls,
        })
    }
}

/// A listener that is bound to its address.
#[derive(Debug)]
pub struct Bound {
    socket: TcpListener,
    address: SocketAddr,
    settings: ListenerSettings,
    tls: Option<TlsReloader>,
}

impl Bound {
    /// Returns the address, with the real port if port 0 was configured.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the handle that reads the certificate again; `None` without TLS.
    #[must_use]
    pub fn tls(&self) -> Option<TlsReloader> {
        self.tls.clone()
    }

    /// Serves until the shutdown signal comes. Then accepts no more connections, finishes open requests within
    /// [`ListenerLimits::request_time`], and answers new requests on open connections with 503.
    pub async fn serve<I: Intake>(
        self,
        verifier: SharedVerifier,
        intake: Arc<I>,
        metrics: Metrics,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        let Self {
            socket,
            settings,
            tls,
            ..
        } = self;
        let ListenerSettings {
            path,
            limits,
            behind_proxy,
            ..
        } = settings;
        let site = Webhooks::new(path, limits, behind_proxy, verifier, intake, metrics);
        let server = Server {
            socket,
            tls,
            limits,
            behind_proxy,
        };
        server.serve(Arc::new(site), shutdown).await;
    }
}

async fn bind_socket(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ListenError::Bind { address, source })
}
