//! What Kombo posts to us: a signature that is checked before anything is read, then what it says.
//!
//! Anybody can post to a public address, so the types keep the order: a [`Verifier`] turns raw bytes and a [`Signature`] into
//! a [`VerifiedBody`], and only that can be [parsed](parse()) into a [`Webhook`]. A webhook carries no rows and no time; a
//! [`Notification`] says which models changed, an [`IntegrationEvent`] that a customer came, went or needs attention.
//!
//! Kombo adds types, models and states without notice, so every list here is open. What is refused is refused without
//! being quoted: bodies can name people, and an error ends up in logs.

mod error;
mod notification;
mod parse;
mod signature;

pub use error::WebhookError;
pub use notification::{
    IntegrationChange, IntegrationEvent, IntegrationState, ModelName, Notification, Webhook,
    WebhookType,
};
pub use parse::{parse, preview};
pub use signature::{
    MIN_SECRET_BYTES, SecretError, Signature, SignatureError, VerifiedBody, Verifier, WebhookSecret,
};

/// The longest body read. Kombo's are below one kilobyte, with 55 models named about three.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The most models in one notification. Kombo has 55.
pub const MAX_MODELS: usize = 256;

/// The longest id, type or model name.
pub const MAX_TEXT_BYTES: usize = 256;
