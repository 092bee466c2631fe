//! Kombo's webhooks: first the signature is checked, then the body is read.
//!
//! Anybody can post to a public address, so the types enforce the order. A [`Verifier`] turns raw bytes and a
//! [`Signature`] into a [`VerifiedBody`], and only a `VerifiedBody` can be [parsed](parse()) into a [`Webhook`]. A
//! webhook carries no rows and no instant. A [`Notification`] says which models changed. An [`IntegrationEvent`] says
//! that an integration was created, was deleted, or is in another state.
//!
//! Kombo adds types, models and states without notice, so every list here is open. A refused body is never quoted:
//! bodies can hold names of people, and errors end up in logs. Nothing may be fetched or stored because of a body
//! without a valid signature. Kombo owns the truth: a webhook only makes this program ask Kombo.

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

/// Largest body that is read, in bytes. Kombo's bodies are below one kilobyte, or about three with all 55 models.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// Largest number of models in one notification. Kombo has 55.
pub const MAX_MODELS: usize = 256;

/// Greatest length of an id, a type or a model name, in bytes.
pub const MAX_TEXT_BYTES: usize = 256;
