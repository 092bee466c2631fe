//! What a lake needs besides fetches, as chores for the dispatcher: folding (`fold_chore`), and upkeep with the purge of what
//! is deleted (`upkeep_chore`).
//!
//! The chores decide when and tell what was done; the work itself is in [`fold`](super::fold) and [`care`](super::care),
//! which the verbs of the command line call as well. What both tell is here once: a fold (`told_fold`), a hold
//! (`hold_text`), and what Kombo says before a purge (`purge_answers`).
//!
//! A run may be dropped at any `.await`: files without a log entry are nobody's, and whatever was not committed is due
//! again. No chore may hold up a fetch, and none takes rows away without Kombo's word, asked for right before.

mod fold_chore;
mod hold_text;
pub(in crate::lake) mod purge_answers;
pub(in crate::lake) mod told_fold;
mod upkeep_chore;

pub use purge_answers::{PurgeAnswers, WhyKept};
pub use told_fold::ToldFold;

use std::sync::Arc;
use std::time::Duration;

use self::fold_chore::FoldChore;
use self::upkeep_chore::UpkeepChore;
use super::{Lake, LakeSettings};
use crate::catalog::Endpoint;
use crate::chore::Chore;

/// Returns the chores that the lake's settings leave to a service with snapshots this far apart, for the tables of these
/// endpoints. Give all there are: tables of endpoints that are not fetched any more are folded and kept up all the same.
#[must_use]
pub(in crate::lake) fn chores(
    lake: &Lake,
    endpoints: &[Arc<Endpoint>],
    full_interval: Duration,
) -> Vec<Box<dyn Chore>> {
    let LakeSettings { fold, upkeep, .. } = lake.settings();
    let upkeep = upkeep.with_snapshots_every(full_interval);
    let mut chores: Vec<Box<dyn Chore>> = Vec::new();
    if fold.enabled {
        let chore = FoldChore::new(lake.clone(), endpoints.to_vec(), *fold);
        chores.push(Box::new(chore));
    }
    if upkeep.enabled {
        let chore = UpkeepChore::new(lake.clone(), endpoints.to_vec(), upkeep);
        chores.push(Box::new(chore));
    }
    chores
}
