//! The service: the source that a company leaves running. Takes in notifications and the passing of time, and fetches
//! tables into a sink.
//!
//! Why: a webhook says only that something changed, and some webhooks never arrive. The service turns webhooks into
//! fetches, and fetches every table on a schedule as well.
//!
//! How the parts join:
//!
//! | File | What it does |
//! | --- | --- |
//! | `config`, `settings` | hold the options of a source of type `kombo` |
//! | `build` | checks the options, binds the listener and puts the parts together |
//! | `run` | is the loop: webhooks, ended fetches and timers in; fetches, questions and chores out |
//! | `dispatch` | decides what is due and which fetch is next; reads no clock and does no I/O |
//! | `door` | passes webhooks from the listener to the loop, and answers back |
//! | `runner`, `slots`, `fetches`, `fetching` | run fetches within limits; a backfill shares `runner`, `slots` and `fetching` |
//! | `held` | reads at the start what the sink covers of all tables |
//! | `hints` | keeps in the data directory which tables were announced and not fetched yet |
//! | `looks`, `news` | ask Kombo about integrations and the API key; log and count what changed |
//! | `candidate_writes` | has integrations that only webhooks name stored before their webhooks are acknowledged |
//! | `issue_writes`, `customers` | have issues stored before their webhooks are acknowledged; pass on what Kombo says of customers |
//! | `registrar` | has the registry written once Kombo has confirmed an integration |
//! | `chores`, `questions` | run the sink's chores beside the fetches; ask Kombo on behalf of a chore |
//! | `troubles`, `witness`, `vitals` | see and tell what goes wrong; hold what `/live`, `/ready` and `/health` answer |
//! | `instance` | keeps the name of this service in the data directory |
//! | `gauges` | sets the metrics that describe the current state |
//! | `minute_lines`, `minute_summary` | log each minute what was done, from the metrics |
//! | `writes` | starts the writes of the registry, the candidates, the hints and the notes |
//! | `lease`, `standby`, `host_lock`, `lease_settings` | take the lease of the lake, so that of several services one works |
//! | `control`, `adopt`, `shutdown` | [`Control`] changes the rules while the service runs, and `adopt` applies them; `shutdown` ends the service |
//!
//! What may never happen: a webhook is answered 200 and its change is forgotten; a base moves without its rows; the
//! answer "this integration cannot be read" is taken for deleted rows.
//!
//! Who owns the truth: the sink. Rows, bases and the registry of integrations are in the sink's commits. All that the
//! service holds in memory or in the data directory is rebuilt from the sink and from Kombo after a start.
//!
//! How each part maps to Vector's source contract is written in `docs/service.md`.

mod adopt;
mod build;
mod candidate_writes;
mod chores;
mod config;
mod control;
mod customers;
mod dispatch;
mod door;
mod fetches;
mod fetching;
mod gauges;
mod held;
mod hints;
mod host_lock;
mod instance;
mod issue_writes;
mod lease;
mod lease_settings;
mod looks;
mod minute_lines;
mod minute_summary;
mod news;
mod questions;
mod registrar;
mod run;
mod runner;
mod settings;
mod shutdown;
mod slots;
mod standby;
mod store_turns;
mod troubles;
mod vitals;
mod walks;
mod witness;
mod writes;

#[cfg(test)]
mod tests;

pub use build::Built;
pub use config::{KomboSourceConfig, MakeChores, Resource, Secrets, SourceContext, SourceOutput};
pub use control::{Control, ReloadError};
pub use door::{Door, Entrance};
pub(crate) use fetching::{FailedFetch, Fetching};
pub use lease::LeaseView;
pub use lease_settings::LeaseSettings;
pub use questions::ApiQuestions;
pub(crate) use runner::Runner;
pub use settings::SourceSettings;
pub(crate) use slots::{FetchSlot, Slots};
pub use vitals::{Health, Vitals};

use std::pin::Pin;

use crate::api::{ApiError, SetupError};
use crate::listener::ListenError;

/// A running source. The future ends after its shutdown signal, or with an error.
pub type Source = Pin<Box<dyn Future<Output = Result<(), SourceError>> + Send>>;

/// Why a source does not start, or why it ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The HTTP client for Kombo cannot be built.
    #[error("the HTTP client for Kombo cannot be built")]
    Setup(#[source] SetupError),
    /// The webhook listener cannot be started.
    #[error("the webhook listener cannot be started")]
    Listen(#[source] ListenError),
    /// Kombo refused the API key at the start. A key that Kombo refuses later ends nothing.
    #[error(transparent)]
    KeyRefused(ApiError),
}

impl SourceError {
    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Setup(_) => "correct the options of the source in the configuration",
            Self::Listen(error) => error.advice(),
            Self::KeyRefused(error) => error.advice(),
        }
    }
}
