//! Integrations that only webhooks have named. Kombo is asked before anything of them is fetched or registered.
//!
//! A webhook is signed, but its secret may be in the wrong hands: whoever has it can name a new integration with each
//! webhook. So the number of candidates is bounded, the questions about them have a share of the request budget, and a
//! candidate is one small row in one small object until Kombo confirms it. An integration that the configuration or a
//! backfill names is no candidate: a person has named it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

use super::account::{Account, LookState, StoredIn};
use super::refusals::{Refusals, WhyDropped};
use super::standings::{FoundIntegration, IntegrationNews};
use super::{Ask, Dispatch, Due, NEW, Reaction};
use crate::ids::{Category, IntegrationId};
use crate::plan::{Share, Standing};
use crate::sink::Candidate;
use crate::time::{Backoff, Moment};

/// The most candidates at a time. Kombo confirms a new customer within seconds, so a thousand at a time are no ordinary
/// day. Their list has about 100 KB, and each change writes the complete list.
pub(super) const MOST: usize = 1_000;

/// The most questions about candidates that are under way at a time. They are beside the questions about known
/// integrations, so neither waits for the other.
const ASKING: usize = 2;

/// How long to wait after a question that did not confirm a candidate.
const ASK_AGAIN: Backoff = Backoff::new(Duration::from_mins(1), Duration::from_hours(1));

/// The least time between two questions about one candidate that webhooks cause.
const SOONEST: Duration = Duration::from_mins(1);

/// A webhook may come a little before Kombo finds the integration. An answer "not found" that comes later than this
/// after the first webhook is final.
const READABLE_WITHIN: Duration = Duration::from_mins(5);

/// A candidate expires if Kombo gives no usable answer for this long.
const EXPIRES: Duration = Duration::from_hours(7 * 24);

/// The candidates.
#[derive(Debug)]
pub(super) struct Candidates {
    pub(super) known: HashMap<IntegrationId, Unconfirmed>,
    /// Candidates that the sink does not hold yet.
    pub(super) fresh: BTreeSet<IntegrationId>,
    /// Candidates that Kombo has to be asked for, the longest waiting first.
    line: VecDeque<IntegrationId>,
    asking: usize,
    share: Share,
    /// Whether the stored list has candidates that are resolved.
    pub(super) is_stale: bool,
    /// When the list was last written.
    pub(super) written: Option<Moment>,
    refusals: Refusals,
}

/// One candidate.
#[derive(Debug)]
pub(super) struct Unconfirmed {
    /// The category that the webhook named. Kombo's answer takes precedence.
    pub(super) category: Option<Category>,
    pub(super) since: Moment,
    asked: Option<Moment>,
    /// Number of questions that did not confirm the candidate.
    tries: u32,
    look: LookState,
    /// Whether a webhook named the candidate while a question was under way.
    named_meanwhile: bool,
    /// When the last notification came.
    pub(super) notified: Option<Moment>,
}

/// Kombo's answer about a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) enum Heard {
    /// Kombo knows the integration.
    Found(FoundIntegration),
    /// An error says in which state the integration is, so Kombo knows the integration.
    Stands(Standing),
    /// Kombo finds no such integration.
    NotFound,
    /// No usable answer came. The next question may bring one.
    Nothing,
}

impl Candidates {
    /// Returns no candidates, and their share of a request budget.
    pub(super) fn within(budget: Option<(NonZeroU32, Duration)>) -> Self {
        Self {
            known: HashMap::new(),
            fresh: BTreeSet::new(),
            line: VecDeque::new(),
            asking: 0,
            share: Share::of(budget),
            is_stale: false,
            written: None,
            refusals: Refusals::default(),
        }
    }

    pub(super) fn contains(&self, id: &IntegrationId) -> bool {
        self.known.contains_key(id)
    }

    pub(super) fn get_mut(&mut self, id: &IntegrationId) -> Option<&mut Unconfirmed> {
        self.known.get_mut(id)
    }

    /// Removes a candidate that is resolved. Returns when it became known, where it is stored, and its last notification.
    pub(super) fn resolve(
        &mut self,
        id: &IntegrationId,
    ) -> Option<(Moment, StoredIn, Option<Moment>)> {
        let known = self.known.remove(id)?;
        let stored = if self.fresh.remove(id) {
            StoredIn::Nowhere
        } else {
            StoredIn::Candidates
        };
        self.is_stale = true;
        Some((known.since, stored, known.notified))
    }

    /// Forgets when candidates were asked for, because the clock was replaced. Returns the candidates.
    pub(super) fn set_back(&mut self) -> impl Iterator<Item = IntegrationId> + '_ {
        self.known.iter_mut().map(|(id, known)| {
            known.asked = None;
            id.clone()
        })
    }

    fn add(&mut self, id: &IntegrationId, category: Option<Category>, since: Moment) {
        let new = Unconfirmed {
            category,
            since,
            asked: None,
            tries: 0,
            look: LookState::Waiting,
            named_meanwhile: false,
            notified: None,
        };
        self.known.insert(id.clone(), new);
        self.line.push_back(id.clone());
    }
}

impl Dispatch {
    /// Takes in the candidates that the sink held at the start.
    pub(in crate::service) fn recall(&mut self, stored: &[Candidate], now: Moment) {
        for candidate in stored {
            let id = &candidate.integration;
            if self.accounts.contains_key(id) {
                self.candidates.is_stale = true;
            } else if self.is_configured(id) && !self.candidates.contains(id) {
                let since = Moment::from_millis(candidate.since_ms).min(now);
                // Their webhooks were answered 200, so even too many are taken.
                self.candidates.add(id, candidate.category, since);
            }
        }
    }

    /// Takes in a webhook of an integration that is neither registered nor configured.
    pub(super) fn candidate(
        &mut self,
        id: &IntegrationId,
        category: Option<Category>,
        now: Moment,
    ) -> Reaction {
        if let Some(known) = self.candidates.known.get_mut(id) {
            known.category = known.category.or(category);
            known.named_meanwhile = known.look == LookState::UnderWay;
            let soon = known.asked.map_or(now, |asked| now.max(asked + SOONEST));
            let due = Due::Candidate(id.clone());
            if self.agenda.at(&due).is_some_and(|at| at > soon) {
                self.agenda.set(due, soon);
            }
        } else if category.is_none() {
            return Reaction::Acknowledge("unknown_category");
        } else if self.candidates.known.len() >= MOST {
            let told = self.candidates.refusals.refuse(id, now);
            self.news
                .extend(told.into_iter().map(IntegrationNews::Refused));
            return Reaction::Full;
        } else {
            self.candidates.add(id, category, now);
            self.candidates.fresh.insert(id.clone());
        }
        if self.candidates.fresh.contains(id) {
            return Reaction::Keep(id.clone());
        }
        Reaction::Acknowledge("candidate")
    }

    /// Puts a candidate at the end of the line.
    pub(super) fn line_up_candidate(&mut self, id: IntegrationId) {
        let known = self.candidates.known.get_mut(&id);
        if let Some(known) = known.filter(|known| known.look == LookState::No) {
            known.look = LookState::Waiting;
            self.candidates.line.push_back(id);
        }
    }

    /// Adds the questions about candidates that the share of the budget allows now. None while Kombo refuses the key.
    pub(super) fn ask_for_candidates(&mut self, now: Moment, questions: &mut Vec<Ask>) {
        let candidates = &mut self.candidates;
        let untold = candidates.refusals.period_is_over(now);
        self.news.extend(untold.map(IntegrationNews::Refused));
        while self.key.is_none() && candidates.asking < ASKING {
            let Some(id) = candidates.line.pop_front() else {
                break;
            };
            let Some(known) = candidates.known.get_mut(&id) else {
                continue;
            };
            if !candidates.share.take(now) {
                candidates.line.push_front(id);
                if let Some(at) = candidates.share.free_at() {
                    self.agenda.set(Due::Candidates, at);
                }
                break;
            }
            (known.look, known.asked) = (LookState::UnderWay, Some(now));
            candidates.asking += 1;
            questions.push(Ask::Candidate(id));
        }
    }

    /// Takes in Kombo's answer about a candidate.
    pub(in crate::service) fn heard(&mut self, id: &IntegrationId, answer: Heard, now: Moment) {
        self.candidates.asking = self.candidates.asking.saturating_sub(1);
        // The registry was read meanwhile and has the integration, or a reload has left it out.
        let Some(known) = self.candidates.known.get_mut(id) else {
            return;
        };
        known.look = LookState::No;
        let named_meanwhile = std::mem::take(&mut known.named_meanwhile);
        let age = now.since(known.since);
        let why = match (answer, known.category) {
            (Heard::Found(found), _) => match found.category {
                Some(category) => return self.confirm(id, category, found.standing, now),
                None => Some(WhyDropped::UnknownCategory),
            },
            (Heard::Stands(standing), Some(category)) => {
                return self.confirm(id, category, standing, now);
            }
            (Heard::NotFound, _) => {
                let is_final = age >= READABLE_WITHIN && !named_meanwhile;
                is_final.then_some(WhyDropped::NotFound)
            }
            (Heard::Nothing | Heard::Stands(_), _) => {
                (age >= EXPIRES).then_some(WhyDropped::Expired)
            }
        };
        if let Some(why) = why {
            self.candidates.resolve(id);
            let id = id.clone();
            self.news.push(IntegrationNews::Dropped { id, why });
            return;
        }
        let wait = ASK_AGAIN.wait(known.tries);
        known.tries = known.tries.saturating_add(1);
        self.agenda.set(Due::Candidate(id.clone()), now + wait);
    }

    /// Makes a candidate an integration like any other: it is registered, and its tables are fetched or it is parked.
    fn confirm(&mut self, id: &IntegrationId, category: Category, standing: Standing, now: Moment) {
        let Some((since, stored, notified)) = self.candidates.resolve(id) else {
            return;
        };
        let mut account = Account::confirmed(category, standing.clone(), (since, stored), now);
        if let Some(notified) = notified {
            account.rhythm.notified(notified);
        }
        self.accounts.insert(id.clone(), account);
        self.unsaved.insert(id.clone());
        self.agenda.cancel(&Due::Candidate(id.clone()));
        if standing.is_fetched() {
            self.open_tables(id, |_| NEW, now);
        } else if let Some(wait) = standing.recheck(0) {
            self.look_at(id, now + wait);
        }
        let id = id.clone();
        self.news.push(IntegrationNews::Confirmed { id, standing });
    }

    /// Applies new rules to the candidates.
    pub(super) fn adopt_candidates(&mut self) {
        self.candidates.share.resize(self.rules.budget);
        let known = self.candidates.known.keys();
        let gone = known.filter(|id| !self.is_configured(id) || self.accounts.contains_key(*id));
        for id in gone.cloned().collect::<Vec<_>>() {
            self.agenda.cancel(&Due::Candidate(id.clone()));
            self.candidates.known.remove(&id);
            self.candidates.fresh.remove(&id);
        }
    }
}
