//! The twin over HTTP. With `control`, this file is the home of axum in the twin.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use super::clock::WorldClock;
use super::control;
use super::herald::{Deliveries, proclaim};
use super::served::Served;
use super::settings::TwinSettings;
use super::shared_world::SharedWorld;
use crate::company::{TwinAnswer, TwinRequest};
use crate::host;
use crate::webhook::WebhookSecret;

/// Where the API lives, as in `http://127.0.0.1:8484/v1`.
const BASE_PATH: &str = "/v1";

/// The twin as a server.
#[derive(Clone, Copy, Debug)]
pub struct Twin;

impl Twin {
    /// Listens where the settings say.
    ///
    /// # Errors
    /// Refuses an address that is not loopback, because everyone who reaches the twin can read all of its data.
    pub async fn bind(settings: &TwinSettings) -> io::Result<TcpListener> {
        refuse_public(settings.address)?;
        TcpListener::bind(settings.address).await
    }

    /// Serves a shared world until the shutdown resolves: lets the world live as the settings say, sends its webhooks, and
    /// notes their deliveries. The clock of the world follows real time from now on.
    ///
    /// # Errors
    /// Refuses a listener that is not on loopback, and an invalid webhook secret.
    pub async fn serve(
        listener: TcpListener,
        world: SharedWorld,
        settings: &TwinSettings,
        deliveries: Deliveries,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        refuse_public(listener.local_addr()?)?;
        let secret = WebhookSecret::new(&settings.webhook_secret).map_err(|problem| {
            let message = format!("the webhook secret {problem}");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        let state = Served {
            clock: WorldClock::start(world),
            latency: settings.latency,
            deliveries,
            pace: settings.pace,
            truth: settings.truth.clone(),
        };
        if let Some(pace) = settings.pace {
            state.clock.world().live(pace);
        }
        let herald = {
            let (state, webhooks) = (state.clone(), settings.webhooks.clone());
            async move {
                match &webhooks {
                    None => std::future::pending().await,
                    Some(to) => proclaim(to, &secret, &state.clock, &state.deliveries).await,
                }
            }
        };
        let control = settings.control.then(control::routes);
        let router = control.unwrap_or_default().fallback(answer);
        let router = router.with_state(state).layer(from_fn(this_machine));
        let listener = listener.tap_io(|stream| {
            if stream.set_nodelay(true).is_err() {
                tracing::debug!("a connection waits for full packets");
            }
        });
        let server = axum::serve(listener, router).with_graceful_shutdown(shutdown);
        tokio::select! {
            ended = server.into_future() => ended,
            never = herald => match never {},
        }
    }
}

fn refuse_public(address: std::net::SocketAddr) -> io::Result<()> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("the twin serves loopback addresses only, not {address}"),
    ))
}

/// Answers only requests of this machine's own programs. A page of a stranger reaches loopback through a browser here: under
/// a name of its own (DNS rebinding), which `Host` shows, or as a page of its own, which `Origin` and `Sec-Fetch-Site` show.
async fn this_machine(request: Request<Body>, next: Next) -> Response<Body> {
    let headers = request.headers();
    let all = |name: &str, fits: fn(&str) -> bool| {
        let mut values = headers.get_all(name).iter();
        values.all(|value| value.to_str().is_ok_and(fits))
    };
    let authority = request.uri().authority();
    let named = authority.is_none_or(|authority| host::is_loopback(authority.as_str()));
    if !named || !all(HOST.as_str(), host::is_loopback) {
        let message = "the twin answers to localhost and to addresses of loopback only\n";
        return refused(StatusCode::MISDIRECTED_REQUEST, message);
    }
    let ours = all(ORIGIN.as_str(), host::is_loopback_origin);
    if !ours || !all("sec-fetch-site", |site| site != "cross-site") {
        let message = "the twin does not answer pages of other hosts\n";
        return refused(StatusCode::FORBIDDEN, message);
    }
    next.run(request).await
}

async fn answer(State(served): State<Served>, request: Request<Body>) -> Response<Body> {
    if !served.latency.is_zero() {
        tokio::time::sleep(served.latency).await;
    }
    let path = request.uri().path().strip_prefix(BASE_PATH);
    if request.method() != Method::GET || path.is_none() {
        return plain(StatusCode::NOT_FOUND);
    }
    let headers = request.headers();
    let question = TwinRequest {
        path: path.unwrap_or_default(),
        query: request.uri().query().unwrap_or_default(),
        bearer: text(headers, AUTHORIZATION.as_str())
            .and_then(|value| value.strip_prefix("Bearer ")),
        integration: text(headers, "x-integration-id"),
    };
    respond(served.clock.world().answer(question))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn respond(answer: TwinAnswer) -> Response<Body> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response
        .body(Body::from(answer.body))
        .unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

fn refused(status: StatusCode, message: &'static str) -> Response<Body> {
    let mut response = plain(status);
    *response.body_mut() = Body::from(message);
    response
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
