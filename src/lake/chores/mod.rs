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
mod purge_answers;
mod told_fold;
mod upkeep_chore;

pub use purge_answers::{PurgeAnswers, WhyKept};
pub use told_fold::ToldFold;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use self::fold_chore::FoldChore;
use self::upkeep_chore::UpkeepChore;
use super::{FoldSettings, Lake, LakeError, LakeSettings, PurgeDue, PurgeReport};
use crate::catalog::Endpoint;
use crate::chore::{Chore, Questions};
use crate::ids::IntegrationKey;

/// The door to this room.
impl Lake {
    /// Purges the integrations that Kombo does not find, and writes down that those are not deleted for which it answers. A
    /// dry run writes neither and only says what would leave.
    pub async fn purge_answered(
        &self,
        endpoints: &[Arc<Endpoint>],
        found: &PurgeDue,
        answers: &PurgeAnswers,
        dry_run: bool,
    ) -> Result<PurgeReport, LakeError> {
        purge_answers::purge_answered(self.tables(), endpoints, found, answers, dry_run).await
    }

    /// Folds as [`Lake::fold`] does and tells the log what was folded, what could not be, what is held and what is held no
    /// longer. Of what is held Kombo is asked why, where it can be: a scope that was switched off, or data that expired,
    /// explains rows that vanish at once. The answer is written down.
    ///
    /// A failed fold is told, too, before its error is returned. Dropping it is safe at any point.
    pub async fn fold_told(
        &self,
        endpoint: &Arc<Endpoint>,
        only: Option<&BTreeSet<IntegrationKey>>,
        settings: &FoldSettings,
        kombo: Option<&dyn Questions>,
    ) -> Result<ToldFold, LakeError> {
        told_fold::fold_told(self, endpoint, only, settings, kombo).await
    }

    /// Returns the chores that the lake's settings leave to a service with snapshots this far apart, for the tables of these
    /// endpoints. Give all there are: tables of endpoints that are not fetched any more are folded and kept up all the same.
    #[must_use]
    pub fn chores(
        &self,
        endpoints: &[Arc<Endpoint>],
        full_interval: Duration,
    ) -> Vec<Box<dyn Chore>> {
        let LakeSettings { fold, upkeep, .. } = self.settings();
        let upkeep = upkeep.with_snapshots_every(full_interval);
        let mut chores: Vec<Box<dyn Chore>> = Vec::new();
        if fold.enabled {
            let chore = FoldChore::new(self.clone(), endpoints.to_vec(), *fold);
            chores.push(Box::new(chore));
        }
        if upkeep.enabled {
            let chore = UpkeepChore::new(self.clone(), endpoints.to_vec(), upkeep);
            chores.push(Box::new(chore));
        }
        chores
    }
}
