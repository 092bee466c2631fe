//! What webhooks say.

use std::collections::BTreeSet;
use std::fmt;

use crate::ids::{Category, IntegrationId};

/// What a verified body says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Webhook {
    /// `data-changed`: rows of some models changed.
    DataChanged(Notification),
    /// `sync-finished`, deprecated: Kombo looked at the tool, and anything may have changed. It names no model.
    SyncFinished(Notification),
    /// `integration-created`, `-state-changed` and `-deleted`: news for the registry.
    Integration(IntegrationEvent),
    /// Everything else: counted.
    Other(WebhookType),
}

/// Rows of an integration changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Kombo's id of the event.
    pub id: Box<str>,
    /// Whose rows.
    pub integration: IntegrationId,
    /// The connected tool's slug.
    pub tool: Box<str>,
    /// The API family; `None` for one that this build does not know.
    pub category: Option<Category>,
    /// Which models; none when the webhook does not say, and then any.
    pub models: BTreeSet<ModelName>,
}

/// Kombo's name of a model, such as `ats_candidates`. Known or not: Kombo adds some every quarter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelName(pub(super) Box<str>);

impl ModelName {
    /// Returns the text: visible ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the category before the first underscore.
    #[must_use]
    pub fn category(&self) -> Option<Category> {
        Category::from_name(self.0.split_once('_')?.0)
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An integration came, went, or is in another state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationEvent {
    /// Kombo's id of the event.
    pub id: Box<str>,
    /// Which integration.
    pub integration: IntegrationId,
    /// The connected tool's slug.
    pub tool: Box<str>,
    /// The API family; `None` for one that this build does not know.
    pub category: Option<Category>,
    /// What happened.
    pub change: IntegrationChange,
}

/// What happened to an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrationChange {
    /// A customer connected a tool.
    Created,
    /// It can be read now, or no longer.
    State(IntegrationState),
    /// It is gone; Kombo removes its data 14 days later.
    Deleted,
}

/// Whether an integration can be read, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrationState {
    /// Set up, checked and active.
    Readable,
    /// The first synchronisation at Kombo, or a person, has to finish the setup.
    SetupPending,
    /// Kombo's check of the setup failed.
    QaFailed,
    /// The customer has to connect again.
    AuthenticationInvalid,
    /// Switched off.
    Inactive,
    /// A word that this build does not know; asking the API tells.
    Unknown,
}

impl IntegrationState {
    /// Reads Kombo's three words. What stops reading for longest wins.
    pub(super) fn from_words(state: &str, setup: &str, qa: &str) -> Self {
        match (state, setup, qa) {
            ("INACTIVE", ..) => Self::Inactive,
            ("INVALID", ..) => Self::AuthenticationInvalid,
            (_, _, "FAILED") => Self::QaFailed,
            (_, "INCOMPLETE" | "FINAL_SYNC_PENDING", _) | (_, _, "PENDING") => Self::SetupPending,
            ("ACTIVE", "COMPLETED", "PASSED") => Self::Readable,
            _ => Self::Unknown,
        }
    }
}

/// A type as the body names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebhookType(pub(super) Box<str>);

/// The types Kombo documents. Others share one label, so that nobody can make labels up.
const DOCUMENTED: [&str; 12] = [
    "data-changed",
    "sync-finished",
    "integration-created",
    "integration-state-changed",
    "integration-deleted",
    "issue-status-changed",
    "connection-flow-failed",
    "assessment:order-received",
    "inline-assessment:order-received",
    "ai-apply-application-status-updated",
    "ai-apply-job-posting-status-updated",
    "remote-event-received",
];

impl WebhookType {
    /// Returns the text: visible ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a label for counters: a documented type, or `unknown`.
    #[must_use]
    pub fn label(&self) -> &'static str {
        let documented = DOCUMENTED.into_iter().find(|name| *name == &*self.0);
        documented.unwrap_or("unknown")
    }
}

impl Webhook {
    /// Returns a label for counters: a documented type, or `unknown`.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::DataChanged(_) => "data-changed",
            Self::SyncFinished(_) => "sync-finished",
            Self::Integration(event) => match event.change {
                IntegrationChange::Created => "integration-created",
                IntegrationChange::State(_) => "integration-state-changed",
                IntegrationChange::Deleted => "integration-deleted",
            },
            Self::Other(kind) => kind.label(),
        }
    }
}
