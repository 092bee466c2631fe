//! Why a body with a right signature is not understood.

use super::{MAX_BODY_BYTES, MAX_MODELS, MAX_TEXT_BYTES};

/// Why a body is not a webhook. Names fields and sizes, never what the body says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// Longer than any webhook.
    #[error("the body is longer than {MAX_BODY_BYTES} bytes")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON, or JSON cut short.
    #[error("the body is not JSON: line {line}, column {column}")]
    NotJson {
        /// Where reading stopped.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// A field that is missing, doubled or of another kind.
    #[error("{part} does not have the fields of a webhook")]
    Shape {
        /// The body or its `data`.
        part: &'static str,
    },
    /// A name that is too long or holds other than visible ASCII.
    #[error("{field} is not 1 to {MAX_TEXT_BYTES} characters of visible ASCII")]
    Text {
        /// Which name.
        field: &'static str,
    },
    /// An id without a tool before a colon.
    #[error("the integration's id does not look like \"personio:CBNMt7dSNCzBdnRTx87dev4E\"")]
    IntegrationId,
    /// More models than Kombo has several times over.
    #[error("{count} changed models are more than {MAX_MODELS}")]
    TooManyModels {
        /// How many.
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
