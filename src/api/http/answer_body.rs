//! Reads the bodies of answers within limits, and classifies answers that break off.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::api::ApiError;
use crate::api::error::LostAnswer;
use crate::trust::TrustFault;

/// The largest body of an error that is read. Error envelopes have a few hundred bytes. A longer body is cut, and then
/// the status decides.
const MAX_ERROR_BYTES: u64 = 64 << 10;

/// A successful answer below this size is checked for an error envelope.
const MAX_DISGUISED_BYTES: usize = 16 << 10;

/// Reads a body to its end. The limit is for the decompressed bytes, because a few kilobytes may unpack to gigabytes.
pub(super) async fn read_body(
    response: &mut reqwest::Response,
    limit: u64,
) -> Result<Bytes, ApiError> {
    let too_large = ApiError::TooLarge { limit_bytes: limit };
    if response
        .content_length()
        .is_some_and(|length| length > limit)
    {
        return Err(too_large);
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let announced = response.content_length().unwrap_or(0);
    let mut body = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0).min(limit));
    while let Some(chunk) = response.chunk().await.map_err(lost_within_body)? {
        if chunk.len() > limit - body.len() {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Reads the body of an error. Returns no bytes when the body breaks off; then the status decides.
pub(super) async fn read_error(response: &mut reqwest::Response) -> Bytes {
    read_body(response, MAX_ERROR_BYTES)
        .await
        .unwrap_or_default()
}

/// Checks that a successful answer is a JSON object and not an error envelope. The decoder checks the rest.
pub(super) fn check_body(body: &[u8], with_cursor: bool) -> Result<(), ApiError> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::NotJson);
    }
    if body.len() <= MAX_DISGUISED_BYTES
        && let Some(error) = ApiError::from_error_envelope(200, body, with_cursor)
    {
        return Err(error);
    }
    Ok(())
}

/// Classifies a request without an answer by how far the request came.
pub(super) fn lost_before_headers(error: reqwest::Error) -> ApiError {
    let reason = if let Some(fault) = TrustFault::of(&error) {
        LostAnswer::Trust(fault)
    } else if error.is_timeout() && !error.is_connect() {
        LostAnswer::TimedOut
    } else if error.is_connect() {
        LostAnswer::Connect
    } else {
        LostAnswer::BeforeHeaders
    };
    lost(reason, error)
}

fn lost_within_body(error: reqwest::Error) -> ApiError {
    let reason = if error.is_timeout() {
        LostAnswer::TimedOut
    } else {
        LostAnswer::WithinBody
    };
    lost(reason, error)
}

fn lost(reason: LostAnswer, error: reqwest::Error) -> ApiError {
    ApiError::Unreachable {
        reason,
        // The address is removed, because its query holds ids and cursors.
        source: Arc::new(error.without_url()),
    }
}
