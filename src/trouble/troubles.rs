//! The board of a process, shared by its parts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::refused_webhooks::{RefusedBefore, RefusedWebhooks};
use super::{Board, Sight, Trouble, TroubleChange, TroubleKind};
use crate::time::Moment;

/// The troubles of a service. A clone is cheap and shares the board.
#[derive(Clone, Debug, Default)]
pub struct Troubles(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    board: Mutex<State>,
    webhooks: Arc<RefusedWebhooks>,
}

#[derive(Debug, Default)]
struct State {
    board: Board,
    refused: RefusedBefore,
    now: Moment,
}

impl Troubles {
    /// Takes what is seen of a kind now. `None` means that the trouble is not there, or is over.
    pub fn see(&self, kind: TroubleKind, sight: Option<Sight>) {
        let mut state = self.state();
        let now = state.now;
        state.board.see(kind, sight, now);
    }

    /// Sets the time, and returns what has changed since the last call.
    #[must_use]
    pub fn pass(&self, now: Moment) -> Vec<TroubleChange> {
        let mut state = self.state();
        state.now = now;
        let refused = self.0.webhooks.look(&mut state.refused, now);
        state.board.see(TroubleKind::WebhooksRefused, refused, now);
        state.board.pass(now);
        state.board.take_changes()
    }

    /// Returns the troubles that last, those that stop the most data first.
    #[must_use]
    pub fn lasting(&self) -> Vec<Trouble> {
        self.state().board.troubles()
    }

    /// Returns the counts of webhooks, for the listener.
    #[must_use]
    pub fn webhooks(&self) -> Arc<RefusedWebhooks> {
        Arc::clone(&self.0.webhooks)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is complete before anything can panic.
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
