//! What runs beside the fetches: the sink's chores, and the notes for `status`. Neither holds up a fetch or a shutdown, and a
//! failure of either costs nothing but itself.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::warn;

use super::dispatch::Dispatch;
use super::run::{Report, Service};
use crate::api::KomboApi;
use crate::chore::{Beside, Chore};
use crate::sink::{Registry, Sink, SinkError};
use crate::time::Moment;

/// How long the last notes may take.
const LAST_NOTES: Duration = Duration::from_secs(5);

/// The sink's chores. One that is under way is with its task.
pub(super) struct Chores {
    idle: HashMap<&'static str, Box<dyn Chore>>,
    running: usize,
    noting: bool,
}

/// A run of a chore that ended.
pub(super) struct ChoreRun {
    chore: Box<dyn Chore>,
    /// Until it is due again.
    wait: Duration,
}

impl Chores {
    /// Puts each down for the first time, and the notes.
    pub(super) fn begin(chores: Vec<Box<dyn Chore>>, dispatch: &mut Dispatch, now: Moment) -> Self {
        for chore in &chores {
            dispatch.time_chore(chore.name(), chore.first_due(), now);
        }
        dispatch.time_notes(now);
        Self {
            idle: (chores.into_iter().map(|chore| (chore.name(), chore))).collect(),
            running: 0,
            noting: false,
        }
    }

    /// Returns how many tasks are of this kind.
    pub(super) fn under_way(&self) -> usize {
        self.running + usize::from(self.noting)
    }
}

impl<A, S> Service<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Registry + Clone + 'static,
{
    /// Runs a chore, unless it is under way.
    pub(super) fn begin_chore(&mut self, name: &'static str) {
        let Some(mut chore) = self.chores.idle.remove(name) else {
            return;
        };
        self.chores.running += 1;
        let (kombo, metrics) = (self.questions.clone(), self.metrics.clone());
        let run = async move {
            let (began, kombo, metrics) = (Instant::now(), &kombo, &metrics);
            let again = chore.run(Beside { kombo, metrics }).await;
            let wait = again.saturating_sub(began.elapsed());
            ChoreRun { chore, wait }
        };
        self.runner.beside(run, Report::Chore);
    }

    /// Puts a chore down again.
    pub(super) fn chore_ended(&mut self, run: ChoreRun, now: Moment) {
        let ChoreRun { chore, wait } = run;
        self.chores.running -= 1;
        self.dispatch.time_chore(chore.name(), wait, now);
        self.chores.idle.insert(chore.name(), chore);
    }

    /// Leaves in the sink what the service has to say, unless that is under way.
    pub(super) fn put_notes(&mut self, now: Moment) {
        if std::mem::replace(&mut self.chores.noting, true) {
            return;
        }
        let (sink, notes) = (self.sink().clone(), self.dispatch.notes(now).to_bytes());
        let put = async move { sink.put_notes(notes).await };
        self.runner.beside(put, Report::Noted);
    }

    pub(super) fn noted(&mut self, result: Result<(), SinkError>) {
        self.chores.noting = false;
        if let Err(error) = result {
            let error: &dyn std::error::Error = &error;
            warn!(error, "the notes for status were not put");
        }
    }
}

/// Leaves what the service has to say at its end, unless the sink does not take it soon.
pub(super) async fn put_last_notes(sink: &impl Registry, notes: Vec<u8>) {
    // Notes are for display; what counts is in the sink already.
    let put = timeout(LAST_NOTES, sink.put_notes(notes)).await;
    if !matches!(put, Ok(Ok(()))) {
        warn!("the last notes for status were not put");
    }
}
