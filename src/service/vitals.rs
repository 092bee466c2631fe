//! Whether the service lives, takes webhooks, and is well: what `/live`, `/ready` and `/health` answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::build_info::BUILD_INFO;
use crate::ids::InstanceId;
use crate::time::Moment;
use crate::trouble::{Stops, Trouble, TroubleNote, Troubles};

/// The loop turns every few seconds. When it has not for so long, it hangs.
const HANGS_AFTER: Duration = Duration::from_mins(1);

/// The vital signs of a service. A clone is cheap and shares them.
#[derive(Clone, Debug)]
pub struct Vitals(Arc<Signs>);

#[derive(Debug)]
struct Signs {
    instance: InstanceId,
    began: Moment,
    troubles: Troubles,
    turned: Mutex<Instant>,
    open: AtomicBool,
}

/// The answer of `/health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Whether data flows: no trouble stops all of it.
    pub ok: bool,
    /// The name of the service among those that share the lake.
    pub instance: String,
    /// Version, commit and date of the build.
    pub version: &'static str,
    /// The troubles that last, those that stop the most data first.
    pub troubles: Vec<TroubleNote>,
}

impl Vitals {
    /// Begins at an instant of the local clock.
    pub(super) fn begin(instance: InstanceId, now: Moment) -> Self {
        let troubles = Troubles::default();
        // The time of everything that is seen before the loop turns first.
        drop(troubles.pass(now));
        Self(Arc::new(Signs {
            instance,
            began: now,
            troubles,
            turned: Mutex::new(Instant::now()),
            open: AtomicBool::new(false),
        }))
    }

    /// Returns the troubles.
    #[must_use]
    pub fn troubles(&self) -> &Troubles {
        &self.0.troubles
    }

    /// Returns the name of the service among those that share the lake.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.0.instance
    }

    /// Returns when the service began.
    pub(super) fn began(&self) -> Moment {
        self.0.began
    }

    /// Returns whether the loop of the service turns. A service that hangs helps itself by a restart, and by nothing else.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.turned().elapsed() < HANGS_AFTER
    }

    /// Returns whether webhooks can be taken now. A Kombo that is down changes nothing about it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) && self.is_live()
    }

    /// Returns the troubles, and whether one of them stops all data.
    #[must_use]
    pub fn health(&self) -> Health {
        let lasting = self.troubles().lasting();
        let stops_all = |trouble: &Trouble| trouble.kind.stops() == Stops::All;
        Health {
            ok: !lasting.iter().any(stops_all) && self.is_live(),
            instance: self.0.instance.to_string(),
            version: BUILD_INFO.text,
            troubles: lasting.iter().map(Trouble::note).collect(),
        }
    }

    /// Notes that the loop has turned.
    pub(super) fn turns(&self) {
        let mut turned = self.0.turned.lock().unwrap_or_else(PoisonError::into_inner);
        *turned = Instant::now();
    }

    /// Notes that webhooks are taken from now on.
    pub(super) fn opened(&self) {
        self.0.open.store(true, Ordering::Relaxed);
    }

    /// Notes that webhooks are no longer taken.
    pub(super) fn closed(&self) {
        self.0.open.store(false, Ordering::Relaxed);
    }

    fn turned(&self) -> Instant {
        // The value is replaced as a whole, so a panic elsewhere leaves it correct.
        *self.0.turned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::{Sight, TroubleKind};

    const NOON: Moment = Moment::from_millis(1_700_000_000_000);

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_hangs_is_neither_live_nor_ready() {
        let vitals = Vitals::begin(InstanceId::fresh(), NOON);
        assert!(vitals.is_live() && !vitals.is_ready(), "not begun");
        vitals.opened();
        assert!(vitals.is_ready());
        tokio::time::advance(HANGS_AFTER).await;
        assert!(!vitals.is_live() && !vitals.is_ready() && !vitals.health().ok);
        vitals.turns();
        assert!(vitals.is_ready() && vitals.health().ok);
        vitals.closed();
        assert!(vitals.is_live() && !vitals.is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_stops_all_data_makes_it_ill() {
        let vitals = Vitals::begin(InstanceId::fresh(), NOON);
        vitals.opened();
        let troubles = vitals.troubles();
        troubles.see(TroubleKind::Late, Some(Sight::of("1 table")));
        assert!(vitals.health().ok);
        troubles.see(TroubleKind::KeyRefused, Some(Sight::default()));
        let health = vitals.health();
        let kinds: Vec<_> = health
            .troubles
            .iter()
            .map(|one| one.kind.as_str())
            .collect();
        assert_eq!((health.ok, kinds), (false, vec!["key_refused", "late"]));
        assert!(vitals.is_ready(), "webhooks can be taken");
    }
}
