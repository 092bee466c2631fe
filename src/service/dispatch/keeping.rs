//! Which candidates have to be stored, and which webhooks may be answered.

use std::time::Duration;

use super::Dispatch;
use super::account::{Account, StoredIn};
use crate::ids::IntegrationId;
use crate::sink::Candidate;
use crate::time::Moment;

/// How long resolved candidates may stay in the stored list. Each costs one question after a crash, and nothing else.
const TIDY_EVERY: Duration = Duration::from_mins(1);

impl Dispatch {
    /// Returns the complete list of candidates if it has to be written: for a new candidate at once, for resolved ones
    /// after a while. Confirmed integrations stay in the list until the registry has them.
    pub(in crate::service) fn unkept(&mut self, now: Moment) -> Option<Vec<Candidate>> {
        let candidates = &mut self.candidates;
        let is_old = |at: Moment| now < at || now >= at + TIDY_EVERY;
        let is_due = candidates.is_stale && candidates.written.is_none_or(is_old);
        if candidates.fresh.is_empty() && !is_due {
            return None;
        }
        candidates.written = Some(now);
        // What is new may be written alone, and then the resolved ones stay stored.
        candidates.is_stale &= !candidates.fresh.is_empty();
        let known = candidates.known.iter().map(|(id, known)| Candidate {
            integration: id.clone(),
            category: known.category,
            since_ms: known.since.as_millis(),
        });
        let waiting = self.accounts.iter();
        let waiting = waiting.filter_map(|(id, account)| account.as_candidate(id));
        Some(known.chain(waiting).collect())
    }

    /// Takes in that a list of candidates was written, or that it was not.
    pub(in crate::service) fn kept(&mut self, list: &[Candidate], is_written: bool) {
        if !is_written {
            self.candidates.is_stale = true;
            return;
        }
        for candidate in list {
            let id = &candidate.integration;
            self.candidates.fresh.remove(id);
            let known = self.accounts.get_mut(id);
            if let Some(account) = known.filter(|account| !account.is_registered()) {
                account.stored = StoredIn::Candidates;
            }
        }
    }

    /// Returns whether the webhooks of an integration may be answered 200: it is stored, or Kombo does not know it.
    pub(in crate::service) fn is_durable(&self, id: &IntegrationId) -> bool {
        let known = self.accounts.get(id);
        known.is_none_or(Account::is_durable) && !self.candidates.fresh.contains(id)
    }

    /// Returns the number of candidates.
    pub(in crate::service) fn candidates(&self) -> usize {
        self.candidates.known.len()
    }
}
