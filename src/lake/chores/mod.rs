//! The chores that a lake needs besides fetches, for the dispatcher of the service: folding (`fold_chore`), upkeep
//! with the purge of deleted integrations (`upkeep_chore`), what Kombo says of the customers (`customer_chore`), and a
//! look at the room on the disk (`disk_chore`).
//!
//! The chores decide when to work, and log the result. The work itself is in [`fold`](super::fold) and
//! [`care`](super::care), which the verbs of the command line call, too. Code that chores and verbs share is here once:
//! a fold with its log lines (`told_fold`), the texts of a hold (`hold_text`), and Kombo's answers before a purge
//! (`purge_answers`).
//!
//! A run may be dropped at any `.await`: files without a log entry are unreferenced, and uncommitted work is due again.
//! A chore may never delay a fetch, and may never remove rows without an answer of Kombo from right before.

mod customer_chore;
mod disk_chore;
mod fold_chore;
mod full_interval;
mod hold_text;
mod purge_answers;
mod told_fold;
mod upkeep_chore;

pub use full_interval::FullInterval;
pub use purge_answers::{PurgeAnswers, WhyKept};
pub use told_fold::ToldFold;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::customer_chore::CustomerChore;
use self::disk_chore::DiskChore;
use self::fold_chore::FoldChore;
use self::upkeep_chore::UpkeepChore;
use super::{FoldSettings, Lake, LakeError, LakeSettings, PurgeDepth, PurgeDue, PurgeReport};
use crate::catalog::Endpoint;
use crate::chore::{Chore, Questions};
use crate::ids::IntegrationKey;

/// Entry points of this room.
impl Lake {
    /// Purges the integrations that Kombo does not find. For the integrations that Kombo does find, the registry is
    /// updated: they are not deleted. A plan changes nothing and only reports.
    pub async fn purge_answered(
        &self,
        endpoints: &[Arc<Endpoint>],
        found: &PurgeDue,
        answers: &PurgeAnswers,
        depth: PurgeDepth,
    ) -> Result<PurgeReport, LakeError> {
        purge_answers::purge_answered(self.tables(), endpoints, found, answers, depth).await
    }

    /// Folds like [`Lake::fold`] and logs the result: folded tables, failures, new holds and released holds. Asks Kombo
    /// for the cause of a hold if `kombo` is given, and stores the answer. A scope that was switched off, or expired
    /// data, explains rows that disappear at once.
    ///
    /// A failed fold is logged before its error is returned. The future may be dropped at any point.
    pub async fn fold_told(
        &self,
        endpoint: &Arc<Endpoint>,
        only: Option<&BTreeSet<IntegrationKey>>,
        settings: &FoldSettings,
        kombo: Option<&dyn Questions>,
    ) -> Result<ToldFold, LakeError> {
        told_fold::fold_told(self, endpoint, only, settings, kombo).await
    }

    /// Returns the chores that the lake's settings leave to a service with this interval between full fetches, which may change later. Pass all
    /// endpoints: tables of endpoints that are no longer fetched still need folds and upkeep.
    #[must_use]
    pub fn chores(
        &self,
        endpoints: &[Arc<Endpoint>],
        full_interval: &FullInterval,
    ) -> Vec<Box<dyn Chore>> {
        let LakeSettings { fold, upkeep, .. } = self.settings();
        let mut chores: Vec<Box<dyn Chore>> = Vec::new();
        if fold.enabled {
            let chore = FoldChore::new(self.clone(), endpoints.to_vec(), *fold);
            chores.push(Box::new(chore));
        }
        if self.disk_room().is_some() {
            chores.push(Box::new(DiskChore::new(self.clone())));
        }
        if upkeep.enabled {
            let (lake, upkeep) = (self.clone(), upkeep.clone());
            let chore = UpkeepChore::new(lake, endpoints.to_vec(), upkeep, full_interval.clone());
            chores.push(Box::new(chore));
        }
        let chore = CustomerChore::new(self.clone(), endpoints.to_vec());
        chores.push(Box::new(chore));
        chores
    }
}
