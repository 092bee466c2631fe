//! Vital signs and metrics, on an address of their own, because strangers can reach the address for webhooks.
//!
//! Without `exposed` only this machine may read them, and its browser must not read them for a page of a stranger. So the
//! `Host` of a request has to be this machine. With `exposed` other machines ask by names that are not known here.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use tokio::net::TcpListener;

use super::answers::{answer, page, wrong_method};
use super::error::ListenError;
use super::server::{Server, ShortAnswer, Site, Visitor};
use super::settings::{ListenerLimits, TelemetrySettings};
use crate::host;
use crate::metrics::CONTENT_TYPE as METRICS_TYPE;

/// The most connections. A few monitors are usual; more are a mistake.
const CONNECTIONS: usize = 64;

/// What the service says of itself. Each call answers at once, from memory.
pub trait Report: Send + Sync + 'static {
    /// Returns whether the process works. A process that does not should be started again.
    fn is_live(&self) -> bool;

    /// Returns whether webhooks can be taken now.
    fn is_ready(&self) -> bool;

    /// Returns whether data flows, and a JSON document about all that is wrong.
    fn health(&self) -> (bool, String);

    /// Returns the metrics in Prometheus's text format.
    fn metrics(&self) -> String;
}

/// The listener that serves `/live`, `/ready`, `/health` and `/metrics`.
#[derive(Debug)]
pub struct Telemetry {
    socket: TcpListener,
    address: SocketAddr,
    exposed: bool,
}

impl Telemetry {
    /// Binds the address.
    ///
    /// # Errors
    ///
    /// Fails if other machines can reach the address and `exposed` is not set, or if the address cannot be bound.
    pub async fn bind(settings: &TelemetrySettings) -> Result<Self, ListenError> {
        settings.check().map_err(ListenError::Setting)?;
        let socket = super::bind_socket(settings.address).await?;
        Ok(Self {
            address: socket.local_addr().unwrap_or(settings.address),
            socket,
            exposed: settings.exposed,
        })
    }

    /// Returns the address, with the real port if port 0 was configured.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the shutdown signal comes. `/live`, `/ready` and `/health` are 200 or 503.
    pub async fn serve(self, report: impl Report, shutdown: impl Future<Output = ()> + Send) {
        let limits = ListenerLimits {
            connections: CONNECTIONS,
            body_bytes: 0,
            ..ListenerLimits::default()
        };
        let server = Server {
            socket: self.socket,
            tls: None,
            limits,
            behind_proxy: true,
        };
        let pages = Pages {
            report,
            exposed: self.exposed,
        };
        server.serve(Arc::new(pages), shutdown).await;
    }
}

struct Pages<R> {
    report: R,
    exposed: bool,
}

/// Returns whether a request names this machine. A browser always sends `Host`; monitors that speak HTTP/1.0 may not.
fn is_for_this_machine(request: &Request<Incoming>) -> bool {
    let authority = request.uri().authority();
    let hosts = request.headers().get_all(HOST).iter();
    let mut hosts = hosts.map(|host| host.to_str().unwrap_or_default());
    authority.is_none_or(|authority| host::is_loopback(authority.as_str()))
        && hosts.all(host::is_loopback)
}

impl<R: Report> Site for Pages<R> {
    async fn answer(&self, _: &Visitor, request: Request<Incoming>) -> ShortAnswer {
        if !self.exposed && !is_for_this_machine(&request) {
            return answer(StatusCode::MISDIRECTED_REQUEST, FOREIGN_HOST);
        }
        let known = PATHS.contains(&request.uri().path());
        if known && ![Method::GET, Method::HEAD].contains(request.method()) {
            return wrong_method("GET, HEAD");
        }
        match request.uri().path() {
            "/live" => page(
                status(self.report.is_live()),
                JSON,
                ok(self.report.is_live()),
            ),
            "/ready" => page(
                status(self.report.is_ready()),
                JSON,
                ok(self.report.is_ready()),
            ),
            "/health" => {
                let (is_well, document) = self.report.health();
                page(status(is_well), JSON, document)
            }
            "/metrics" => page(StatusCode::OK, METRICS_TYPE, self.report.metrics()),
            _ => answer(
                StatusCode::NOT_FOUND,
                "not found: the paths are /live, /ready, /health and /metrics\n",
            ),
        }
    }
}

const FOREIGN_HOST: &str = "this address answers to localhost and to addresses of loopback only; other names need api.exposed: true\n";
const PATHS: [&str; 4] = ["/live", "/ready", "/health", "/metrics"];
const JSON: &str = "application/json";

fn status(is_well: bool) -> StatusCode {
    if is_well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

fn ok(is_well: bool) -> String {
    format!("{{\"ok\":{is_well}}}")
}
