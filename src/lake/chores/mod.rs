//! What a lake needs besides fetches, as chores for the dispatcher: folding (`fold_chore`), and upkeep with the purge of what
//! is deleted (`upkeep_chore`).
//!
//! The chores decide when and tell what was done; the work itself is in [`fold`](super::fold) and [`upkeep`](super::upkeep),
//! which the verbs of the command line call as well. What both tell is here once: a fold (`told_fold`), a hold
//! (`hold_text`), and what Kombo says before a purge (`purge_answers`).
//!
//! A run may be dropped at any `.await`: files without a log entry are nobody's, and whatever was not committed is due
//! again. No chore may hold up a fetch, and none takes rows away without Kombo's word, asked for right before.

mod fold_chore;
mod hold_text;
mod purge_answers;
mod told_fold;
mod upkeep_chore;

pub use fold_chore::FoldChoreSettings;
pub use purge_answers::{PurgeAnswers, WhyKept};
pub use told_fold::ToldFold;
pub use upkeep_chore::UpkeepChoreSettings;

use std::sync::Arc;

use self::fold_chore::FoldChore;
use self::upkeep_chore::UpkeepChore;
use super::Lake;
use crate::catalog::Endpoint;
use crate::chore::Chore;

/// Which chores a lake has, and how they are done. `None` leaves one to the verbs of the command line.
#[derive(Clone, Debug, PartialEq)]
pub struct ChoreSettings {
    /// When and how fast `current` is folded.
    pub fold: Option<FoldChoreSettings>,
    /// When the lake is kept up, and how.
    pub upkeep: Option<UpkeepChoreSettings>,
}

impl Lake {
    /// Returns the lake's chores for the tables of these endpoints. Give all there are: tables of endpoints that are not
    /// fetched any more are folded and kept up all the same.
    #[must_use]
    pub fn chores(
        &self,
        endpoints: &[Arc<Endpoint>],
        settings: ChoreSettings,
    ) -> Vec<Box<dyn Chore>> {
        let mut chores: Vec<Box<dyn Chore>> = Vec::new();
        if let Some(fold) = settings.fold {
            let chore = FoldChore::new(self.clone(), endpoints.to_vec(), fold);
            chores.push(Box::new(chore));
        }
        if let Some(upkeep) = settings.upkeep {
            let chore = UpkeepChore::new(self.clone(), endpoints.to_vec(), upkeep);
            chores.push(Box::new(chore));
        }
        chores
    }
}
