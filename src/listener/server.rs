//! Accepts connections, keeps them within their limits, and ends them at shutdown.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::address::Neighbour;
use super::connections::{Berth, Connections};
use super::pulse::{Heard, Pulse};
use super::settings::ListenerLimits;
use super::tls::TlsReloader;

/// How long to wait when the system has no more sockets: long enough for some to close, without spinning.
const OUT_OF_SOCKETS_PAUSE: Duration = Duration::from_millis(100);

/// The smallest read buffer that hyper takes.
const LEAST_BUFFER: usize = 8 * 1024;

/// The type of every answer: a few bytes that are already in memory.
pub(super) type ShortAnswer = Response<Full<Bytes>>;

/// A site: answers requests.
pub(super) trait Site: Send + Sync + 'static {
    /// Answers a request whose headers are complete.
    fn answer(
        &self,
        visitor: &Visitor,
        request: Request<Incoming>,
    ) -> impl Future<Output = ShortAnswer> + Send;
}

/// The connection that a request came on.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// Whose limits the connection counts against.
    pub(super) who: Neighbour,
    /// The place of the connection.
    pub(super) place: Arc<Berth>,
    draining: watch::Receiver<bool>,
}

impl Visitor {
    /// Returns whether the shutdown has begun.
    pub(super) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}

/// A bound socket and its limits.
pub(super) struct Server {
    pub(super) socket: TcpListener,
    pub(super) tls: Option<TlsReloader>,
    pub(super) limits: ListenerLimits,
    /// Whether all connections come from one proxy. Then there is no limit per address.
    pub(super) behind_proxy: bool,
}

impl Server {
    /// Serves until the shutdown signal comes and all open requests are answered.
    pub(super) async fn serve(
        self,
        site: Arc<impl Site>,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        let ListenerLimits { connections, .. } = self.limits;
        let per_address = if self.behind_proxy {
            connections
        } else {
            self.limits.connections_per_address
        };
        let places = Connections::new(connections, per_address);
        let (drain, draining) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => note(ended),
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, peer)) => {
                        // Nobody can be evicted while all connections are being answered. Dropping the socket tells the
                        // peer at once.
                        if let Some(visitor) = admit(&places, peer, &draining) {
                            let (site, tls) = (Arc::clone(&site), self.tls.clone());
                            tasks.spawn(connection(stream, tls, self.limits, visitor, site));
                        }
                    }
                    Err(error) => refused(&error, &places).await,
                },
            }
        }
        drop(self.socket);
        drain.send_replace(true);
        let all = async {
            while let Some(ended) = tasks.join_next().await {
                note(ended);
            }
        };
        if timeout(self.limits.request_time, all).await.is_err() {
            tracing::debug!(
                connections = tasks.len(),
                "closed connections that had not finished"
            );
        }
        tasks.shutdown().await;
    }
}

fn admit(
    places: &Arc<Connections>,
    peer: SocketAddr,
    draining: &watch::Receiver<bool>,
) -> Option<Visitor> {
    let who = Neighbour::of(peer.ip());
    let place = Arc::new(places.admit(who, Instant::now())?);
    let draining = draining.clone();
    Some(Visitor {
        who,
        place,
        draining,
    })
}

/// Handles a failed accept. Some errors concern a peer that is gone already. Other errors are of this system and would
/// come again at once, so the loop pauses.
async fn refused(error: &io::Error, places: &Connections) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    ) {
        return;
    }
    tracing::warn!(%error, "cannot accept a connection; check the limit on open files (ulimit -n)");
    places.make_room();
    sleep(OUT_OF_SOCKETS_PAUSE).await;
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection of the webhook listener panicked: this is a bug in kombo-source, please report it");
    }
}

/// Serves one connection until it ends, exceeds a time limit, or loses its place to another connection.
async fn connection(
    stream: TcpStream,
    tls: Option<TlsReloader>,
    limits: ListenerLimits,
    visitor: Visitor,
    site: Arc<impl Site>,
) {
    if stream.set_nodelay(true).is_err() {
        tracing::debug!("TCP_NODELAY cannot be set on a connection");
    }
    let place = Arc::clone(&visitor.place);
    let Some(tls) = tls else {
        return requests(stream, limits, visitor, site).await;
    };
    let handshake = timeout(limits.handshake_time, tls.acceptor().accept(stream));
    let stream = tokio::select! {
        done = handshake => done,
        () = place.evicted() => return,
    };
    match stream {
        Ok(Ok(stream)) => requests(stream, limits, visitor, site).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    limits: ListenerLimits,
    visitor: Visitor,
    site: Arc<impl Site>,
) {
    let pulse = Pulse::new(limits);
    let place = Arc::clone(&visitor.place);
    let mut draining = visitor.draining.clone();
    let heard = Arc::clone(&pulse);
    let service = service_fn(|request: Request<Incoming>| {
        let beat = heard.request();
        let (site, visitor) = (Arc::clone(&site), visitor.clone());
        async move {
            let answer = site.answer(&visitor, request).await;
            drop(beat);
            Ok::<_, Infallible>(answer)
        }
    });
    let io = TokioIo::new(Heard {
        stream,
        pulse: Arc::clone(&pulse),
    });
    let mut served = std::pin::pin!(protocol(&limits).serve_connection(io, service));
    let mut expired = std::pin::pin!(pulse.expired());
    let mut drains = false;
    loop {
        tokio::select! {
            // The connection is polled first: its progress changes what the other branches wait for.
            biased;
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = expired.as_mut() => return tracing::debug!("a connection took too long"),
            () = place.evicted() => return tracing::debug!("a connection was closed to make room for another"),
            changed = draining.changed(), if !drains => {
                drains = changed.is_err() || *draining.borrow();
                if drains {
                    served.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// Returns the protocol: HTTP/1.1 alone. With HTTP/2 one connection could hold a body in each of its streams, and Kombo's
/// webhooks do not need it. Time limits are kept by [`Pulse`].
///
/// The read buffer holds the headers, or a part of a body. It never exceeds the limit of the headers, so it bounds what a
/// connection costs.
fn protocol(limits: &ListenerLimits) -> Builder {
    let mut builder = Builder::new();
    builder
        .header_read_timeout(None)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(LEAST_BUFFER));
    builder
}
