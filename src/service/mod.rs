//! The source: what a company leaves running. Notifications and schedules in, fetches into a sink.
//!
//! `dispatch` knows what is due, decides, and says which fetch is next, without a clock. `run` is the loop around it: it takes
//! webhooks from the listener through the `door`, has the `runner` begin `fetches` in `slots`, asks Kombo about integrations
//! (`looks`), tells what is new (`news`), and has the registry written before a new integration's webhook is acknowledged
//! (`registrar`). One fetch over what the sink covers is `fetching`, which a backfill shares; what the sink `held` of all
//! tables is read at the start, and `hints` on the data directory bring back what was announced and not fetched. The sink's
//! `chores` and the notes for `status` are due things of the same agenda and run beside the fetches; a chore asks Kombo
//! through `questions`. `gauges` tell the metrics how all of it stands.
//!
//! `config` and `settings` say what a service is given, `build` puts it together, [`Control`] changes the rules while it runs,
//! and `shutdown` ends it.
//!
//! # How it maps to Vector
//!
//! No crate of Vector's is published, so this is the contract, not the trait.
//!
//! | Vector | Here |
//! | --- | --- |
//! | `SourceConfig::outputs` | [`KomboSourceConfig::outputs`]: one named output per endpoint, with its Arrow schema |
//! | `SourceConfig::resources` | [`KomboSourceConfig::resources`]: the webhook listener's port |
//! | `SourceConfig::can_acknowledge` | [`KomboSourceConfig::can_acknowledge`]: always; a base moves only with its commit |
//! | `SourceConfig::build(SourceContext)` | [`KomboSourceConfig::build`]: checks, binds, and returns the future that runs |
//! | `SourceContext::{out, shutdown, globals.data_dir}` | [`SourceContext::sink`], [`shutdown`](SourceContext::shutdown), [`data_dir`](SourceContext::data_dir) |
//! | `SourceSender::send_batch` | [`Sink::stage`](crate::sink::Sink::stage): a whole fetch, not an event |
//! | `BatchNotifier`, `OrderedFinalizer` | [`Staged::commit`](crate::sink::Staged::commit): durable as a whole, or not at all |
//! | `ShutdownSignal`, its deadline | [`shutdown`](SourceContext::shutdown), [`drain_limit`](SourceContext::drain_limit) |
//! | a checkpoint (Vector has none) | the bases, one per tier, in the sink's own commits |
//! | reload: changed components only | [`Control::reload`]: rules, key, budget and secrets change; dirty bits stay |

mod build;
mod chores;
mod config;
mod control;
mod dispatch;
mod door;
mod fetches;
mod fetching;
mod gauges;
mod held;
mod hints;
mod looks;
mod news;
mod questions;
mod registrar;
mod run;
mod runner;
mod settings;
mod shutdown;
mod slots;

#[cfg(test)]
mod tests;

pub use build::Built;
pub use config::{KomboSourceConfig, Resource, Secrets, SourceContext, SourceOutput};
pub use control::{Control, ReloadError};
pub use door::Door;
pub(crate) use fetching::{FailedFetch, Fetching};
pub use questions::ApiQuestions;
pub(crate) use runner::Runner;
pub use settings::SourceSettings;
pub(crate) use slots::{FetchSlot, Slots};

use std::pin::Pin;

use crate::api::SetupError;
use crate::listener::ListenError;

/// What runs until its shutdown comes.
pub type Source = Pin<Box<dyn Future<Output = Result<(), SourceError>> + Send>>;

/// Why a source does not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The client for Kombo cannot be made.
    #[error("the client for kombo cannot be made")]
    Setup(#[source] SetupError),
    /// Webhooks cannot be received.
    #[error("webhooks cannot be received")]
    Listen(#[source] ListenError),
}

impl SourceError {
    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Setup(_) => "correct the source's options",
            Self::Listen(error) => error.advice(),
        }
    }
}
