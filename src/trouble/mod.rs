//! What goes wrong with a service: one model, from which the log lines, the metric, `status`, `/health`, the notes and the
//! alert rules are derived.
//!
//! A [`TroubleKind`] says what a trouble means, how much data it stops, and what the operator does about it. Parts of the
//! service report a [`Sight`] of a trouble while it lasts, and its absence afterwards. The [`Board`] keeps what is
//! reported: it knows since when each trouble lasts, and returns each [`TroubleChange`] once, for the log.
//!
//! Nothing here reads a clock, writes a log line or asks anyone. A detail never holds a secret or the value of a row.

mod board;
mod kind;
mod refused_webhooks;
mod troubles;

pub use board::{Board, Sight, TroubleChange};
pub use kind::{Stops, TroubleKind};
pub use refused_webhooks::RefusedWebhooks;
pub use troubles::Troubles;

use serde::{Deserialize, Serialize};

use crate::time::Moment;

/// A trouble that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What it is.
    pub kind: TroubleKind,
    /// Since when it lasts.
    pub since: Moment,
    /// The facts: numbers, names of tables, the text of an error. May be empty.
    pub detail: String,
    /// What the operator does about it.
    pub cure: String,
}

/// A trouble as `/health`, the notes and `status --json` show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TroubleNote {
    /// Name of the kind, such as `key_refused`.
    pub kind: String,
    /// One sentence without the facts.
    pub what: String,
    /// How much data it stops: `all`, `some` or `none`.
    pub stops_data: String,
    /// Since when it lasts, in RFC 3339.
    pub since: String,
    /// Since when it lasts, in milliseconds since the epoch.
    pub since_ms: i64,
    /// The facts. May be empty.
    pub detail: String,
    /// What the operator does about it.
    pub cure: String,
}

impl Trouble {
    /// Returns what happens and the facts, in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let what = self.kind.what();
        if self.detail.is_empty() {
            what.to_owned()
        } else {
            format!("{what}: {}", self.detail)
        }
    }

    /// Returns the trouble as it is shown.
    #[must_use]
    pub fn note(&self) -> TroubleNote {
        TroubleNote {
            kind: self.kind.as_str().to_owned(),
            what: self.kind.what().to_owned(),
            stops_data: self.kind.stops().as_str().to_owned(),
            since: self.since.to_string(),
            since_ms: self.since.as_millis(),
            detail: self.detail.clone(),
            cure: self.cure.clone(),
        }
    }

    /// Returns a trouble as a note tells it. `None` for a kind that this build does not know.
    #[must_use]
    pub fn from_note(note: &TroubleNote) -> Option<Self> {
        Some(Self {
            kind: TroubleKind::from_name(&note.kind)?,
            since: Moment::from_millis(note.since_ms),
            detail: note.detail.clone(),
            cure: note.cure.clone(),
        })
    }
}
