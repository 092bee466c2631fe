//! A purge deletes a deleted integration's rows from every table and nobody else's, and may stop anywhere.

mod neighbours;

use crate::catalog::Endpoint;
use crate::customer::EndUser;
use crate::ids::{Category, EnvironmentId, IntegrationId};
use crate::lake::Part;
use crate::lake::layout::LakeTable;
use crate::lake::positions::Positions;
use crate::lake::tests::upkeep::fixtures::{own_files, put_current, put_own, say_folded, say_held};
use crate::lake::tests::upkeep::*;
use crate::lake::{
    FoldSettings, FoldedTable, LakeError, LiveFile, PurgeDepth, PurgeReport, PurgeSettings,
};
use crate::plan::{ConfirmedGone, NotFound};
use crate::sink::Registration;
use crate::time::{Bases, ObservedAt};

const OWN: [LakeTable; 5] = [
    LakeTable::Drift,
    LakeTable::Quarantine,
    LakeTable::Holds,
    LakeTable::Coverage,
    LakeTable::Issues,
];

/// Three tables of an endpoint, and the lake's own.
pub(super) const TABLES: usize = 3 + 5;

fn registration(name: &str, state: &str, state_since_ms: i64) -> Registration {
    Registration {
        integration: integration(name),
        category: Category::Ats,
        origin: "webhook".to_owned(),
        state: state.to_owned(),
        since_ms: 1,
        state_since_ms: Some(state_since_ms),
        not_found_since_ms: None,
        environment: Some(environment()),
        end_user: EndUser::new(Some("Jane Doe GmbH"), Some("tenant-42")),
    }
}

fn environment() -> EnvironmentId {
    EnvironmentId::new("own").expect("a name")
}

/// Stores the results of two checks, a day apart, that did not find an integration.
async fn delete(lake: &Lake, name: &str, first_ms: i64) {
    let missing = |state, since_ms| Registration {
        not_found_since_ms: Some(first_ms),
        ..registration(name, state, since_ms)
    };
    for row in [
        missing("deleting", first_ms),
        missing("deleted", first_ms + DAY_MS),
    ] {
        drop(lake.register(&[row]).await.expect("registered"));
    }
    assert_eq!(state_of(lake, &integration(name)).await, "deleted");
}

/// Makes rows of `a`, which is not found from now on, and of `b` in every table, in shared files where tables share
/// files.
pub(super) async fn deleted_beside_another() -> Aging {
    let aging = Aging::new();
    let lake = aging.lake().await;
    for name in ["a", "b"] {
        run(&lake, &snapshot(name), &[&[("1", 100, 1)]], end(100, 100)).await;
        for at in 300..304 {
            let rows: [Row; 2] = [("1", at, at), ("2", at, at)];
            run(&lake, &delta(name), &[&rows], end(at, at)).await;
        }
        put_current(&lake, name, &[("1", 303, 303), ("2", 303, 303)]).await;
    }
    // No row of `a` is folded yet.
    say_folded(&lake, "b", 100, 303).await;
    keep_up(&lake, &from_eight()).await;
    let today = i32::try_from(aging.clock.now().as_millis() / DAY_MS).expect("a day");
    for table in &OWN {
        put_own(&lake, table, &["a", "b"], today).await;
    }
    let active = [registration("b", "active", 1)];
    drop(lake.register(&active).await.expect("registered"));
    delete(&lake, "a", aging.clock.now().as_millis()).await;
    aging
}

fn at_once() -> PurgeSettings {
    PurgeSettings {
        ..PurgeSettings::default()
    }
}

/// Returns what Kombo confirms now for the integrations that are due.
pub(super) async fn confirmed(
    lake: &Lake,
    settings: &PurgeSettings,
) -> Result<Vec<ConfirmedGone>, LakeError> {
    let found = lake.purge_due(settings).await?;
    let now = ObservedAt::from_micros(found.now.as_millis() * 1000);
    let own = environment();
    let again = NotFound::judge(now, Some(&own), &own).expect("the same environment");
    let gone = found.due.iter().map(|known| {
        let first = known.not_found_since().expect("written down");
        ConfirmedGone::of(&known.integration, first, again).expect("a day apart")
    });
    Ok(gone.collect())
}

async fn try_purge(lake: &Lake, depth: PurgeDepth) -> Result<PurgeReport, LakeError> {
    let gone = confirmed(lake, &at_once()).await?;
    lake.purge(&[tags()], &gone, depth).await
}

async fn purge(lake: &Lake) -> PurgeReport {
    let report = try_purge(lake, PurgeDepth::Rows).await.expect("purged");
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    report
}

/// Returns, for each table, how many rows of an integration it has. For the lake's own tables, returns how
/// many files may hold such rows.
pub(super) async fn rows_of_all(aging: &Aging, name: &str) -> [usize; TABLES] {
    let id = integration(name).to_string();
    let mut rows = [0; TABLES];
    for (at, part) in [Part::Snapshots, Part::Deltas, Part::Current]
        .into_iter()
        .enumerate()
    {
        let stored = stored(&aging.store, part).await;
        rows[at] = stored.iter().filter(|row| row.0 == id).count();
    }
    let lake = aging.lake().await;
    for (at, table) in OWN.iter().enumerate() {
        let files = own_files(&lake, table).await;
        let key = integration(name).key();
        let may_hold = |file: &&Arc<LiveFile>| {
            let (least, most) = file.bounds.keys.as_ref().expect("known");
            (least.as_str()..=most.as_str()).contains(&key.as_str())
        };
        let held = files.iter().filter(may_hold);
        rows[3 + at] = held.count();
    }
    rows
}

pub(super) async fn state_of(lake: &Lake, id: &IntegrationId) -> String {
    let known = lake.registered().await.expect("read");
    let known = known.into_iter().find(|known| known.integration == *id);
    known.expect("registered").state
}

async fn bases_of(lake: &Lake, endpoint: &Arc<Endpoint>, name: &str) -> Bases {
    let coverage = lake.coverage(endpoint, &integration(name)).await;
    coverage.expect("read").bases
}

#[tokio::test]
async fn after_14_days_everything_of_a_deleted_integration_leaves_and_nothing_of_another() {
    let aging = deleted_beside_another().await;
    let lake = aging.lake().await;
    let all = [1, 8, 2, 1, 1, 1, 1, 1];
    aging.pass(13).await;
    let early = lake.purge_due(&at_once()).await.expect("read");
    assert_eq!((early.due.len(), early.waiting.len()), (0, 1));
    assert!(purge(&lake).await.tables.is_empty());
    assert_eq!(rows_of_all(&aging, "a").await, all);

    aging.pass(2).await;
    let keys = paths(&aging.store).await;
    let planned = try_purge(&lake, PurgeDepth::Plan).await.expect("planned");
    assert_eq!(paths(&aging.store).await, keys, "a dry run changes nothing");
    let done = purge(&lake).await;
    assert_eq!(planned.tables, done.tables);
    let rows: u64 = done.tables.iter().map(|table| table.rows).sum();
    assert_eq!((rows, done.tables.len()), (16, 8));

    assert_eq!(rows_of_all(&aging, "a").await, [0; TABLES]);
    assert_eq!(rows_of_all(&aging, "b").await, all);
    assert_eq!(state_of(&lake, &integration("a")).await, "purged");
    let again = purge(&lake).await;
    assert!(again.integrations.is_empty() && again.tables.is_empty());

    let fold = lake.fold(&tags(), None, &FoldSettings::default()).await;
    let of_a = |table: &&FoldedTable| table.key == integration("a").key();
    let fold = fold.expect("folded");
    assert_eq!(fold.tables.iter().filter(of_a).count(), 0, "nothing waits");
}

#[tokio::test]
async fn nothing_that_was_purged_looks_covered_and_a_new_fetch_begins_anew() {
    let aging = deleted_beside_another().await;
    aging.pass(15).await;
    let lake = aging.lake().await;
    let others = bases_of(&lake, &tags(), "b").await;
    purge(&lake).await;
    assert_eq!(bases_of(&lake, &tags(), "a").await, Bases::default());
    assert_eq!(bases_of(&lake, &tags(), "b").await, others);
    // A service that does not know of the purge reports what it knew.
    for late in ["deleted", "active"] {
        let told = registration("a", late, 1);
        drop(lake.register(&[told]).await.expect("registered"));
        assert_eq!(state_of(&lake, &integration("a")).await, "purged");
    }

    let named = registration("a", "active", 2);
    drop(lake.register_named(&[named]).await.expect("registered"));
    run(&lake, &snapshot("a"), &[&[("9", 900, 1)]], end(900, 900)).await;
    let fresh = aging.lake().await;
    let bases = bases_of(&fresh, &tags(), "a").await;
    let base = bases.get(crate::time::Tier::Daily).expect("a base");
    assert_eq!(base.as_millis(), 900);
    assert_eq!(rows_of_all(&aging, "a").await, [1, 0, 0, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn of_what_was_purged_nothing_is_held_and_nothing_counts_as_lost() {
    let aging = deleted_beside_another().await;
    let lake = aging.lake().await;
    for name in ["a", "b"] {
        say_folded(&lake, name, 100, 303).await;
        say_held(&lake, name, 300, 7).await;
    }
    aging.pass(15).await;
    purge(&lake).await;
    let current = lake.tables().of_endpoint(&tags(), Part::Current).await;
    let state = current.expect("open").refreshed().await.expect("read");
    let of = |name: &str| {
        let positions = Positions::of(&integration(name).key(), &state);
        let lost = positions.lost.rows(300_000_000);
        (positions.rows, positions.held, lost)
    };
    assert_eq!((of("a"), of("b")), ((0, 0, 0), (2, 2, 7)));
}

#[tokio::test]
async fn one_that_is_found_alive_after_kombo_was_asked_keeps_its_rows() {
    let aging = deleted_beside_another().await;
    aging.pass(15).await;
    let (lake, backfill) = (aging.lake().await, aging.lake().await);
    let all = rows_of_all(&aging, "a").await;
    let gone = confirmed(&lake, &at_once()).await.expect("due");
    assert_eq!(gone.len(), 1);
    let alive = registration("a", "active", aging.clock.now().as_millis());
    drop(backfill.register_named(&[alive]).await.expect("registered"));
    let report = lake
        .purge(&[tags()], &gone, PurgeDepth::Rows)
        .await
        .expect("done");
    assert!(report.integrations.is_empty() && report.tables.is_empty());
    // The integration is deleted once more. It needs a new answer of Kombo; the old answer does not count.
    delete(&lake, "a", aging.clock.now().as_millis() - 20 * DAY_MS).await;
    let report = lake
        .purge(&[tags()], &gone, PurgeDepth::Rows)
        .await
        .expect("done");
    assert!(report.integrations.is_empty());
    assert_eq!(rows_of_all(&aging, "a").await, all);
    assert_eq!(state_of(&lake, &integration("a")).await, "deleted");
}

#[tokio::test]
async fn nothing_but_a_deletion_that_was_confirmed_is_ever_due() {
    let aging = Aging::new();
    let lake = aging.lake().await;
    for state in ["active", "deleting", "deleted", "inactive"] {
        let row = registration(&format!("only-{state}"), state, 1);
        drop(lake.register(&[row]).await.expect("registered"));
    }
    aging.pass(30).await;
    let now = PurgeSettings {
        after: Duration::ZERO,
        ..PurgeSettings::default()
    };
    let found = lake.purge_due(&now).await.expect("read");
    assert!(
        found.due.is_empty() && found.waiting.is_empty(),
        "{found:?}"
    );
}

#[tokio::test]
async fn files_are_vacuumed_after_the_grace() {
    let aging = deleted_beside_another().await;
    aging.pass(15).await;
    let lake = aging.lake().await;
    let found = |paths: Vec<Path>| {
        let of_a = format!("integration_key={}", integration("a").key());
        let current = "ats_tags/current/part-".to_owned();
        [of_a, current].map(|text| {
            paths
                .iter()
                .filter(|path| path.as_ref().contains(&text))
                .count()
        })
    };
    purge(&lake).await;
    keep_up(&lake, &from_eight()).await;
    let before = found(paths(&aging.store).await);
    assert_eq!(
        before,
        [1, 2],
        "the snapshot, and the file that both tables shared"
    );
    aging.pass(15).await;
    keep_up(&lake, &from_eight()).await;
    assert_eq!(
        found(paths(&aging.store).await),
        [0, 1],
        "the file of the other table"
    );
}

#[tokio::test]
async fn a_purge_ends_with_a_checkpoint_of_every_table_that_it_changed() {
    let aging = deleted_beside_another().await;
    aging.pass(15).await;
    let done = purge(&aging.lake().await).await;
    assert_eq!(done.tables.len(), 8);
    let paths = paths(&aging.store).await;
    for table in done.tables {
        let of_log = |end: &str| {
            let log = format!("{}/_delta_log/0", table.table);
            let mut found = paths
                .iter()
                .map(Path::as_ref)
                .filter(|path| path.starts_with(&log));
            let last = found.rfind(|path| path.ends_with(end)).expect(end);
            last[log.len() - 1..][..20].to_owned()
        };
        assert_eq!(
            of_log(".checkpoint.parquet"),
            of_log(".json"),
            "{}",
            table.table
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_call_fails_nobody_elses_rows_leave_and_the_next_purge_finishes() {
    let deleted = deleted_beside_another().await;
    deleted.pass(15).await;
    let all = rows_of_all(&deleted, "b").await;
    for (failure, first) in [(Failure::Before, 0), (Failure::After, 1)] {
        // Each third call: all of them together take minutes.
        for call in (first..).step_by(3) {
            let context = format!("{failure:?} at call {call}");
            let aging = deleted.fork();
            let (broken, faulty) = aging.failing(call, failure);
            let clock = Arc::clone(&aging.clock) as Arc<dyn Clock>;
            if let Ok(lake) = Lake::over(broken, &settings(), clock).await {
                drop(try_purge(&lake, PurgeDepth::Rows).await);
            }
            if faulty.calls() <= call {
                break;
            }
            let lake = aging.lake().await;
            if state_of(&lake, &integration("a")).await == "purged" {
                assert_eq!(rows_of_all(&aging, "a").await, [0; TABLES], "{context}");
            }
            purge(&lake).await;
            assert_eq!(rows_of_all(&aging, "a").await, [0; TABLES], "{context}");
            assert_eq!(rows_of_all(&aging, "b").await, all, "{context}");
            assert_eq!(state_of(&lake, &integration("a")).await, "purged");
            let bases = bases_of(&lake, &tags(), "a").await;
            assert_eq!(bases, Bases::default(), "{context}");
        }
    }
}
