//! What the loop hears of customers: Kombo's answers about their integrations, and issues that webhooks tell of.

use super::looks::{CandidateLook, Look};
use super::run::{Service, TaskReport};
use crate::api::KomboApi;
use crate::sink::{Registry, Sink};
use crate::time::Moment;

impl<A, S> Service<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Registry + Clone + 'static,
{
    /// Takes in an answer about an integration. What it says of the customer is kept for the chore that writes it.
    pub(super) fn looked(&mut self, mut look: Look, now: Moment) {
        self.questions.overhear(look.customer());
        look.tell(&mut self.dispatch, now);
    }

    /// Takes in an answer about a candidate, in the same way.
    pub(super) fn candidate_looked(&mut self, mut look: CandidateLook, now: Moment) {
        self.questions.overhear(look.customer());
        look.tell(&mut self.dispatch, now);
    }

    /// Writes the issues that wait.
    pub(super) fn keep_issues(&mut self) {
        let sink = self.sink().clone();
        if let Some(write) = self.issue_writes.write(sink) {
            self.runner.beside(write, TaskReport::IssuesKept);
        }
    }
}
