//! Has candidates stored before their first webhook is acknowledged. Candidates that come while a write is under way share
//! the next write, and their webhooks are answered together.

use tracing::{info, warn};

use super::dispatch::Dispatch;
use super::door::ReplyTo;
use super::store_turns::StoreTurns;
use crate::ids::IntegrationId;
use crate::sink::{Candidate, Registry, SinkError, StoredCandidates};
use crate::time::Moment;
use crate::words::with_causes;

/// The webhooks that wait for the candidates to be stored, and whether the candidates are being read or written.
#[derive(Debug, Default)]
pub(super) struct CandidateWrites {
    turns: StoreTurns,
    /// Whether the stored candidates have never been listed.
    is_unread: bool,
}

/// A write that has ended.
pub(super) struct KeptCandidates {
    list: Vec<Candidate>,
    result: Result<(), SinkError>,
}

/// A read that has ended.
pub(super) struct Recalled(Result<StoredCandidates, SinkError>);

impl CandidateWrites {
    /// Takes the result of reading the candidates at the start.
    pub(super) fn begin(
        read: Result<StoredCandidates, SinkError>,
        dispatch: &mut Dispatch,
        now: Moment,
    ) -> Self {
        let mut writes = Self::default();
        writes.recalled(Recalled(read), dispatch, now);
        writes
    }

    /// Takes in the result of a read. What could not be read stays stored.
    pub(super) fn recalled(&mut self, read: Recalled, dispatch: &mut Dispatch, now: Moment) {
        self.turns.end();
        let StoredCandidates { known, unread } = match read.0 {
            Ok(read) => read,
            Err(error) => {
                self.is_unread = true;
                return self
                    .turns
                    .put_off(&error, "the candidates cannot be read from the lake");
            }
        };
        self.is_unread = false;
        self.turns.succeeded();
        for error in &unread {
            let advice = error.advice();
            warn!(
                error = with_causes(error),
                advice, "some candidates cannot be read from the lake; everything else goes on"
            );
        }
        if !known.is_empty() {
            info!(
                candidates = known.len(),
                "read the candidates: integrations that webhooks have named and that Kombo has not confirmed; Kombo is asked for each"
            );
        }
        dispatch.recall(&known, now);
    }

    /// Returns whether candidates may be read or written now.
    pub(super) fn is_free(&self) -> bool {
        self.turns.is_free()
    }

    /// Returns a task that reads the candidates, if that failed before.
    pub(super) fn read<S: Registry>(
        &mut self,
        sink: S,
    ) -> Option<impl Future<Output = Recalled> + Send + use<S>> {
        if !self.is_unread {
            return None;
        }
        self.turns.begin();
        Some(async move { Recalled(sink.candidates().await) })
    }

    /// Returns a task that writes the complete list.
    pub(super) fn write<S: Registry>(
        &mut self,
        sink: S,
        list: Vec<Candidate>,
    ) -> impl Future<Output = KeptCandidates> + Send + use<S> {
        self.turns.begin();
        async move {
            let result = sink.keep_candidates(&list).await;
            KeptCandidates { list, result }
        }
    }

    /// Keeps a webhook waiting until its candidate is stored. Gives the answer channel back if too many wait.
    pub(super) fn wait(&mut self, id: IntegrationId, answer: ReplyTo) -> Result<(), ReplyTo> {
        self.turns.wait(id, answer)
    }

    /// Takes in the result of a write, and answers the webhooks that waited for it.
    pub(super) fn kept(&mut self, kept: KeptCandidates, dispatch: &mut Dispatch) {
        self.turns.end();
        let KeptCandidates { list, result } = kept;
        dispatch.kept(&list, result.is_ok());
        match result {
            Ok(()) => self.turns.succeeded(),
            Err(error) => self.turns.put_off(
                &error,
                "the candidates cannot be written to the lake: webhooks of new integrations are answered 503",
            ),
        }
        self.turns
            .answer(|id| dispatch.is_durable(id), |id| dispatch.is_refused(id));
    }
}
