use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::ObjectStoreExt;

use super::*;
use crate::catalog::Catalog;
use crate::customer::EndUser;
use crate::delta::store::TableStore;
use crate::ids::Category;
use crate::lake::LakeSettings;
use crate::plan::Schedule;
use crate::sink::Coverage;
use crate::time::{Bases, Moment};

const NOW: i64 = 1_800_000_000_000;
const HOUR: i64 = 3_600_000;

fn endpoint(updated_after: bool) -> Arc<Endpoint> {
    let all = Catalog::embedded().endpoints();
    let found = all
        .iter()
        .find(|endpoint| endpoint.updated_after == updated_after);
    Arc::clone(found.expect("the catalog has both kinds"))
}

fn objective() -> Objective {
    let schedule = Schedule::DEFAULT;
    assert_eq!(schedule.heartbeat_interval, Duration::from_hours(6));
    assert_eq!(schedule.full_interval, Duration::from_hours(7 * 24));
    Objective(schedule)
}

fn stored(age_ms: i64) -> TableOverview {
    let mut bases = Bases::default();
    bases.raise(Tier::Ordinary, Base::from_millis(NOW - age_ms));
    TableOverview {
        coverage: Coverage {
            bases,
            ..Coverage::default()
        },
        snapshot_rows: 7,
        ..TableOverview::default()
    }
}

fn registration(state: &str) -> Registration {
    Registration {
        integration: IntegrationId::new("tool:a").expect("an id"),
        category: Category::Ats,
        origin: "configuration".to_owned(),
        state: state.to_owned(),
        since_ms: 0,
        state_since_ms: Some(0),
        not_found_since_ms: None,
        environment: None,
        end_user: EndUser::default(),
    }
}

fn status(endpoint: &Arc<Endpoint>, age_ms: i64, state: &str, notes: Option<Notes>) -> Status {
    let registered = registration(state);
    let tables = BTreeMap::from([(registered.integration.key(), stored(age_ms))]);
    let overview = Overview {
        tables,
        ..Overview::default()
    };
    let overviews = [(Arc::clone(endpoint), overview)];
    Status::of(
        &overviews,
        Some(vec![registered]),
        notes.into_iter().collect(),
        objective(),
        Moment::from_millis(NOW),
    )
}

fn verdict(status: &Status) -> Freshness {
    status.integrations[0].tables[0].verdict
}

fn noted(endpoint: &Endpoint, written_ms: i64) -> Notes {
    Notes {
        written_ms,
        tables: vec![TableNote {
            integration: "tool:a".to_owned(),
            endpoint: endpoint.name().to_string(),
            off: Some("disabled".to_owned()),
            base_ms: Some(NOW),
            ..TableNote::default()
        }],
        ..Notes::default()
    }
}

#[test]
fn a_base_of_two_heartbeats_is_late_and_one_of_less_is_not() {
    let deltas = endpoint(true);
    let fresh = status(&deltas, 12 * HOUR, "active", None);
    assert_eq!(
        (verdict(&fresh), fresh.late().count()),
        (Freshness::Fresh, 0)
    );
    let late = status(&deltas, 12 * HOUR + 1, "active", None);
    let objective = Duration::from_hours(12);
    assert_eq!(verdict(&late), Freshness::Late { objective });
    assert_eq!(late.late().count(), 1);
}

#[test]
fn a_service_whose_heartbeat_is_stretched_is_given_that_time() {
    let deltas = endpoint(true);
    let notes = Notes {
        heartbeat_period_secs: 10 * 3600,
        written_ms: NOW,
        ..Notes::default()
    };
    let fresh = status(&deltas, 19 * HOUR, "active", Some(notes));
    assert_eq!(verdict(&fresh), Freshness::Fresh);
}

#[test]
fn a_table_that_only_snapshots_refresh_may_be_as_old_as_they() {
    let snapshots = endpoint(false);
    let fresh = status(&snapshots, 13 * 24 * HOUR, "active", None);
    assert_eq!(verdict(&fresh), Freshness::Fresh);
    let late = status(&snapshots, 15 * 24 * HOUR, "active", None);
    assert!(matches!(verdict(&late), Freshness::Late { .. }));
}

#[test]
fn a_parked_integration_is_not_late_however_old_its_tables_are() {
    let old = status(&endpoint(true), 1_000 * HOUR, "setup_pending", None);
    assert_eq!((verdict(&old), old.late().count()), (Freshness::Parked, 0));
}

#[test]
fn a_recent_note_that_a_table_is_off_excuses_it_and_an_old_one_does_not() {
    let deltas = endpoint(true);
    let excused = status(
        &deltas,
        100 * HOUR,
        "active",
        Some(noted(&deltas, NOW - HOUR)),
    );
    assert_eq!(verdict(&excused), Freshness::Parked);
    let stale = status(
        &deltas,
        100 * HOUR,
        "active",
        Some(noted(&deltas, NOW - 13 * HOUR)),
    );
    assert!(
        matches!(verdict(&stale), Freshness::Late { .. }),
        "its base in memory proves nothing"
    );
}

#[test]
fn a_table_that_only_a_note_knows_is_listed_as_unfetched() {
    let deltas = endpoint(true);
    let overviews = [(Arc::clone(&deltas), Overview::default())];
    let mut notes = noted(&deltas, NOW);
    notes.tables[0].off = None;
    let registered = Some(vec![registration("active")]);
    let status = Status::of(
        &overviews,
        registered,
        vec![notes],
        objective(),
        Moment::from_millis(NOW),
    );
    assert_eq!(status.integrations[0].tables.len(), 1);
    assert_eq!(verdict(&status), Freshness::Unfetched);
}

#[test]
fn rows_of_an_integration_that_is_not_registered_are_shown_by_their_key() {
    let key = registration("active").integration.key();
    let tables = BTreeMap::from([(key.clone(), stored(HOUR))]);
    let overviews = [(
        endpoint(true),
        Overview {
            tables,
            ..Overview::default()
        },
    )];
    let status = Status::of(
        &overviews,
        Some(Vec::new()),
        Vec::new(),
        objective(),
        Moment::from_millis(NOW),
    );
    assert_eq!(status.integrations[0].name, key.to_string());
    assert_eq!(status.integrations[0].state, "unregistered");
}

#[test]
fn a_note_from_the_future_excuses_nothing() {
    let deltas = endpoint(true);
    let later = NOW + 20 * 60_000;
    let not_excused = status(&deltas, 100 * HOUR, "active", Some(noted(&deltas, later)));
    assert!(matches!(verdict(&not_excused), Freshness::Late { .. }));
    let soon = NOW + 60_000;
    let excused = status(&deltas, 100 * HOUR, "active", Some(noted(&deltas, soon)));
    assert_eq!(
        verdict(&excused),
        Freshness::Parked,
        "clocks differ a little"
    );
}

#[test]
fn without_a_registry_integrations_are_named_by_notes_and_nothing_is_excused() {
    let deltas = endpoint(true);
    let key = registration("active").integration.key();
    let tables = BTreeMap::from([(key, stored(100 * HOUR))]);
    let overview = Overview {
        tables,
        ..Overview::default()
    };
    let notes = Notes {
        written_ms: NOW,
        integrations: BTreeMap::from([("tool:a".to_owned(), IntegrationNote::default())]),
        ..Notes::default()
    };
    let overviews = [(Arc::clone(&deltas), overview)];
    let status = Status::of(
        &overviews,
        None,
        vec![notes],
        objective(),
        Moment::from_millis(NOW),
    );
    assert_eq!(status.integrations.len(), 1);
    let one = &status.integrations[0];
    assert_eq!(
        (one.name.as_str(), one.state.as_str()),
        ("tool:a", "unknown")
    );
    assert!(matches!(verdict(&status), Freshness::Late { .. }));
}

/// Opens a lake with empty caches, as a new process does.
async fn opened(store: &TableStore) -> Lake {
    let clock = Arc::new(crate::time::SystemClock);
    let lake = Lake::over(store.clone(), &LakeSettings::default(), clock).await;
    lake.expect("opens")
}

#[tokio::test]
async fn what_cannot_be_read_is_a_line_with_its_remedy_and_all_else_is_shown() {
    let store = TableStore::memory();
    let known = ["ats/tags", "ats/jobs"]
        .map(|name| Arc::clone(Catalog::embedded().find(name).expect("known")));
    let (lake, active) = (opened(&store).await, registration("active"));
    for endpoint in &known {
        let covered = lake.coverage(endpoint, &active.integration).await;
        covered.expect("created");
    }
    drop(lake.register(&[active]).await.expect("written"));
    let status = Status::read(&lake, &known, objective(), Moment::from_millis(NOW)).await;
    assert_eq!(status.unread, []);
    assert!(status.is_well());

    let listed = store.objects().list(None).map_ok(|found| found.location);
    let listed: Vec<_> = listed.try_collect().await.expect("listed");
    for path in listed {
        let text = path.as_ref();
        if text.starts_with("ats_tags/deltas/_delta_log/") {
            let put = store.objects().put(&path, "{\"add\":".into()).await;
            put.expect("put");
        } else if text.starts_with("kombo_integrations/part-") {
            store.objects().delete(&path).await.expect("deleted");
        }
    }
    let status = Status::read(
        &opened(&store).await,
        &known,
        objective(),
        Moment::from_millis(NOW),
    )
    .await;
    assert!(!status.is_well());
    let unread = status.unread.iter().map(|unread| unread.name.as_str());
    assert_eq!(
        unread.collect::<Vec<_>>(),
        ["ats_tags/deltas", "kombo_integrations"]
    );
    let entry = "ats_tags/deltas/_delta_log/00000000000000000000.json";
    assert!(
        status.unread[0].error.contains(entry),
        "{:?}",
        status.unread
    );
    for unread in &status.unread {
        assert!(unread.advice.contains("from a backup"), "{unread:?}");
    }
}
