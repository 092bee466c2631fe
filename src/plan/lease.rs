//! Which of several services on one lake may send requests: the rules of the lease.
//!
//! The lease is a row of objects, each put only where none exists. Object `<epoch>/0` claims an epoch, and object
//! `<epoch>/<n>` is the n-th renewal by the service that claimed the epoch. Instants are those of one machine's own clock,
//! and no instant of one machine is compared with an instant of another:
//!
//! - The holder counts the age of its lease from before the put of its latest renewal. It sends while the age is below
//!   half of the takeover time ([`Tenure::may_send`]), and begins a renewal while the age is below a third
//!   ([`Tenure::next`]). After that it needs a new epoch, as everybody does.
//! - A watcher counts from the answer that first showed it the latest renewal. It claims the next epoch when a listing
//!   that it asked for a whole takeover time later still shows the same renewal ([`LeaseWatch::saw`]).
//!
//! So two services never send at once. Let the watcher's last listing show renewal n. Renewal n + 1 is not on the store at
//! that time, and if its put is under way, the put began within a third of the takeover time after renewal n. It ends half
//! a takeover time later: after five sixths of the takeover time in which the watcher waited. The last sixth is for clocks
//! that run at different speeds. The holder does not learn of renewal n + 1 in time to begin another one. Of two services
//! that claim the same epoch, one finds the object of the other.
//!
//! `tests/lease_model` checks this over all orders of events, with pauses of any length, crashes, lost puts and late puts. It
//! takes this file as it is, so this file names nothing else of the crate.

use std::time::Duration;

/// The times of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseTerms {
    takeover: Duration,
}

/// The name of one object of the lease. A later name is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Renewal {
    /// Which tenure of the lease, counted from 1.
    pub epoch: u64,
    /// 0 for the claim of the epoch, then counted up.
    pub number: u64,
}

/// A put of the lease, with the instant from which its age counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeasePut {
    /// The name of the object.
    pub renewal: Renewal,
    /// Before the put was sent.
    pub began: Duration,
}

/// The lease in the hand of its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tenure {
    pub(crate) epoch: u64,
    /// The highest number that a put may have used.
    pub(crate) used: u64,
    /// From when the age counts.
    pub(crate) from: Duration,
    pub(crate) terms: LeaseTerms,
}

/// What a listing shows of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseSign {
    /// The latest object.
    pub renewal: Renewal,
    /// The takeover time by which the holder keeps.
    pub terms: LeaseTerms,
    /// Whether it is certain that nobody sends by it: the holder gave it back, or has ended, or is the watcher itself.
    pub is_free: bool,
}

/// What a watcher knows of the lease of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseWatch {
    pub(crate) latest: Option<Renewal>,
    /// When `latest` was first known here.
    pub(crate) since: Duration,
    pub(crate) terms: LeaseTerms,
}

/// What a watcher does after a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WatchStep {
    /// Claims this epoch, at once.
    Claim(u64),
    /// Lists again; a claim is possible after this time at the earliest.
    Wait(Duration),
}

impl LeaseTerms {
    /// Makes the terms from the time after which a silent holder is replaced.
    #[must_use]
    pub fn new(takeover: Duration) -> Self {
        Self { takeover }
    }

    /// Returns the time after which a silent holder is replaced.
    #[must_use]
    pub fn takeover(self) -> Duration {
        self.takeover
    }

    /// Returns how long after a renewal the holder may send.
    #[must_use]
    pub fn sends_for(self) -> Duration {
        self.takeover / 2
    }

    /// Returns how long after a renewal the holder may begin the next one.
    #[must_use]
    pub fn renewable_for(self) -> Duration {
        self.takeover / 3
    }

    /// Returns how often the holder renews, and how often a watcher lists.
    #[must_use]
    pub fn step(self) -> Duration {
        self.takeover / 6
    }
}

impl Renewal {
    /// Returns the name that claims an epoch.
    #[must_use]
    pub fn claim(epoch: u64) -> Self {
        Self { epoch, number: 0 }
    }
}

impl Tenure {
    /// Begins with a claim. The caller has read back that the claim is its own, and a listing after the put showed no
    /// later object.
    #[must_use]
    pub fn begin(claim: LeasePut, terms: LeaseTerms) -> Self {
        Self {
            epoch: claim.renewal.epoch,
            used: claim.renewal.number,
            from: claim.began,
            terms,
        }
    }

    /// Returns the epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns whether a request may leave now.
    #[must_use]
    pub fn may_send(&self, now: Duration) -> bool {
        now < self.sends_until()
    }

    /// Returns the instant from which no request may leave.
    #[must_use]
    pub fn sends_until(&self) -> Duration {
        self.from + self.terms.sends_for()
    }

    /// Begins a renewal. Each attempt has a name of its own, so that a late put of an earlier attempt is not taken for a
    /// later one. Returns `None` when the lease is too old: then only a new epoch helps.
    pub fn next(&mut self, now: Duration) -> Option<LeasePut> {
        if now >= self.from + self.terms.renewable_for() {
            return None;
        }
        self.used = self.used.saturating_add(1);
        let renewal = Renewal {
            epoch: self.epoch,
            number: self.used,
        };
        Some(LeasePut {
            renewal,
            began: now,
        })
    }

    /// Takes in a renewal whose object was read back.
    pub fn renewed(&mut self, put: LeasePut) {
        self.from = self.from.max(put.began);
    }
}

impl LeaseWatch {
    /// Begins to watch, with nothing known. `terms` are the watcher's own.
    #[must_use]
    pub fn begin(now: Duration, terms: LeaseTerms) -> Self {
        Self {
            latest: None,
            since: now,
            terms,
        }
    }

    /// Returns when the latest renewal was first known here.
    #[must_use]
    pub fn since(&self) -> Duration {
        self.since
    }

    /// Takes in a listing that was asked for at `asked` and answered at `answered`.
    ///
    /// A listing without a later object than before changes nothing: also an empty one, and one that shows an earlier
    /// object, because the store answered from an old state. The longer one of both takeover times counts.
    pub fn saw(
        &mut self,
        seen: Option<LeaseSign>,
        asked: Duration,
        answered: Duration,
    ) -> WatchStep {
        if let Some(seen) = seen
            && Some(seen.renewal) > self.latest
        {
            (self.latest, self.since) = (Some(seen.renewal), answered);
        }
        let Some(latest) = self.latest else {
            return WatchStep::Claim(1);
        };
        let claim = WatchStep::Claim(latest.epoch.saturating_add(1));
        let seen = seen.filter(|seen| seen.renewal == latest);
        if seen.is_some_and(|seen| seen.is_free) {
            return claim;
        }
        let theirs = seen.map_or(Duration::ZERO, |seen| seen.terms.takeover);
        let until = self.since + theirs.max(self.terms.takeover);
        match until.checked_sub(asked) {
            // A listing from an old state proves nothing about the latest object.
            Some(wait) if !wait.is_zero() => WatchStep::Wait(wait),
            _ if seen.is_some() => claim,
            _ => WatchStep::Wait(self.terms.step()),
        }
    }
}

#[cfg(test)]
mod tests;
