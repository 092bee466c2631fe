//! The content of webhooks.

use std::collections::BTreeSet;
use std::fmt;

use crate::customer::Issue;
use crate::ids::{Category, IntegrationId};

/// The content of a verified body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Webhook {
    /// `data-changed`: rows of some models changed.
    DataChanged(Notification),
    /// `sync-finished`, deprecated: Kombo finished a sync with the tool, and any row may have changed. The webhook
    /// names no model.
    SyncFinished(Notification),
    /// `integration-created`, `integration-state-changed` or `integration-deleted`: a change for the registry.
    Integration(IntegrationEvent),
    /// `issue-status-changed`: something is wrong with a connection, or is mended.
    Issue(Issue),
    /// Any other type. It is only counted.
    Other(WebhookType),
}

/// A notification that rows of an integration changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Kombo's id of the event.
    pub id: Box<str>,
    /// The integration whose rows changed.
    pub integration: IntegrationId,
    /// The slug of the connected tool.
    pub tool: Box<str>,
    /// The API family. `None` for a family that this build does not know.
    pub category: Option<Category>,
    /// The changed models. Empty when the webhook does not name any; then every model may have changed.
    pub models: BTreeSet<ModelName>,
}

/// Kombo's name of a model, such as `ats_candidates`. The name may be unknown, since Kombo adds models every quarter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelName(pub(super) Box<str>);

impl ModelName {
    /// Returns the text, which is visible ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the category, which is the part before the first underscore.
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

/// An event of an integration: created, deleted, or another state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationEvent {
    /// Kombo's id of the event.
    pub id: Box<str>,
    /// The integration that the event is about.
    pub integration: IntegrationId,
    /// The slug of the connected tool.
    pub tool: Box<str>,
    /// The API family. `None` for a family that this build does not know.
    pub category: Option<Category>,
    /// What happened.
    pub change: IntegrationChange,
}

/// What happened to an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrationChange {
    /// A customer connected a tool.
    Created,
    /// The state of the integration changed.
    State(IntegrationState),
    /// The integration was deleted. Kombo removes its data 14 days later.
    Deleted,
}

/// Whether an integration can be read, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrationState {
    /// The setup is complete, the quality check is passed, and the integration is active.
    Readable,
    /// The setup waits for Kombo's first sync or for the customer.
    SetupPending,
    /// The integration failed Kombo's quality check.
    QaFailed,
    /// The customer has to connect the tool again.
    AuthenticationInvalid,
    /// The integration is switched off.
    Inactive,
    /// A state that this build does not know. A request to Kombo tells more.
    Unknown,
}

impl IntegrationState {
    /// Derives the state from Kombo's three values. The obstacle that usually lasts longest decides.
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

/// The type of a webhook, as the body names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebhookType(pub(super) Box<str>);

/// The type of webhooks about issues.
pub(super) const ISSUE: &str = "issue-status-changed";

/// The types that Kombo documents. All other types share one label, so that a sender cannot invent labels.
const DOCUMENTED: [&str; 12] = [
    "data-changed",
    "sync-finished",
    "integration-created",
    "integration-state-changed",
    "integration-deleted",
    ISSUE,
    "connection-flow-failed",
    "assessment:order-received",
    "inline-assessment:order-received",
    "ai-apply-application-status-updated",
    "ai-apply-job-posting-status-updated",
    "remote-event-received",
];

impl WebhookType {
    /// Returns the text, which is visible ASCII.
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
            Self::Issue(_) => ISSUE,
            Self::Other(kind) => kind.label(),
        }
    }
}
