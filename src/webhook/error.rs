//! Why a body with a correct signature cannot be read.

use super::{MAX_BODY_BYTES, MAX_MODELS, MAX_TEXT_BYTES};

/// Why a body is not a readable webhook. Names fields and sizes, and never quotes the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The body is longer than any webhook.
    #[error("the body is longer than {MAX_BODY_BYTES} bytes")]
    TooLong {
        /// Length of the body in bytes.
        bytes: usize,
    },
    /// The body is not JSON, or is JSON that was cut short.
    #[error("the body is not JSON: line {line}, column {column}")]
    NotJson {
        /// The line at which reading stopped.
        line: usize,
        /// The column in that line.
        column: usize,
    },
    /// A field is missing, occurs twice, or has another type.
    #[error("{part} does not have the fields of a webhook")]
    Shape {
        /// The part with the wrong field: the body or its `data`.
        part: &'static str,
    },
    /// A name is too long or holds a character that is not visible ASCII.
    #[error("{field} must have 1 to {MAX_TEXT_BYTES} characters of visible ASCII")]
    Text {
        /// The field with the name.
        field: &'static str,
    },
    /// The id of the integration has no tool before a colon.
    #[error("the integration's id does not look like \"personio:CBNMt7dSNCzBdnRTx87dev4E\"")]
    IntegrationId,
    /// The body names several times more models than Kombo has.
    #[error("the body names {count} changed models, more than the limit of {MAX_MODELS}")]
    TooManyModels {
        /// Number of models in the body.
        count: usize,
    },
}

impl WebhookError {
    /// Returns a label for counters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLong { .. } => "body_too_long",
            Self::NotJson { .. } => "not_json",
            Self::Shape { .. } => "shape",
            Self::Text { .. } => "text",
            Self::IntegrationId => "integration_id",
            Self::TooManyModels { .. } => "too_many_models",
        }
    }
}
