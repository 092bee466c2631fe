//! Answers of the listener: a status and a few fixed words. No byte of a request is sent back.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use super::server::ShortAnswer;

/// Returns a plain-text answer.
pub(super) fn answer(status: StatusCode, words: &'static str) -> ShortAnswer {
    page(status, "text/plain; charset=utf-8", words)
}

/// Returns an answer with a body of a content type.
pub(super) fn page(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> ShortAnswer {
    let mut page = Response::new(Full::new(body.into()));
    *page.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    page.headers_mut().insert(CONTENT_TYPE, kind);
    page
}

/// Returns the answer to a request with a wrong method.
pub(super) fn wrong_method(allowed: &'static str) -> ShortAnswer {
    let mut answer = answer(StatusCode::METHOD_NOT_ALLOWED, "wrong method\n");
    let allowed = HeaderValue::from_static(allowed);
    answer.headers_mut().insert(ALLOW, allowed);
    answer
}

/// Adds `Retry-After` to an answer, in whole seconds.
pub(super) fn later(mut answer: ShortAnswer, after: Duration) -> ShortAnswer {
    let secs = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    let value = HeaderValue::from(secs.max(1));
    answer.headers_mut().insert(RETRY_AFTER, value);
    answer
}

/// Closes the connection after the answer.
pub(super) fn and_close(mut answer: ShortAnswer) -> ShortAnswer {
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(CONNECTION, close);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_second_is_a_second_to_wait() {
        for (millis, header) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (30_000, "30")] {
            let answer = answer(StatusCode::SERVICE_UNAVAILABLE, "later\n");
            let answer = later(answer, Duration::from_millis(millis));
            assert_eq!(answer.headers()[RETRY_AFTER], header);
        }
    }
}
