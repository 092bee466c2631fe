//! Where webhooks come in, and where health and metrics go out. The one place that knows hyper and rustls.
//!
//! Anybody can send to a public address, so every phase of a connection has a limit ([`ListenerLimits`], `pulse`), a newcomer
//! takes the place of whoever has been idle for longest rather than wait for it (`connections`), and a body is not
//! understood before its signature is known to be Kombo's (`webhooks`). What is left over is a [`Webhook`], handed to
//! an [`Intake`]; the answer is 200 once that has taken it in.
//!
//! Nothing that came in is echoed, logged or counted under its own name.

mod address;
mod answers;
mod connections;
mod error;
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
pub use telemetry::Telemetry;
pub use tls::TlsReloader;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::metrics::Metrics;
use crate::webhook::Webhook;
use server::Server;
use webhooks::Webhooks;

/// Takes webhooks in. What it has taken must not be forgotten, whatever happens next.
pub trait Intake: Send + Sync + 'static {
    /// Answers once the webhook may be acknowledged. May be cancelled when it takes longer than a request may.
    fn take(&self, webhook: Webhook) -> impl Future<Output = Result<(), Overloaded>> + Send;
}

/// A webhook cannot be taken in now; Kombo tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded {
    /// When to try again.
    pub retry_after: Duration,
}

/// Listens for webhooks.
#[derive(Clone, Copy, Debug)]
pub struct Listener;

impl Listener {
    /// Takes the address, and reads the certificate where TLS ends here. Nothing is answered before
    /// [`serve`](Bound::serve).
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

/// A listener that has its address.
#[derive(Debug)]
pub struct Bound {
    socket: TcpListener,
    address: SocketAddr,
    settings: ListenerSettings,
    tls: Option<TlsReloader>,
}

impl Bound {
    /// Returns the address, with the port that was chosen for port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns what reads the certificate again; none without TLS.
    #[must_use]
    pub fn tls(&self) -> Option<TlsReloader> {
        self.tls.clone()
    }

    /// Serves until the shutdown comes. Then takes no more connections, finishes the requests that have begun within
    /// the time a request may take, and answers new ones on old connections with 503.
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
        let site = Webhooks::new(path, limits, verifier, intake, metrics);
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
