//! What a backfill writes to the registry about integrations that Kombo does not find. The rule is [`Deletion`], which
//! the service uses as well.

use std::time::Duration;

use crate::api::{ApiError, KomboApi};
use crate::ids::EnvironmentId;
use crate::plan::{Begun, Deletion, NotFound, Others, Standing};
use crate::sink::Registration;
use crate::time::Moment;

use super::targets::{KnownIntegration, Missing, UnknownIntegration, UnknownReason};

/// One round of questions: each integration of the backfill is asked for once.
#[derive(Clone, Copy, Debug)]
pub struct Round<'a> {
    /// When the round began.
    pub begun: Begun,
    /// The environment of the key, as Kombo named it right after the round.
    pub key_of: &'a EnvironmentId,
}

impl UnknownIntegration {
    /// Returns whether Kombo itself answered that it finds no such integration.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        let gone = |error: &ApiError| matches!(error, ApiError::IntegrationGone { .. });
        matches!(&self.reason, UnknownReason::Api(error) if gone(error))
    }
}

impl Round<'_> {
    /// Returns the registry rows of the integrations that Kombo does not find, and puts the consequence into their
    /// reasons. Skips integrations that are purged or not registered.
    #[must_use]
    pub fn missing(
        &self,
        registered: &[Registration],
        known: &[KnownIntegration],
        unknown: &mut [UnknownIntegration],
    ) -> Vec<Registration> {
        let mut told = Vec::new();
        // The others are all that Kombo knows, and all that Kombo does not know except this one.
        let found = known.iter().map(|_| true);
        let others = Others::of(found.chain((1..unknown.len()).map(|_| false)));
        for missing in unknown {
            let stored = registered.iter().find(|one| one.integration == missing.id);
            let stored = stored.filter(|stored| stored.state != Registration::PURGED);
            let Some(stored) = stored.filter(|_| missing.is_missing()) else {
                continue;
            };
            let judged = NotFound::judge(self.begun, stored.environment.as_ref(), self.key_of);
            let becomes = match judged {
                Ok(not_found) => {
                    let (becomes, row) = self.told(stored, not_found, others);
                    told.push(row);
                    becomes
                }
                Err(doubt) => Missing::Doubted(doubt),
            };
            missing.reason = UnknownReason::Missing(becomes);
        }
        told
    }

    fn told(
        &self,
        stored: &Registration,
        not_found: NotFound,
        others: Others,
    ) -> (Missing, Registration) {
        let deletion = Deletion::after(
            &stored.integration,
            stored.not_found_since(),
            not_found,
            others,
        );
        let (becomes, standing, first) = match &deletion {
            Deletion::Deleting { first } => (Missing::Deleting, Standing::Deleting, *first),
            Deletion::Deleted(gone) => (Missing::Deleted, Standing::Deleted, gone.first()),
        };
        let row = Registration {
            state: standing.as_str().to_owned(),
            state_since_ms: Some(self.begun.latest().as_millis()),
            not_found_since_ms: Some(first.moment().as_millis()),
            ..stored.clone()
        };
        (becomes, row)
    }
}

/// Returns when a round of questions began, on Kombo's clock and on the local clock. With both, two rounds never seem
/// further apart than they are.
#[must_use]
pub fn begun(api: &impl KomboApi, wall: Moment, elapsed: Duration) -> Begun {
    let server = api.server_now().map(|now| now.moment() - elapsed);
    Begun::by(server.unwrap_or(wall), wall)
}
