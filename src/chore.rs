//! What a sink needs besides fetches, such as folding and upkeep: the part of the sink's seam that the dispatcher drives.
//!
//! A sink hands its chores over as values. The dispatcher has each in its agenda and runs what is due beside the fetches.
//! What a chore has to know of Kombo it asks through [`Questions`]: a sink talks to nobody itself.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::ids::{EndpointName, EnvironmentId, IntegrationId};
use crate::metrics::Metrics;
use crate::plan::Standing;
use crate::versions::guard::HoldCause;

/// Something that a sink needs to have done again and again.
///
/// - One run of a chore is under way at a time. Different chores, fetches and other processes run beside it.
/// - Dropping a run at any `.await` is safe, and what a crash leaves is harmless: the next run begins where the sink is.
///   A chore whose run was dropped is not run again by this process.
/// - A run tells the log and the metrics what it did and what failed. A failure costs nothing but the run.
///
/// Boxed, because a sink may have as many kinds as it likes.
pub trait Chore: Send {
    /// Returns its name, which no other chore of the sink has.
    fn name(&self) -> &'static str;

    /// Returns how long after the start it is due for the first time.
    fn first_due(&self) -> Duration;

    /// Does once what there is to do. Returns how long after the beginning of this run it is due again.
    fn run<'a>(&'a mut self, beside: Beside<'a>) -> BoxFuture<'a, Duration>;
}

/// What a run of a chore is given.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// Kombo, to be asked.
    pub kombo: &'a dyn Questions,
    /// What is counted.
    pub metrics: &'a Metrics,
}

/// What a chore may ask Kombo. Waits for the request budget; writes nothing.
pub trait Questions: Send + Sync {
    /// Asks how an integration stands, and for the key right after when Kombo does not find it.
    fn stands<'a>(&'a self, integration: &'a IntegrationId) -> BoxFuture<'a, Stands>;

    /// Asks why rows of a table may have vanished at once. `None` when Kombo does not answer or knows no reason.
    fn why_gone<'a>(
        &'a self,
        integration: &'a IntegrationId,
        endpoint: &'a EndpointName,
    ) -> BoxFuture<'a, Option<(HoldCause, &'static str)>>;
}

/// How an integration stands, by Kombo's own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    /// Kombo answers for it.
    As(Standing),
    /// Kombo finds no such integration, and accepted the key right after it said so.
    NotFound {
        /// The environment that the key belongs to.
        key_of: EnvironmentId,
    },
    /// Kombo finds no such integration, and did not accept the key right after: that says nothing of the integration.
    KeyNotAccepted(NoAnswer),
    /// Kombo gave no answer to use.
    Unanswered(NoAnswer),
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer {
    /// The error with its causes, on one line.
    pub message: String,
    /// One sentence that tells the operator what to do.
    pub advice: &'static str,
}
