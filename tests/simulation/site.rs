//! What all processes of a world have in common: the way to Kombo, the store, and the settings that the seed draws.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use kombo_source::api::{ApiSettings, BaseUrl};
use kombo_source::lake::{FoldSettings, LakeSettings};
use kombo_source::plan::Schedule;
use kombo_source::service::{LeaseSettings, SourceSettings};
use tokio::sync::watch;

use crate::depot::Depot;
use crate::dice::Dice;
use crate::faults::Enabled;
use crate::network::Network;
use crate::process::ids;
use crate::truth::{ENDPOINTS, Truth};

/// From one full fetch of a table to the next, in these worlds.
pub(crate) const FULL_INTERVAL: Duration = Duration::from_hours(48);

/// What all processes of a world have in common.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) network: Arc<Network>,
    pub(crate) depot: Arc<Depot>,
    pub(crate) faults: Enabled,
    pub(crate) lake: LakeSettings,
    pub(crate) source: SourceSettings,
    /// Set when the faults are over: from then on nothing crashes.
    pub(crate) is_calm: Arc<AtomicBool>,
    /// Set when the world ends.
    pub(crate) is_over: watch::Receiver<bool>,
}

pub(crate) fn source_settings(dice: &mut Dice, truth: &Truth) -> SourceSettings {
    let page_size = u32::try_from(dice.number(3..60)).unwrap_or(3);
    SourceSettings {
        name: "kombo".to_owned(),
        endpoint: Some(BaseUrl::parse("https://kombo.invalid/v1").expect("an address")),
        integrations: ids(truth),
        endpoints: ENDPOINTS
            .iter()
            .map(|listed| listed.name.to_owned())
            .collect(),
        schedule: Schedule {
            full_interval: FULL_INTERVAL,
            ..Schedule::DEFAULT
        },
        lease: LeaseSettings {
            takeover_secs: NonZeroU64::new(600).expect("not zero"),
            ..LeaseSettings::default()
        },
        request: ApiSettings {
            page_size: NonZeroU32::new(page_size).expect("not zero"),
            ..ApiSettings::default()
        },
        ..SourceSettings::default()
    }
}

pub(crate) fn lake_settings(dice: &mut Dice) -> LakeSettings {
    LakeSettings {
        url: "memory:".to_owned(),
        commit_window_secs: *dice.one_of(&[0, 5, 30]),
        checkpoint_interval: NonZeroU64::new(*dice.one_of(&[5, 20, 100])).expect("not zero"),
        fold: FoldSettings {
            max_age: Duration::from_secs(*dice.one_of(&[60, 300, 3_600])),
            ..FoldSettings::default()
        },
        ..LakeSettings::default()
    }
}
