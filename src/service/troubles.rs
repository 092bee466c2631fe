//! Sees what goes wrong, and tells it: to the board, the log and the metrics.

use std::time::Duration;

use tracing::{error, info, warn};

use super::dispatch::Seen;
use super::run::Service;
use crate::api::KomboApi;
use crate::sink::{Registry, Sink};
use crate::time::Moment;
use crate::trouble::{Sight, Stops, Trouble, TroubleChange, TroubleKind};
use crate::words::age;

/// Clocks that differ by more are a trouble.
const SKEW: Duration = Duration::from_mins(2);

impl<A, S> Service<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Registry + Clone + 'static,
{
    /// Looks at everything that can go wrong, and tells what has begun or ended.
    pub(super) fn see_troubles(&mut self, now: Moment) {
        let unreachable = self.api().unreachable_for();
        let unreachable = unreachable.map(|lasts| Sight::default().since(now - lasts));
        let waits = self.api().waits();
        let mut seen: Vec<Seen> = self.dispatch.sights(now).into();
        if self.registrar.is_unread {
            // The registry may know integrations.
            seen.retain(|(kind, _)| *kind != TroubleKind::NoIntegrations);
        }
        if unreachable.is_some() || self.witness.store.is_some() {
            // Every table fails for the same reason.
            seen.retain(|(kind, _)| *kind != TroubleKind::FetchesFailing);
        }
        seen.extend([
            (TroubleKind::KomboUnreachable, unreachable),
            (
                TroubleKind::WaitingForRate,
                self.witness.limited(waits, now),
            ),
            (TroubleKind::LakeUnwritable, self.witness.unwritable()),
            (TroubleKind::LakeUnreadable, self.witness.unreadable()),
            (TroubleKind::ClockSkewed, self.skew()),
        ]);
        for (kind, sight) in seen {
            self.vitals.troubles().see(kind, sight);
        }
        self.tell_troubles(now);
    }

    /// Logs what has changed, and writes the notes at once when a trouble has begun or ended.
    fn tell_troubles(&mut self, now: Moment) {
        let changes = self.vitals.troubles().pass(now);
        for change in &changes {
            tell(change, now);
        }
        let lasting = self.vitals.troubles().lasting();
        self.metrics.troubles(&lasting);
        if !changes.is_empty() {
            self.put_notes(now);
        }
    }

    fn skew(&self) -> Option<Sight> {
        let kombo = self.api().server_now()?.moment();
        let here = self.clock.now();
        let (by, which) = match (kombo.since(here), here.since(kombo)) {
            (Duration::ZERO, behind) => (behind, "ahead of"),
            (ahead, _) => (ahead, "behind"),
        };
        (by > SKEW).then(|| Sight::of(format!("it is {} {which} Kombo's", age(by))))
    }
}

fn tell(change: &TroubleChange, now: Moment) {
    match change {
        TroubleChange::Began(trouble) => tell_lasting(trouble, ""),
        TroubleChange::Lasts(trouble) => {
            let still = format!("still, for {}: ", age(now.since(trouble.since)));
            tell_lasting(trouble, &still);
        }
        TroubleChange::Ended { trouble, after } => {
            let (kind, what) = (trouble.kind.as_str(), trouble.kind.what());
            let after = age(*after);
            info!(trouble = kind, "over after {after}: {what}");
        }
    }
}

fn tell_lasting(trouble: &Trouble, still: &str) {
    let (kind, stops_data) = (trouble.kind.as_str(), trouble.kind.stops().as_str());
    let (line, cure) = (trouble.line(), &trouble.cure);
    if trouble.kind.stops() == Stops::All {
        error!(trouble = kind, stops_data, "{still}{line}; {cure}");
    } else {
        warn!(trouble = kind, stops_data, "{still}{line}; {cure}");
    }
}
