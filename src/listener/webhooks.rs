//! From a request to an answer. Limits are asked before a byte of the body is read, and the signature is verified before a
//! byte is parsed.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use hyper::{Method, Request, StatusCode};
use tokio::time::{Instant, timeout};

use super::answers::{and_close, answer, later, wrong_method};
use super::body_budget::BodyBudget;
use super::proved::Proved;
use super::seldom::Seldom;
use super::server::{ShortAnswer, Site, Visitor};
use super::settings::ListenerLimits;
use super::shared_verifier::SharedVerifier;
use super::strangers::{Strangers, Trial};
use super::{Intake, Overloaded};
use crate::metrics::{Metrics, WebhookOutcome};
use crate::webhook::{Signature, SignatureError, Webhook, WebhookError, parse};
use crate::words::counted_as;

/// The header that holds Kombo's signature.
const SIGNATURE: &str = "x-kombo-signature";

/// Label of a webhook whose body was not read.
const UNREAD: &str = "unread";

/// An unsigned body that breaks off within so many bytes does not count as a request of a stranger.
const CHEAP_BYTES: usize = 4 * 1024;

/// How often complaints of one kind are logged.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

/// `Retry-After` during a shutdown: another process may listen on the port by then.
const AFTER_SHUTDOWN: Duration = Duration::from_secs(5);

/// `Retry-After` of a request that was refused for lack of room, or for too many unsigned ones: both pass within a moment.
const AFTER_A_FLOOD: Duration = Duration::from_secs(1);

/// The path that takes webhooks.
pub(super) struct Webhooks<I> {
    path: String,
    limits: ListenerLimits,
    verifier: SharedVerifier,
    intake: Arc<I>,
    metrics: Metrics,
    proved: Proved,
    bodies: Arc<BodyBudget>,
    /// Requests whose headers alone show that they are not signed.
    unsigned: Arc<Strangers>,
    /// Requests with a wrong signature, which is known only when the body was read and hashed. They are counted apart: else
    /// requests that cost nothing would keep signed ones of the same address from being read.
    wrong: Arc<Strangers>,
    complaints: Complaints,
}

/// Log lines that strangers can cause.
struct Complaints {
    unsigned: Seldom,
    limited: Seldom,
    no_room: Seldom,
    puzzling: Seldom,
}

impl<I: Intake> Webhooks<I> {
    pub(super) fn new(
        path: String,
        limits: ListenerLimits,
        behind_proxy: bool,
        verifier: SharedVerifier,
        intake: Arc<I>,
        metrics: Metrics,
    ) -> Self {
        Self {
            path,
            limits,
            verifier,
            intake,
            metrics,
            proved: Proved::new(behind_proxy),
            bodies: BodyBudget::new(limits.bodies_bytes, behind_proxy),
            unsigned: Strangers::new(limits.strangers_per_second),
            wrong: Strangers::new(limits.strangers_per_second),
            complaints: Complaints {
                unsigned: Seldom::new(COMPLAIN_EVERY),
                limited: Seldom::new(COMPLAIN_EVERY),
                no_room: Seldom::new(COMPLAIN_EVERY),
                puzzling: Seldom::new(COMPLAIN_EVERY),
            },
        }
    }

    async fn judge(&self, visitor: &Visitor, request: Request<Incoming>) -> ShortAnswer {
        if visitor.is_draining() {
            let closed = answer(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n");
            return and_close(later(closed, AFTER_SHUTDOWN));
        }
        if let Some(refusal) = self.refusal(&request) {
            return refusal;
        }
        let (head, body) = request.into_parts();
        let signature = match signature(&head.headers) {
            Ok(signature) => signature,
            Err(error) => return self.unsigned(visitor, error),
        };
        let parsed = match self.receive(visitor, body, &signature).await {
            Ok(parsed) => parsed,
            Err(refusal) => return refusal,
        };
        // From here on a new connection cannot take the place of this one.
        let _answering = visitor.place.answering();
        match parsed {
            Ok(webhook) => self.hand_on(webhook).await,
            Err(error) => self.not_understood(error),
        }
    }

    /// Reads a body within all limits, and verifies its signature. The memory of the body is free again when this returns.
    async fn receive(
        &self,
        visitor: &Visitor,
        body: Incoming,
        signature: &Signature,
    ) -> Result<Result<Webhook, WebhookError>, ShortAnswer> {
        let (who, limit) = (visitor.who, self.limits.body_bytes);
        let announced = body.size_hint();
        if announced.lower() > limit as u64 {
            return Err(too_long());
        }
        let most = announced.exact().and_then(|bytes| bytes.try_into().ok());
        let most = most.unwrap_or(limit);
        let proved = self.proved.contains(who, Instant::now());
        let room = self.bodies.reserve(who, proved, most);
        let _room = room.ok_or_else(|| self.no_room())?;
        let mut trial = None;
        if !proved {
            let begun = self.wrong.begin(who, Instant::now());
            trial = Some(begun.ok_or_else(|| self.limited())?);
        }
        let reading = read(body, most, trial.as_mut());
        let Ok(body) = timeout(self.limits.body_time, reading).await else {
            let slow = answer(StatusCode::REQUEST_TIMEOUT, "the body took too long\n");
            return Err(and_close(slow));
        };
        let body = body?;
        let secrets = self.verifier.current();
        match secrets.verify(&body, signature) {
            Ok(believed) => {
                if let Some(trial) = trial {
                    trial.signed();
                }
                self.proved.insert(who, Instant::now());
                Ok(parse(believed))
            }
            Err(error) => {
                if let Some(trial) = &mut trial {
                    trial.costly();
                }
                Err(self.wrongly_signed(error))
            }
        }
    }

    /// Returns the refusal of a request that cannot be a webhook, judged by its headers alone.
    fn refusal(&self, request: &Request<Incoming>) -> Option<ShortAnswer> {
        let headers = request.headers();
        if request.uri().path() != self.path {
            return Some(answer(StatusCode::NOT_FOUND, "no webhooks at this path\n"));
        }
        if request.method() != Method::POST {
            return Some(wrong_method("POST"));
        }
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        if encodings.any(|name| !name.as_bytes().eq_ignore_ascii_case(b"identity")) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Some(answer(status, "send the body without Content-Encoding\n"));
        }
        None
    }

    async fn hand_on(&self, webhook: Webhook) -> ShortAnswer {
        let kind = webhook.label();
        match self.intake.take(webhook).await {
            Ok(()) => {
                self.metrics.notification(kind, WebhookOutcome::Accepted);
                answer(StatusCode::OK, "ok\n")
            }
            Err(Overloaded { retry_after }) => {
                self.metrics.notification(kind, WebhookOutcome::Overloaded);
                let busy = answer(StatusCode::SERVICE_UNAVAILABLE, "overloaded\n");
                later(busy, retry_after)
            }
        }
    }

    fn not_understood(&self, error: WebhookError) -> ShortAnswer {
        let outcome = WebhookOutcome::NotUnderstood(error);
        self.metrics.notification(UNREAD, outcome);
        if let Some(suppressed) = self.complaints.puzzling.speak() {
            let advice = "a newer version of kombo-source may know its form";
            let more = more(suppressed);
            tracing::warn!(%error, advice, suppressed, "a signed webhook of Kombo cannot be parsed{more}");
        }
        answer(StatusCode::BAD_REQUEST, "the body is not a known webhook\n")
    }

    /// Answers a request whose headers show that it is not signed. Its body is not read.
    fn unsigned(&self, visitor: &Visitor, error: SignatureError) -> ShortAnswer {
        let now = Instant::now();
        let proved = self.proved.contains(visitor.who, now);
        if proved || self.unsigned.allow(visitor.who, now) {
            return self.wrongly_signed(error);
        }
        self.limited()
    }

    /// Answers a request with a missing or wrong signature: it is not from Kombo, or the secrets differ.
    fn wrongly_signed(&self, error: SignatureError) -> ShortAnswer {
        let outcome = WebhookOutcome::Unsigned(error);
        self.metrics.notification(UNREAD, outcome);
        if error != SignatureError::Missing {
            self.intake.refused();
        }
        if let Some(suppressed) = self.complaints.unsigned.speak() {
            let secrets = self.verifier.current();
            let advice = format!(
                "if Kombo sent it, compare the secret at Kombo with {}",
                secrets.origin()
            );
            let more = more(suppressed);
            tracing::warn!(%error, advice, suppressed, "refused a webhook without a valid signature{more}");
        }
        answer(StatusCode::UNAUTHORIZED, "signature missing or wrong\n")
    }

    /// Answers a request of an address that has sent too many unsigned ones.
    fn limited(&self) -> ShortAnswer {
        self.metrics.notification(UNREAD, WebhookOutcome::Limited);
        if let Some(suppressed) = self.complaints.limited.speak() {
            let more = more(suppressed);
            tracing::warn!(
                suppressed,
                "refused a request unread{more}: its address sends too many without a valid signature"
            );
        }
        let enough = answer(
            StatusCode::TOO_MANY_REQUESTS,
            "too many unsigned requests\n",
        );
        and_close(later(enough, AFTER_A_FLOOD))
    }

    /// Answers a request whose body has no room beside those that are being received.
    fn no_room(&self) -> ShortAnswer {
        self.metrics.notification(UNREAD, WebhookOutcome::NoRoom);
        if let Some(suppressed) = self.complaints.no_room.speak() {
            let more = more(suppressed);
            tracing::warn!(
                suppressed,
                "refused a webhook unread{more}: bodies that other requests announced take all of their memory"
            );
        }
        let full = answer(StatusCode::SERVICE_UNAVAILABLE, "overloaded\n");
        and_close(later(full, AFTER_A_FLOOD))
    }
}

/// Returns how many complaints of the kind were not logged since the last one.
fn more(suppressed: u64) -> String {
    match suppressed {
        0 => String::new(),
        _ => format!(
            " ({} suppressed)",
            counted_as(suppressed, "line like this was", "lines like this were")
        ),
    }
}

/// Reads a body of at most so many bytes.
async fn read(
    mut body: Incoming,
    most: usize,
    mut trial: Option<&mut Trial>,
) -> Result<Vec<u8>, ShortAnswer> {
    // The parts are copied: each is a piece of a read buffer of hyper, and would keep all of the buffer in memory.
    let mut whole = Vec::with_capacity(most);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            let refusal = answer(StatusCode::BAD_REQUEST, "the body is incomplete\n");
            return Err(and_close(refusal));
        };
        // Trailers say nothing about a webhook.
        let Ok(part) = frame.into_data() else {
            continue;
        };
        if whole.len() + part.len() > most {
            return Err(too_long());
        }
        whole.extend_from_slice(&part);
        if let Some(trial) = trial.as_mut().filter(|_| whole.len() > CHEAP_BYTES) {
            trial.costly();
        }
    }
    Ok(whole)
}

fn too_long() -> ShortAnswer {
    and_close(answer(
        StatusCode::PAYLOAD_TOO_LARGE,
        "the body is too long\n",
    ))
}

/// Returns the signature of a request. A signature of an impossible form is refused before the body is read.
fn signature(headers: &HeaderMap) -> Result<Signature, SignatureError> {
    let mut values = headers.get_all(SIGNATURE).iter();
    let only = values.next().ok_or(SignatureError::Missing)?;
    if values.next().is_some() {
        return Err(SignatureError::Malformed);
    }
    Signature::parse(only)
}

impl<I: Intake> Site for Webhooks<I> {
    async fn answer(&self, visitor: &Visitor, request: Request<Incoming>) -> ShortAnswer {
        let start = Instant::now();
        self.metrics.request_received();
        let judged = timeout(self.limits.request_time, self.judge(visitor, request)).await;
        // Only the intake can take this long, and the webhook may be sent again.
        let answer = judged.unwrap_or_else(|_| {
            let busy = answer(StatusCode::SERVICE_UNAVAILABLE, "overloaded\n");
            later(busy, Duration::from_secs(1))
        });
        let status = answer.status().as_u16();
        self.metrics.response_sent(status, start.elapsed());
        answer
    }
}
