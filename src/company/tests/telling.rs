use std::time::Duration;

use super::living::{SETTLE, id_of, pace, truth};
use super::{ask, endpoint, error_code, world};
use crate::company::{ChangeError, ChangeKind, Oddities, Refusal, TwinWebhook, World};
use crate::ids::IntegrationId;
use crate::webhook::{IntegrationChange, IntegrationState, Webhook, preview};

fn parsed(webhooks: &[TwinWebhook]) -> Vec<Webhook> {
    let mut all = webhooks.iter();
    let read = all
        .by_ref()
        .map(|one| preview(one.body.as_bytes()).expect("a webhook"));
    read.collect()
}

#[test]
fn an_integration_is_created_paused_woken_and_deleted_and_each_is_told() {
    let mut world = world(50, Oddities::NONE);
    let created = world.connect();
    let ask_it = |world: &mut World| {
        let query = super::TwinRequest {
            path: "/ats/tags",
            query: "",
            bearer: Some("twin-key"),
            integration: Some(created.as_str()),
        };
        world.answer(query)
    };
    assert_eq!(world.integrations().len(), 5);
    assert_eq!(
        error_code(&ask_it(&mut world)),
        "INTEGRATION.SETUP_SYNC_PENDING"
    );
    world.advance(Duration::from_mins(1));
    assert_eq!(ask_it(&mut world).status, 200);
    let mut states = Vec::new();
    for kind in [ChangeKind::IntegrationPaused, ChangeKind::IntegrationWoken] {
        world
            .change(kind, &created, None, None)
            .expect("it happens");
        assert_eq!(
            world.change(kind, &created, None, None),
            Err(ChangeError::NotNow)
        );
        states.push(world.describe(&created).expect("known").status);
    }
    assert_eq!(states, ["INACTIVE", "ACTIVE"]);
    world
        .change(ChangeKind::IntegrationDeleted, &created, None, None)
        .expect("it happens");
    assert_eq!(
        error_code(&ask_it(&mut world)),
        "PLATFORM.INTEGRATION_NOT_FOUND"
    );
    let changes = parsed(&world.webhooks(SETTLE))
        .into_iter()
        .map(|webhook| match webhook {
            Webhook::Integration(event) if event.integration == created => event.change,
            other => panic!("{other:?}"),
        });
    let state = IntegrationChange::State;
    assert_eq!(
        changes.collect::<Vec<_>>(),
        [
            IntegrationChange::Created,
            state(IntegrationState::Readable),
            state(IntegrationState::Inactive),
            state(IntegrationState::Readable),
            IntegrationChange::Deleted,
        ]
    );
}

#[test]
fn the_first_change_is_told_at_once_and_those_soon_after_it_together() {
    let mut world = world(300, Oddities::NONE);
    let id = id_of(&world, "ats/jobs");
    let edit = |world: &mut World, name: &str| assert!(world.edit(&id, endpoint(name), 1));
    let told = |world: &mut World| {
        let webhooks = world.webhooks(SETTLE);
        let all = parsed(&webhooks).into_iter().map(|webhook| match webhook {
            Webhook::DataChanged(notification) => {
                assert_eq!(notification.integration, id);
                notification
                    .models
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            other => panic!("{other:?}"),
        });
        all.collect::<Vec<_>>()
    };
    edit(&mut world, "ats/jobs");
    assert_eq!(told(&mut world), ["ats_jobs"]);
    edit(&mut world, "ats/tags");
    world.advance(Duration::from_secs(29));
    edit(&mut world, "ats/users");
    edit(&mut world, "ats/tags");
    assert_eq!(told(&mut world), [""; 0]);
    world.advance(Duration::from_secs(1));
    assert_eq!(told(&mut world), ["ats_tags ats_users"]);
    world.advance(Duration::from_mins(5));
    assert_eq!(told(&mut world), [""; 0], "nothing new, nothing told");
}

#[test]
fn webhooks_name_every_model_that_changed_and_lost_ones_are_the_share_asked_for() {
    let mut world = world(300, Oddities::NONE);
    world.live(pace(600, false));
    let mut told = Vec::new();
    for _ in 0..240 {
        world.advance(Duration::from_secs(10));
        told.extend(world.webhooks(Duration::ZERO));
    }
    let key = |id: &IntegrationId, model: &String| (id.to_string(), model.clone());
    let named: std::collections::BTreeSet<_> = told
        .iter()
        .flat_map(|one| one.models.iter().map(|model| key(&one.integration, model)))
        .collect();
    let changed: std::collections::BTreeSet<_> = world
        .journal()
        .flat_map(|one| one.models.iter().map(|model| key(&one.integration, model)))
        .collect();
    assert_eq!(named, changed);
    assert!(changed.len() > 25, "{changed:?}");
    let ids: std::collections::HashSet<_> = told.iter().map(|one| &one.id).collect();
    assert_eq!(ids.len(), told.len());
    let lost = |share| told.iter().filter(|one| one.is_lost(share)).count();
    assert_eq!((lost(0), lost(100)), (0, told.len()));
    let (third, all) = (lost(30), told.len());
    assert!(
        all > 600 && third * 100 > all * 24 && third * 100 < all * 36,
        "{third} of {all}"
    );
}

#[test]
fn a_world_at_rest_changes_no_more() {
    let mut world = world(300, Oddities::NONE);
    world.live(pace(600, false));
    world.advance(Duration::from_mins(1));
    world.rest();
    let (before, count) = (truth(&world), world.journal().count());
    world.advance(Duration::from_hours(2));
    assert!(truth(&world) == before);
    assert_eq!(world.journal().count(), count);
    world.live(pace(600, false));
    world.advance(Duration::from_mins(1));
    assert!(world.journal().count() - count > 500);
}

#[test]
fn changes_that_cannot_be_made_say_why_and_change_nothing() {
    use {ChangeError as E, ChangeKind as K};
    let mut world = world(50, Oddities::NONE);
    let id = id_of(&world, "ats/jobs");
    let stranger = IntegrationId::new("lever:nobody").expect("an id");
    let jobs = Some(endpoint("ats/jobs").name());
    let groups = Some(endpoint("hris/groups").name());
    for (kind, id, endpoint, index, error) in [
        (K::Edit, &stranger, jobs, None, E::UnknownIntegration),
        (K::Edit, &id, groups, None, E::UnknownEndpoint),
        (K::Edit, &id, None, None, E::NeedsEndpoint),
        (K::Edit, &id, jobs, Some(9_999), E::UnknownRecord),
        (K::ScopeOn, &id, jobs, None, E::NotNow),
        (K::Anonymise, &id, jobs, Some(1), E::NotNow),
        (K::IntegrationWoken, &id, None, None, E::NotNow),
        (
            K::IntegrationDeleted,
            &stranger,
            None,
            None,
            E::UnknownIntegration,
        ),
    ] {
        assert_eq!(
            world.change(kind, id, endpoint, index),
            Err(error),
            "{kind:?}"
        );
    }
    assert_eq!(world.journal().count(), 0);
}

#[test]
fn requests_are_counted_by_what_they_ask_for_and_unknown_paths_share_a_name() {
    let mut world = world(50, Oddities::NONE);
    ask(&mut world, "ats/tags", "");
    ask(
        &mut world,
        "ats/tags",
        "page_size=10&updated_after=2026-01-01",
    );
    ask(&mut world, "ats/jobs", "ids=x&include_deleted=true");
    let id = id_of(&world, "ats/jobs");
    world.refuse(&id, None, Refusal::with_code("INTEGRATION.INACTIVE"));
    ask(&mut world, "ats/jobs", "");
    for path in ["/wp-login.php", "/ats/nothing", "/check-api-key"] {
        super::get(&mut world, path, "", Some("twin-key"), None);
    }
    super::get(
        &mut world,
        &format!("/integrations/{id}"),
        "",
        Some("wrong"),
        None,
    );
    let requests = world.requests();
    assert_eq!(
        (requests.delta, requests.snapshot, requests.other),
        (1, 2, 5)
    );
    assert_eq!(requests.total(), 8);
    let paths: Vec<_> = requests
        .by_path
        .iter()
        .map(|(path, count)| (path.as_str(), *count))
        .collect();
    assert_eq!(
        paths,
        [
            ("/ats/jobs", 2),
            ("/ats/tags", 2),
            ("/check-api-key", 1),
            ("/integrations/{id}", 1),
            ("unknown", 2)
        ]
    );
    assert_eq!(requests.by_status[&200], 4);
    assert_eq!(requests.by_status[&401], 1);
}
