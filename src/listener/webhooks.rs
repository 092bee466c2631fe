//! From a request to an answer. The signature is verified before a byte of the body is parsed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use hyper::{Method, Request, StatusCode, Version};
use tokio::time::{Instant, timeout};

use super::answers::{and_close, answer, later, wrong_method};
use super::seldom::Seldom;
use super::server::{ShortAnswer, Site, Visitor};
use super::settings::ListenerLimits;
use super::shared_verifier::SharedVerifier;
use super::strangers::Strangers;
use super::{Intake, Overloaded};
use crate::metrics::{Metrics, WebhookOutcome};
use crate::webhook::{Signature, SignatureError, Webhook, WebhookError, parse};

/// The header that holds Kombo's signature.
const SIGNATURE: &str = "x-kombo-signature";

/// Label of a webhook whose body was not read.
const UNREAD: &str = "unread";

/// How often complaints of one kind are logged.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// `Retry-After` during a shutdown: another process may listen on the port by then.
const AFTER_SHUTDOWN: Duration = Duration::from_secs(5);

/// The path that takes webhooks.
pub(super) struct Webhooks<I> {
    path: String,
    limits: ListenerLimits,
    verifier: SharedVerifier,
    intake: Arc<I>,
    metrics: Metrics,
    strangers: Strangers,
    unsigned: Seldom,
    puzzling: Seldom,
}

impl<I: Intake> Webhooks<I> {
    pub(super) fn new(
        path: String,
        limits: ListenerLimits,
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
            strangers: Strangers::new(limits.strangers_per_second),
            unsigned: Seldom::new(COMPLAIN_EVERY),
            puzzling: Seldom::new(COMPLAIN_EVERY),
        }
    }

    async fn judge(&self, visitor: &Visitor, request: Request<Incoming>) -> ShortAnswer {
        let version = request.version();
        if visitor.is_draining() {
            let closed = answer(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n");
            return and_close(later(closed, AFTER_SHUTDOWN), version);
        }
        if let Some(refusal) = self.refusal(&request) {
            return refusal;
        }
        let (head, body) = request.into_parts();
        let signature = match signature(&head.headers) {
            Ok(signature) => signature,
            Err(error) => return self.stranger(visitor, error, version),
        };
        let body = match timeout(self.limits.body_time, self.read(body)).await {
            Ok(Ok(body)) => body,
            Ok(Err(refusal)) => return and_close(refusal, version),
            Err(_) => {
                let slow = answer(StatusCode::REQUEST_TIMEOUT, "the body took too long\n");
                return and_close(slow, version);
            }
        };
        let secrets = self.verifier.current();
        let believed = match secrets.verify(&body, &signature) {
            Ok(believed) => believed,
            Err(error) => return self.stranger(visitor, error, version),
        };
        // From here on a new connection cannot take the place of this one.
        let _answering = visitor.place.answering();
        match parse(believed) {
            Ok(webhook) => self.hand_on(webhook).await,
            Err(error) => self.not_understood(error),
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
        // hyper counts headers in HTTP/1.1 only.
        if headers.len() > self.limits.headers {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Some(answer(status, "too many headers\n"));
        }
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        if encodings.any(|name| !name.as_bytes().eq_ignore_ascii_case(b"identity")) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Some(answer(status, "send the body without Content-Encoding\n"));
        }
        // With two lengths, a proxy may believe the other one. A stranger could then add bytes to somebody else's
        // request (request smuggling).
        if headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH) {
            let refusal = answer(
                StatusCode::BAD_REQUEST,
                "Transfer-Encoding and Content-Length exclude each other\n",
            );
            return Some(and_close(refusal, request.version()));
        }
        None
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, ShortAnswer> {
        let too_long = || answer(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long\n");
        let limit = self.limits.body_bytes;
        if body.size_hint().lower() > limit as u64 {
            return Err(too_long());
        }
        match Limited::new(body, limit).collect().await {
            Ok(whole) => Ok(whole.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(too_long()),
            Err(_) => Err(answer(StatusCode::BAD_REQUEST, "the body is incomplete\n")),
        }
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
        if let Some(suppressed) = self.puzzling.speak() {
            tracing::warn!(%error, suppressed, "a signed webhook of Kombo cannot be parsed; a newer version of kombo-source may know its form");
        }
        answer(StatusCode::BAD_REQUEST, "the body is not a known webhook\n")
    }

    /// Answers a request with a missing or wrong signature: it is not from Kombo, or the secrets differ.
    fn stranger(&self, visitor: &Visitor, error: SignatureError, version: Version) -> ShortAnswer {
        self.metrics
            .notification(UNREAD, WebhookOutcome::Unsigned(error));
        if let Some(suppressed) = self.unsigned.speak() {
            tracing::warn!(
                %error,
                suppressed,
                "refused a webhook without a valid signature; if Kombo sent it, compare the secret at Kombo with KOMBO_WEBHOOK_SECRET"
            );
        }
        if self.strangers.allow(visitor.who, Instant::now()) {
            return answer(StatusCode::UNAUTHORIZED, "signature missing or wrong\n");
        }
        let enough = answer(
            StatusCode::TOO_MANY_REQUESTS,
            "too many unsigned requests\n",
        );
        and_close(later(enough, Duration::from_secs(1)), version)
    }
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
