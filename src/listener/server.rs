//! Connections: taken in, kept within their limits, and let go at shutdown.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
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

/// How long to wait when the system has no more sockets: long enough for some to close, and not to spin.
const OUT_OF_SOCKETS_PAUSE: Duration = Duration::from_millis(100);

/// What one HTTP/2 connection may have on its way to us: two full bodies.
const HTTP2_WINDOW: u32 = 128 * 1024;

/// What every answer is: a few bytes that are there already.
pub(super) type ShortAnswer = Response<Full<Bytes>>;

/// What is served.
pub(super) trait Site: Send + Sync + 'static {
    /// Answers a request whose headers are there.
    fn answer(
        &self,
        visitor: &Visitor,
        request: Request<Incoming>,
    ) -> impl Future<Output = ShortAnswer> + Send;
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// Whose limits count.
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

/// A socket and its limits.
pub(super) struct Server {
    pub(super) socket: TcpListener,
    pub(super) tls: Option<TlsReloader>,
    pub(super) limits: ListenerLimits,
    /// Everybody comes from one address, so that one has no limit.
    pub(super) behind_proxy: bool,
}

impl Server {
    /// Serves until the shutdown comes and all that was begun is answered.
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
                        // Nobody can go when all are being answered: closing tells the peer at once.
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
                "closed connections that were not done"
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

/// Some errors are the peer's, who is gone already; the others are ours, and come again at once.
async fn refused(error: &io::Error, places: &Connections) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    ) {
        return;
    }
    tracing::warn!(%error, "cannot take in a connection; check the limit on open files (ulimit -n)");
    places.make_room();
    sleep(OUT_OF_SOCKETS_PAUSE).await;
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection of the listener broke down");
    }
}

/// Serves one connection, until it ends, takes too long, or somebody else gets its place.
async fn connection(
    stream: TcpStream,
    tls: Option<TlsReloader>,
    limits: ListenerLimits,
    visitor: Visitor,
    site: Arc<impl Site>,
) {
    if stream.set_nodelay(true).is_err() {
        tracing::debug!("a connection waits for full packets");
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
        let beat = heard.request(request.version() == Version::HTTP_2);
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
    let builder = protocols(&limits);
    let mut served = std::pin::pin!(builder.serve_connection(io, service));
    let mut expired = std::pin::pin!(pulse.expired());
    let mut drains = false;
    loop {
        tokio::select! {
            // The connection first: what it did changes what the others wait for.
            biased;
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = expired.as_mut() => return tracing::debug!("a connection took too long"),
            () = place.evicted() => return tracing::debug!("a connection made room for another"),
            changed = draining.changed(), if !drains => {
                drains = changed.is_err() || *draining.borrow();
                if drains {
                    served.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// HTTP/1.1 and 2 by the first bytes. Their times are kept by [`Pulse`].
fn protocols(limits: &ListenerLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(8 * 1024));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(HTTP2_WINDOW / 2)
        .initial_connection_window_size(HTTP2_WINDOW);
    builder
}
