//! Asks Kombo once a day who each customer is and what can be read of it, and writes what is new.
//!
//! The service asks about an integration when it is new, parked or announced by a webhook. Those answers are taken in as
//! well. The chore's own questions give way to every other request, and spread over the day.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tracing::{debug, warn};

use crate::catalog::Endpoint;
use crate::chore::{Beside, Chore, Questions};
use crate::customer::CustomerInfo;
use crate::ids::IntegrationId;
use crate::lake::{Lake, LakeError};
use crate::plan::next_daily;
use crate::time::Moment;

/// Time from a start to the first run. The service first catches up with changes.
const FIRST_RUN: Duration = Duration::from_secs(20);

/// Interval between runs. A run without a due question and without a new answer reads nothing from the store.
const EVERY: Duration = Duration::from_mins(1);

/// Interval between reads of the registry, for integrations that another process has added.
const READ_EVERY: Duration = Duration::from_mins(10);

/// The least time between two questions about one integration.
const SOONEST: Duration = Duration::from_hours(12);

/// How long to wait after a question without an answer.
const AFTER_FAILURE: Duration = Duration::from_hours(1);

/// The most questions of one run. At this pace 5,000 integrations of a lake without the table take four hours.
const ASKED_AT_ONCE: usize = 20;

/// The most answers that wait for their integration to be registered, and how often they are tried.
const WAITING: usize = 1_000;
const TRIES: u8 = 10;

/// The questions of a lake, with what was asked when.
pub(super) struct CustomerChore {
    lake: Lake,
    endpoints: Vec<Arc<Endpoint>>,
    read_at: Option<Moment>,
    /// When each integration is due to be asked about.
    due: HashMap<IntegrationId, Moment>,
    /// Answers about integrations that are not registered yet, each with how often it was tried.
    waiting: Vec<(CustomerInfo, u8)>,
}

impl Chore for CustomerChore {
    fn name(&self) -> &'static str {
        "customers"
    }

    fn first_due(&self) -> Duration {
        FIRST_RUN
    }

    fn run<'a>(&'a mut self, beside: Beside<'a>) -> BoxFuture<'a, Duration> {
        async move {
            if let Err(error) = self.go_on(beside.kombo).await {
                let advice = error.advice();
                let error: &dyn std::error::Error = &error;
                warn!(
                    error,
                    advice,
                    "what Kombo says of the customers was not written to kombo_integrations and kombo_coverage; the next attempt is in 1 h"
                );
            }
            EVERY
        }
        .boxed()
    }
}

impl CustomerChore {
    pub(super) fn new(lake: Lake, endpoints: Vec<Arc<Endpoint>>) -> Self {
        Self {
            lake,
            endpoints,
            read_at: None,
            due: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    async fn go_on(&mut self, kombo: &dyn Questions) -> Result<(), LakeError> {
        let now = self.lake.tables().now();
        let mut answers: Vec<(CustomerInfo, u8)> = std::mem::take(&mut self.waiting);
        answers.extend(kombo.overheard().into_iter().map(|answer| (answer, 0)));
        for (answer, _) in &answers {
            self.answered(&answer.integration, now);
        }
        let read = match self.read(now).await {
            Ok(()) => self.ask(kombo, now, &mut answers).await,
            Err(error) => Err(error),
        };
        self.write(answers, now).await.and(read)
    }

    /// Reads which integrations there are. One without a row in `kombo_coverage` is due at once.
    async fn read(&mut self, now: Moment) -> Result<(), LakeError> {
        if self
            .read_at
            .is_some_and(|at| now.since(at) < READ_EVERY && at <= now)
        {
            return Ok(());
        }
        let registered = self.lake.registered().await?;
        let covered = self.lake.coverage_of_models().await?;
        let covered: BTreeSet<IntegrationId> =
            covered.into_iter().map(|row| row.integration).collect();
        // Kombo is asked about the others anyway, until they can be read.
        let active: BTreeSet<IntegrationId> = (registered.into_iter())
            .filter(|known| known.state == "active")
            .map(|known| known.integration)
            .collect();
        self.due.retain(|id, _| active.contains(id));
        for id in active {
            let first = if covered.contains(&id) {
                next_daily(&id.key(), now)
            } else {
                now
            };
            self.due.entry(id).or_insert(first);
        }
        self.read_at = Some(now);
        Ok(())
    }

    /// Asks about the integrations that are due, the longest due first. Stops at the first question without an answer:
    /// Kombo may be down, or refuse the key.
    async fn ask(
        &mut self,
        kombo: &dyn Questions,
        now: Moment,
        answers: &mut Vec<(CustomerInfo, u8)>,
    ) -> Result<(), LakeError> {
        let due = self.due.iter().filter(|(_, at)| **at <= now);
        let mut due: Vec<(Moment, IntegrationId)> = due.map(|(id, at)| (*at, id.clone())).collect();
        due.sort_unstable();
        for (_, id) in due.into_iter().take(ASKED_AT_ONCE) {
            let Some(answer) = kombo.customer(&id).await else {
                debug!(integration.id = %id, "Kombo did not say who the customer of {id} is; the next question is in 1 h");
                self.due.insert(id, now + AFTER_FAILURE);
                break;
            };
            self.answered(&id, now);
            answers.push((answer, 0));
        }
        Ok(())
    }

    fn answered(&mut self, id: &IntegrationId, now: Moment) {
        if let Some(at) = self.due.get_mut(id) {
            *at = next_daily(&id.key(), now + SOONEST);
        }
    }

    /// Writes the answers. Those about integrations that are not registered wait for the next run.
    async fn write(
        &mut self,
        answers: Vec<(CustomerInfo, u8)>,
        now: Moment,
    ) -> Result<(), LakeError> {
        if answers.is_empty() {
            return Ok(());
        }
        let said: Vec<CustomerInfo> = answers.iter().map(|(answer, _)| answer.clone()).collect();
        let described = self.lake.describe_customers(&said, &self.endpoints).await;
        let described = described.inspect_err(|_| {
            for answer in &said {
                if let Some(at) = self.due.get_mut(&answer.integration) {
                    *at = now + AFTER_FAILURE;
                }
            }
        })?;
        let waiting = answers.into_iter().filter_map(|(answer, tries)| {
            let waits = !described.contains(&answer.integration) && tries < TRIES;
            waits.then_some((answer, tries + 1))
        });
        self.waiting = waiting.take(WAITING).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
