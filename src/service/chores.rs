//! The sink's chores, which run beside the fetches. A chore never delays a fetch or a shutdown. If a chore fails, only
//! that run is lost.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::dispatch::Dispatch;
use super::questions::ApiQuestions;
use crate::api::KomboApi;
use crate::chore::{Beside, Chore};
use crate::metrics::Metrics;
use crate::time::Moment;
use crate::trouble::Troubles;

/// The sink's chores. A running chore is with its task, not in `idle`.
pub(super) struct Chores {
    idle: HashMap<&'static str, Box<dyn Chore>>,
    pub(super) under_way: usize,
}

/// The result of one run of a chore.
pub(super) struct ChoreRun {
    chore: Box<dyn Chore>,
    /// How long to wait until the chore is due again.
    wait: Duration,
}

impl Chores {
    /// Schedules the first run of each chore.
    pub(super) fn begin(chores: Vec<Box<dyn Chore>>, dispatch: &mut Dispatch, now: Moment) -> Self {
        for chore in &chores {
            dispatch.time_chore(chore.name(), chore.first_due(), now);
        }
        Self {
            idle: (chores.into_iter().map(|chore| (chore.name(), chore))).collect(),
            under_way: 0,
        }
    }

    /// Returns a run of the chore, or `None` while the chore is running.
    pub(super) fn run<A: KomboApi>(
        &mut self,
        name: &'static str,
        kombo: ApiQuestions<A>,
        metrics: Metrics,
        troubles: Troubles,
    ) -> Option<impl Future<Output = ChoreRun> + Send + use<A>> {
        let mut chore = self.idle.remove(name)?;
        self.under_way += 1;
        Some(async move {
            let (began, kombo) = (Instant::now(), &kombo);
            let (metrics, troubles) = (&metrics, &troubles);
            let again = chore
                .run(Beside {
                    kombo,
                    metrics,
                    troubles,
                })
                .await;
            let wait = again.saturating_sub(began.elapsed());
            ChoreRun { chore, wait }
        })
    }

    /// Schedules the next run of a chore.
    pub(super) fn ended(&mut self, run: ChoreRun, dispatch: &mut Dispatch, now: Moment) {
        let ChoreRun { chore, wait } = run;
        self.under_way -= 1;
        dispatch.time_chore(chore.name(), wait, now);
        self.idle.insert(chore.name(), chore);
    }
}
