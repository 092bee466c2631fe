//! Has issues that webhooks tell of stored before their webhooks are acknowledged. Issues that come while a write is under
//! way share the next write.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::door::{Received, ReplyTo, overloaded};
use crate::customer::Issue;
use crate::sink::{Registry, SinkError};

/// The most issues that wait for a write. Webhooks of further ones are answered 503.
const WAITING: usize = 256;

/// How long to wait after a failed write. Webhooks that come meanwhile are answered 503.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The issues that wait, each with the answer to its webhook.
#[derive(Debug, Default)]
pub(super) struct IssueWrites {
    waiting: Vec<(Issue, ReplyTo)>,
    is_busy: bool,
    not_before: Option<Instant>,
}

/// A write that has ended.
pub(super) struct KeptIssues {
    written: Vec<(Issue, ReplyTo)>,
    result: Result<(), SinkError>,
}

impl IssueWrites {
    /// Keeps a webhook waiting until its issue is stored. Answers 503 if too many wait, or right after a failure.
    pub(super) fn wait(&mut self, issue: Issue, answer: ReplyTo) {
        let is_paused = self.not_before.is_some_and(|at| at > Instant::now());
        if is_paused || self.waiting.len() >= WAITING {
            return Received::reply(answer, Err(overloaded()));
        }
        self.waiting.push((issue, answer));
    }

    /// Returns a task that writes all that waits. `None` when nothing waits, or a write is under way.
    pub(super) fn write<S: Registry>(
        &mut self,
        sink: S,
    ) -> Option<impl Future<Output = KeptIssues> + Send + use<S>> {
        if self.is_busy || self.waiting.is_empty() {
            return None;
        }
        self.is_busy = true;
        let written = std::mem::take(&mut self.waiting);
        Some(async move {
            let issues: Vec<Issue> = written.iter().map(|(issue, _)| issue.clone()).collect();
            let result = sink.keep_issues(&issues).await;
            KeptIssues { written, result }
        })
    }

    /// Answers the webhooks of a write: 200 when their issues are stored.
    pub(super) fn kept(&mut self, kept: KeptIssues) {
        self.is_busy = false;
        let KeptIssues { written, result } = kept;
        match &result {
            Ok(()) => self.not_before = None,
            Err(error) => {
                self.not_before = Some(Instant::now() + RETRY_AFTER);
                let advice = error.advice();
                warn!(
                    error = error as &dyn std::error::Error,
                    advice,
                    "kombo_issues cannot be written: webhooks about issues are answered 503; the next try is in {} s",
                    RETRY_AFTER.as_secs()
                );
            }
        }
        for (issue, answer) in written {
            if result.is_ok() {
                tell(&issue);
            }
            Received::reply(answer, result.as_ref().map_err(|_| overloaded()).copied());
        }
    }
}

/// Logs an issue, without Kombo's texts.
fn tell(issue: &Issue) {
    let kind = &issue.kind;
    let state = if issue.resolved.is_some() {
        "resolved"
    } else {
        "raised"
    };
    match &issue.integration {
        Some(id) => {
            info!(integration.id = %id, kind, state, "Kombo says of {id}: issue {kind} {state}; kombo_issues has the remedy");
        }
        None => {
            info!(
                kind,
                state,
                "Kombo says of the environment: issue {kind} {state}; kombo_issues has the remedy"
            );
        }
    }
}
