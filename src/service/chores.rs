//! The sink's chores, which run beside the fetches. None holds up a fetch or a shutdown, and a failure costs nothing but
//! the run.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::dispatch::Dispatch;
use super::questions::ApiQuestions;
use crate::api::KomboApi;
use crate::chore::{Beside, Chore};
use crate::metrics::Metrics;
use crate::time::Moment;

/// The sink's chores. One that is under way is with its task.
pub(super) struct Chores {
    idle: HashMap<&'static str, Box<dyn Chore>>,
    pub(super) under_way: usize,
}

/// A run of a chore that ended.
pub(super) struct ChoreRun {
    chore: Box<dyn Chore>,
    /// Until it is due again.
    wait: Duration,
}

impl Chores {
    /// Puts each down for the first time.
    pub(super) fn begin(chores: Vec<Box<dyn Chore>>, dispatch: &mut Dispatch, now: Moment) -> Self {
        for chore in &chores {
            dispatch.time_chore(chore.name(), chore.first_due(), now);
        }
        Self {
            idle: (chores.into_iter().map(|chore| (chore.name(), chore))).collect(),
            under_way: 0,
        }
    }

    /// Takes a chore out and returns its run; `None` while it is under way.
    pub(super) fn run<A: KomboApi>(
        &mut self,
        name: &'static str,
        kombo: ApiQuestions<A>,
        metrics: Metrics,
    ) -> Option<impl Future<Output = ChoreRun> + Send + use<A>> {
        let mut chore = self.idle.remove(name)?;
        self.under_way += 1;
        Some(async move {
            let (began, kombo, metrics) = (Instant::now(), &kombo, &metrics);
            let again = chore.run(Beside { kombo, metrics }).await;
            let wait = again.saturating_sub(began.elapsed());
            ChoreRun { chore, wait }
        })
    }

    /// Puts a chore down again.
    pub(super) fn ended(&mut self, run: ChoreRun, dispatch: &mut Dispatch, now: Moment) {
        let ChoreRun { chore, wait } = run;
        self.under_way -= 1;
        dispatch.time_chore(chore.name(), wait, now);
        self.idle.insert(chore.name(), chore);
    }
}
