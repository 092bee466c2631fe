//! Work that a sink needs between fetches, such as folding and upkeep. This file is the part of the sink's seam that
//! the dispatcher drives.
//!
//! A sink returns its chores as values. The dispatcher keeps each chore in its agenda and runs due chores beside the
//! fetches. A chore asks Kombo only through [`Questions`]; a sink itself sends no request.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::customer::CustomerInfo;
use crate::ids::{EndpointName, EnvironmentId, IntegrationId};
use crate::metrics::Metrics;
use crate::plan::Standing;
use crate::trouble::Troubles;
use crate::versions::guard::HoldCause;

/// Work that a sink needs done again and again.
///
/// - **Ordering**: one run of a chore is under way at a time. Other chores, fetches and other processes run beside it.
/// - **Cancellation**: a run may be dropped at any `.await`. This process does not run a dropped chore again.
/// - **Crashes**: a crash in a run is harmless. The next run starts from the current state of the sink, and may do a part
///   of the work again.
/// - **Failures**: a run writes its results and its failures to the log and the metrics. A failure costs only the run.
///
/// Boxed, because a sink may have any number of kinds of chores.
pub trait Chore: Send {
    /// Returns the name of the chore. No other chore of the sink has this name.
    fn name(&self) -> &'static str;

    /// Returns how long after the start the chore is due for the first time.
    fn first_due(&self) -> Duration;

    /// Does the work that is due now. Returns the time from the beginning of this run to the beginning of the next run.
    fn run<'a>(&'a mut self, beside: Beside<'a>) -> BoxFuture<'a, Duration>;
}

/// What a run of a chore is given.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// Answers questions to Kombo.
    pub kombo: &'a dyn Questions,
    /// The metrics of the service.
    pub metrics: &'a Metrics,
    /// The troubles of the service. A chore reports what it sees, and its end.
    pub troubles: &'a Troubles,
}

/// The questions that a chore may ask Kombo. Each waits for the request budget and writes nothing. Each future may be
/// dropped at any `.await`.
pub trait Questions: Send + Sync {
    /// Asks for the standing of an integration. When Kombo does not find the integration, also asks right after whether
    /// Kombo accepts the key.
    fn stands<'a>(&'a self, integration: &'a IntegrationId) -> BoxFuture<'a, Stands>;

    /// Asks who the customer of an integration is, and what can be read of it. The question gives way to every other
    /// request. Returns `None` when Kombo does not answer.
    fn customer<'a>(
        &'a self,
        integration: &'a IntegrationId,
    ) -> BoxFuture<'a, Option<CustomerInfo>>;

    /// Returns the answers of the same kind that came to other questions since the last call.
    fn overheard(&self) -> Vec<CustomerInfo>;

    /// Asks why many rows of a table may have vanished at the same time. Returns `None` when Kombo does not answer or
    /// states no reason.
    fn why_gone<'a>(
        &'a self,
        integration: &'a IntegrationId,
        endpoint: &'a EndpointName,
    ) -> BoxFuture<'a, Option<(HoldCause, &'static str)>>;
}

/// The standing of an integration according to Kombo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    /// Kombo knows the integration.
    As(Standing),
    /// Kombo finds no such integration, and accepted the key right after that answer.
    NotFound {
        /// The environment that the key belongs to.
        key_of: EnvironmentId,
    },
    /// Kombo finds no such integration, but did not accept the key right after that answer. So the answer proves
    /// nothing about the integration.
    KeyNotAccepted(NoAnswer),
    /// Kombo gave no usable answer.
    Unanswered(NoAnswer),
}

/// Why a question has no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer {
    /// The error with its causes, on one line.
    pub message: String,
    /// One sentence that tells the operator what to do.
    pub advice: &'static str,
}
