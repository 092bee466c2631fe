//! Asks Kombo about each integration right before its rows are purged.

use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::chore::{NoAnswer, Questions, Stands};
use crate::ids::IntegrationId;
use crate::lake::care::purge::purge;
use crate::lake::ledgers::registry::{Wakes, register};
use crate::lake::tables::Tables;
use crate::lake::{LakeError, PurgeDepth, PurgeDue, PurgeReport};
use crate::plan::{ConfirmedGone, Doubt, NotFound, Standing};
use crate::sink::Registration;
use crate::time::ObservedAt;

/// Kombo's answers about the integrations that are due to be purged.
#[derive(Debug, Default)]
pub struct PurgeAnswers {
    /// Integrations that Kombo has just confirmed to be gone.
    pub gone: Vec<ConfirmedGone>,
    /// Integrations that are kept, and why.
    pub kept: Vec<(IntegrationId, WhyKept)>,
}

/// Why an integration that is due is not purged.
#[derive(Debug, thiserror::Error)]
pub enum WhyKept {
    /// Kombo finds the integration.
    #[error("Kombo finds the integration: it is {0}, not deleted")]
    Alive(Standing),
    /// Kombo does not find the integration, but the answer is not reliable.
    #[error("Kombo does not find the integration, but the answer is ignored: {}", .0.as_str())]
    Doubted(Doubt),
    /// The first check that did not find the integration is less than a day old.
    #[error("the first check that did not find the integration is less than a day old")]
    TooEarly,
    /// Kombo does not find the integration, and refused the API key right after.
    #[error(
        "Kombo does not find the integration, but refused the API key right after: {}",
        .0.message
    )]
    KeyNotAccepted(NoAnswer),
    /// Kombo did not answer.
    #[error("Kombo could not be asked about the integration: {}", .0.message)]
    Unanswered(NoAnswer),
}

impl WhyKept {
    /// Returns whether Kombo must be asked again.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Alive(_))
    }

    /// Returns what the operator can do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Alive(_) => {
                "a running service fetches the integration again within a day; restart the service to fetch it now"
            }
            Self::Doubted(_) => {
                "use the API key of the integration's environment, and run the purge again"
            }
            Self::TooEarly => "run the purge again in a day",
            Self::KeyNotAccepted(none) | Self::Unanswered(none) => none.advice,
        }
    }
}

impl PurgeAnswers {
    /// Returns whether Kombo must be asked again about an integration.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.kept.iter().any(|(_, kept)| kept.is_open())
    }

    /// Asks Kombo about each integration that is due. Changes nothing.
    pub async fn ask(kombo: &dyn Questions, found: &PurgeDue) -> Self {
        // The earlier of the store's clock and the local clock: a check must never count as later than it was.
        let begun = ObservedAt::from(found.now);
        let mut asked = Self::default();
        for known in &found.due {
            let id = &known.integration;
            match answer(known, begun, kombo.stands(id).await) {
                Ok(gone) => asked.gone.push(gone),
                Err(kept) => asked.kept.push((id.clone(), kept)),
            }
        }
        asked
    }

    /// Returns registry rows for the integrations that Kombo finds: they are not deleted.
    fn alive(&self, found: &PurgeDue) -> Vec<Registration> {
        let alive = self.kept.iter().filter_map(|(id, kept)| {
            let WhyKept::Alive(standing) = kept else {
                return None;
            };
            let known = found.due.iter().find(|known| known.integration == *id)?;
            Some(Registration {
                state: standing.as_str().to_owned(),
                state_since_ms: Some(found.now.as_millis()),
                not_found_since_ms: None,
                ..known.clone()
            })
        });
        alive.collect()
    }
}

/// Purges the integrations that Kombo does not find. For the integrations that Kombo does find, the registry is
/// updated: they are not deleted. A plan changes nothing and only reports.
pub(in crate::lake) async fn purge_answered(
    tables: &Tables,
    endpoints: &[Arc<Endpoint>],
    found: &PurgeDue,
    answers: &PurgeAnswers,
    depth: PurgeDepth,
) -> Result<PurgeReport, LakeError> {
    let alive = answers.alive(found);
    if depth != PurgeDepth::Plan && !alive.is_empty() {
        drop(register(tables, &alive, Wakes::All).await?);
    }
    purge(tables, endpoints, &answers.gone, depth).await
}

fn answer(
    known: &Registration,
    begun: ObservedAt,
    stands: Stands,
) -> Result<ConfirmedGone, WhyKept> {
    match stands {
        Stands::As(standing) => Err(WhyKept::Alive(standing)),
        Stands::KeyNotAccepted(none) => Err(WhyKept::KeyNotAccepted(none)),
        Stands::Unanswered(none) => Err(WhyKept::Unanswered(none)),
        Stands::NotFound { key_of } => {
            let again = NotFound::judge(begun, known.environment.as_ref(), &key_of);
            let again = again.map_err(WhyKept::Doubted)?;
            let first = known.not_found_since().ok_or(WhyKept::TooEarly)?;
            ConfirmedGone::of(&known.integration, first, again).ok_or(WhyKept::TooEarly)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::company::{ChangeKind, Refusal, World, WorldSettings};
    use crate::customer::EndUser;
    use crate::ids::{Category, EnvironmentId};
    use crate::lake::Lake;
    use crate::lake::LakeSettings;
    use crate::service::ApiQuestions;
    use crate::time::Moment;
    use crate::time::SystemClock;
    use crate::twin::TwinApi;

    const NOW: i64 = 1_767_600_000_000;
    const DAY: i64 = 24 * 3_600_000;

    /// A twin with three integrations.
    fn twin() -> (TwinApi, Vec<IntegrationId>) {
        let settings = WorldSettings {
            integrations: 3,
            rows: 10,
            ..WorldSettings::default()
        };
        let twin = TwinApi::new(World::new(settings));
        let ids = twin
            .world()
            .lock()
            .integrations()
            .iter()
            .map(|one| one.id().clone())
            .collect();
        (twin, ids)
    }

    fn asking(twin: &TwinApi) -> ApiQuestions<TwinApi> {
        ApiQuestions::new(Arc::new(twin.clone()))
    }

    fn delete(twin: &TwinApi, id: &IntegrationId) {
        let mut world = twin.world().lock();
        let gone = world.change(ChangeKind::IntegrationDeleted, id, None, None);
        gone.expect("it was there");
    }

    fn due(twin: &TwinApi, ids: &[IntegrationId], not_found_since_ms: Option<i64>) -> PurgeDue {
        let own = twin.world().lock().environment_id();
        let due = ids.iter().map(|id| Registration {
            integration: id.clone(),
            category: Category::Ats,
            origin: "webhook".to_owned(),
            state: Registration::DELETED.to_owned(),
            since_ms: 1,
            state_since_ms: Some(NOW - 19 * DAY),
            not_found_since_ms,
            environment: EnvironmentId::new(&own),
            end_user: EndUser::default(),
        });
        PurgeDue {
            due: due.collect(),
            waiting: Vec::new(),
            now: Moment::from_millis(NOW),
        }
    }

    #[tokio::test]
    async fn only_what_kombo_does_not_find_now_may_leave_and_what_it_answers_for_lives_again() {
        let (twin, ids) = twin();
        delete(&twin, &ids[0]);
        let inactive = Refusal::with_code("INTEGRATION.INACTIVE");
        twin.world().lock().refuse(&ids[2], None, inactive);
        let found = due(&twin, &ids, Some(NOW - 20 * DAY));
        let asked = PurgeAnswers::ask(&asking(&twin), &found).await;
        let gone: Vec<_> = asked.gone.iter().map(ConfirmedGone::integration).collect();
        assert_eq!(gone, [&ids[0]]);
        let kept: Vec<_> = asked
            .kept
            .iter()
            .map(|(id, kept)| (id, kept.to_string()))
            .collect();
        let says = |state: &str| format!("Kombo finds the integration: it is {state}, not deleted");
        assert_eq!(
            kept,
            [(&ids[1], says("active")), (&ids[2], says("inactive"))]
        );
        assert!(!asked.is_open());

        let settings = LakeSettings {
            url: "memory:".to_owned(),
            ..LakeSettings::default()
        };
        let lake = Lake::open(&settings, Arc::new(SystemClock))
            .await
            .expect("a lake");
        let deleting = found.due.iter().map(|known| Registration {
            state: Registration::DELETING.to_owned(),
            ..known.clone()
        });
        let deleting: Vec<_> = deleting.collect();
        drop(lake.register(&deleting).await.expect("registered"));
        drop(lake.register(&found.due).await.expect("registered"));
        let alive = PurgeAnswers {
            gone: Vec::new(),
            ..asked
        };
        let purged = lake
            .purge_answered(&[], &found, &alive, PurgeDepth::Rows)
            .await;
        purged.expect("written");
        let states = lake.registered().await.expect("read").into_iter();
        let mut states: Vec<_> = states.map(|one| (one.integration, one.state)).collect();
        states.sort();
        let mut expected = vec![
            (ids[0].clone(), "deleted".to_owned()),
            (ids[1].clone(), "active".to_owned()),
            (ids[2].clone(), "inactive".to_owned()),
        ];
        expected.sort();
        assert_eq!(states, expected);
    }

    #[tokio::test]
    async fn without_proof_nothing_leaves() {
        let (twin, ids) = twin();
        delete(&twin, &ids[0]);
        let only = &ids[..1];
        let kept = async |found: PurgeDue| {
            let asked = PurgeAnswers::ask(&asking(&twin), &found).await;
            assert!(asked.gone.is_empty() && asked.is_open());
            asked.kept[0].1.to_string()
        };
        let early = kept(due(&twin, only, Some(NOW - DAY + 1))).await;
        assert!(early.contains("less than a day old"), "{early}");
        let undated = kept(due(&twin, only, None)).await;
        assert!(undated.contains("less than a day old"), "{undated}");
        let mut elsewhere = due(&twin, only, Some(NOW - 20 * DAY));
        elsewhere.due[0].environment = EnvironmentId::new("other");
        let elsewhere = kept(elsewhere).await;
        assert!(elsewhere.contains("another environment"), "{elsewhere}");
    }
}
