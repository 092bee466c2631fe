//! Damaged tables are repaired from what is left. After one full fetch of what only Kombo still has, the lake says what
//! Kombo says, whatever was damaged, and wherever a repair was stopped.

use std::collections::BTreeSet;

use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::customer::EndUser;
use crate::delta::store::TableStore;
use crate::ids::Category;
use crate::lake::tests::damage::found;
use crate::lake::tests::upkeep::*;
use crate::lake::{FoldSettings, RepairReport};
use crate::sink::Registration;
use crate::time::Tier;

const TABLES: [&str; 3] = ["ats_tags/snapshots", "ats_tags/deltas", "ats_tags/current"];

/// What Kombo has: integration, id, payload.
const TRUTH: [(&str, &str, i64); 6] = [
    ("a", "1", 2),
    ("a", "2", 1),
    ("a", "3", 1),
    ("b", "1", 1),
    ("b", "2", 1),
    ("b", "9", 1),
];

/// Makes a lake of two integrations with a snapshot, a delta and a fold each.
async fn filled() -> Aging {
    let aging = Aging::new();
    let lake = aging.lake().await;
    drop(
        lake.register(&["a", "b"].map(registration))
            .await
            .expect("registered"),
    );
    run(
        &lake,
        &snapshot("a"),
        &[&[("1", 100, 1), ("2", 101, 1), ("3", 102, 1)]],
        end(1, 102),
    )
    .await;
    run(
        &lake,
        &snapshot("b"),
        &[&[("1", 100, 1), ("2", 101, 1)]],
        end(1, 101),
    )
    .await;
    run(&lake, &delta("a"), &[&[("1", 200, 2)]], end(2, 200)).await;
    fold(&lake).await;
    run(&lake, &delta("b"), &[&[("9", 210, 1)]], end(2, 210)).await;
    fold(&lake).await;
    assert_eq!(current(&aging.store).await, truth());
    aging
}

fn registration(name: &str) -> Registration {
    Registration {
        integration: integration(name),
        category: Category::Ats,
        origin: "configuration".to_owned(),
        state: "active".to_owned(),
        since_ms: 1,
        state_since_ms: Some(1),
        not_found_since_ms: None,
        environment: None,
        end_user: EndUser::default(),
    }
}

async fn fold(lake: &Lake) {
    let report = lake.fold(&tags(), None, &FoldSettings::default()).await;
    let report = report.expect("folded");
    assert!(
        report.aside.is_empty() && report.stopped.is_none(),
        "{report:?}"
    );
}

fn truth() -> BTreeSet<(String, String, i64)> {
    let rows = TRUTH.into_iter();
    rows.map(|(name, id, hash)| (integration(name).to_string(), id.to_owned(), hash))
        .collect()
}

async fn current(store: &TableStore) -> BTreeSet<(String, String, i64)> {
    let rows = stored(store, Part::Current).await;
    let all: Vec<_> = rows
        .into_iter()
        .map(|(whose, id, _, hash)| (whose, id, hash))
        .collect();
    let set: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!(set.len(), all.len(), "a row stands twice: {all:?}");
    set
}

async fn repaired(lake: &Lake, dry_run: bool) -> RepairReport {
    let settings = RepairSettings {
        dry_run,
        deep: true,
    };
    lake.repair(&[tags()], settings).await.expect("repaired")
}

/// Does what the printed command does: fetches in full each table that has no base, and folds.
async fn fetched_again(aging: &Aging) {
    let lake = aging.lake().await;
    for name in ["a", "b"] {
        let coverage = lake
            .coverage(&tags(), &integration(name))
            .await
            .expect("read");
        if coverage.bases.get(Tier::Ordinary).is_some() {
            continue;
        }
        let rows = TRUTH.into_iter().filter(|(whose, ..)| *whose == name);
        let rows: Vec<Row> = rows
            .zip(1_000..)
            .map(|((_, id, hash), at)| (id, at, hash))
            .collect();
        run(&lake, &snapshot(name), &[&rows], end(3, 1_010)).await;
    }
    fold(&lake).await;
}

/// Fails unless the lake is whole and says what Kombo says.
async fn is_right(aging: &Aging, context: &str) {
    let lake = aging.lake().await;
    let report = repaired(&lake, true).await;
    assert!(report.failed.is_empty(), "{context}: {:?}", report.failed);
    assert_eq!(report.damaged, [], "{context}");
    let mut damage = lake.damage(&tags()).await;
    damage.extend(lake.own_damage().await);
    assert!(damage.is_empty(), "{context}: {damage:?}");
    fetched_again(aging).await;
    assert_eq!(current(&aging.store).await, truth(), "{context}");
    let lake = aging.lake().await;
    let rebuild = FoldSettings {
        rebuild: true,
        ..FoldSettings::default()
    };
    lake.fold(&tags(), None, &rebuild).await.expect("rebuilt");
    assert_eq!(current(&aging.store).await, truth(), "{context}: rebuilt");
    let known = lake.registered().await.expect("read");
    assert_eq!(known.len(), 2, "{context}");
}

/// How one object is damaged.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Deleted,
    Empty,
    Cut,
    Foreign,
}

const ALL: [How; 4] = [How::Deleted, How::Empty, How::Cut, How::Foreign];

async fn damage(store: &TableStore, key: &Path, how: How) {
    let objects = store.objects();
    let bytes = objects
        .get(key)
        .await
        .expect("there")
        .bytes()
        .await
        .expect("bytes");
    let bytes = match how {
        How::Deleted => return objects.delete(key).await.expect("deleted"),
        How::Empty => bytes.slice(..0),
        How::Cut => bytes.slice(..bytes.len() / 2),
        How::Foreign => vec![b'x'; bytes.len()].into(),
    };
    objects.put(key, bytes.into()).await.expect("put");
}

/// Lists ways to damage each object of the lake's tables, two for each.
async fn ways(store: &TableStore) -> Vec<(Path, How)> {
    let mut ways = Vec::new();
    for table in TABLES.into_iter().chain(["kombo_integrations"]) {
        let mut objects = found(store, &format!("{table}/_delta_log"), "").await;
        let newest = objects
            .iter()
            .filter(|key| key.extension() == Some("json"))
            .max()
            .cloned();
        objects.extend(live(store, table).await);
        for (at, key) in objects.into_iter().enumerate() {
            let both = [ALL[at % 4], ALL[(at + 2) % 4]].into_iter();
            // A log without its newest entry is a log of an earlier time.
            let both = both.filter(|how| *how != How::Deleted || Some(&key) != newest.as_ref());
            ways.extend(both.map(|how| (key.clone(), how)));
        }
    }
    ways
}

async fn live(store: &TableStore, table: &str) -> Vec<Path> {
    found(store, table, ".parquet")
        .await
        .into_iter()
        .filter(|file| !file.as_ref().contains("_delta_log"))
        .collect()
}

#[tokio::test]
async fn whatever_is_damaged_is_named_and_repaired_and_kombo_brings_the_rest() {
    let whole = filled().await;
    let mut named = 0;
    for (key, how) in ways(&whole.store).await {
        let context = format!("{key} {how:?}");
        let aging = whole.fork();
        damage(&aging.store, &key, how).await;
        let told = repaired(&aging.lake().await, true).await;
        // A file that a later version replaced is not missed.
        let is_named = told.damaged.iter().any(|one| {
            let name = key.filename().unwrap_or_default();
            one.damage.iter().any(|found| found.contains(name))
        });
        named += u64::from(is_named);
        assert_eq!(is_named, !told.damaged.is_empty(), "{context}: {told:?}");
        let done = repaired(&aging.lake().await, false).await;
        assert!(done.failed.is_empty(), "{context}: {:?}", done.failed);
        is_right(&aging, &context).await;
    }
    assert!(named > 20, "{named}");
}

#[tokio::test]
async fn a_log_or_a_table_that_is_gone_begins_anew() {
    let whole = filled().await;
    for table in TABLES.into_iter().chain(["kombo_integrations"]) {
        for what in ["_delta_log/", ""] {
            let context = format!("{table}/{what}");
            let aging = whole.fork();
            for key in found(&aging.store, table, &context).await {
                aging.store.objects().delete(&key).await.expect("deleted");
            }
            // A fold makes a `current` that is gone.
            if (table, what) != ("ats_tags/current", "") {
                let told = repaired(&aging.lake().await, true).await;
                assert_eq!(told.damaged.len(), 1, "{context}: {told:?}");
            }
            let done = repaired(&aging.lake().await, false).await;
            assert!(done.failed.is_empty(), "{context}: {:?}", done.failed);
            if (table, what) == ("ats_tags/current", "") {
                fold(&aging.lake().await).await;
            }
            is_right(&aging, &context).await;
        }
    }
}

#[tokio::test]
async fn of_a_lost_entry_of_deltas_the_rows_come_back_from_the_data_files() {
    let aging = filled().await;
    let before = stored(&aging.store, Part::Deltas).await;
    let entries = found(&aging.store, "ats_tags/deltas/_delta_log", ".json").await;
    for entry in &entries {
        damage(&aging.store, entry, How::Empty).await;
    }
    assert!(repaired(&aging.lake().await, false).await.failed.is_empty());
    assert_eq!(stored(&aging.store, Part::Deltas).await, before);
    let copies = found(&aging.store, "kombo_repair", ".json").await;
    assert_eq!(copies.len(), entries.len(), "{copies:?}");
}

#[tokio::test]
async fn a_rebuild_keeps_rows_whose_snapshot_is_lost_until_it_is_fetched_again() {
    let aging = filled().await;
    for key in live(&aging.store, "ats_tags/snapshots").await {
        damage(&aging.store, &key, How::Deleted).await;
    }
    repaired(&aging.lake().await, false).await;
    let rebuild = FoldSettings {
        rebuild: true,
        ..FoldSettings::default()
    };
    aging
        .lake()
        .await
        .fold(&tags(), None, &rebuild)
        .await
        .expect("folded");
    assert_eq!(current(&aging.store).await, truth());
}

/// Repairs as far as the store lets it. Returns whether something failed.
async fn disturbed(aging: &Aging, store: &TableStore) -> bool {
    let clock = Arc::clone(&aging.clock) as Arc<dyn Clock>;
    let Ok(lake) = Lake::over(store.clone(), &settings(), clock).await else {
        return true;
    };
    let settings = RepairSettings::default();
    match lake.repair(&[tags()], settings).await {
        Ok(report) => !report.failed.is_empty(),
        Err(_) => true,
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_stops_anywhere_is_completed_by_the_next_one() {
    let old = filled().await;
    for table in TABLES {
        let entries = found(&old.store, &format!("{table}/_delta_log"), ".json").await;
        damage(&old.store, &entries[1], How::Empty).await;
    }
    for file in live(&old.store, "ats_tags/current").await {
        damage(&old.store, &file, How::Deleted).await;
    }
    let mut failed = 0;
    // Every second call, to save time: each call is one of several of its kind.
    for call in (0..).step_by(2) {
        let failure = match call % 4 {
            0 => Failure::Before,
            _ => Failure::After,
        };
        let context = format!("{failure:?} at call {call}");
        let aging = old.fork();
        let (broken, faulty) = aging.failing(call, failure);
        failed += usize::from(disturbed(&aging, &broken).await);
        if faulty.calls() <= call {
            break;
        }
        let lake = aging.lake().await;
        let done = lake.repair(&[tags()], RepairSettings::default()).await;
        let done = done.expect("repaired");
        assert!(done.failed.is_empty(), "{context}: {:?}", done.failed);
        assert!(lake.damage(&tags()).await.is_empty(), "{context}");
        fetched_again(&aging).await;
        assert_eq!(current(&aging.store).await, truth(), "{context}");
    }
    assert!(failed > 10, "{failed}");
}

#[tokio::test]
async fn copies_of_what_was_replaced_leave_after_the_grace() {
    let aging = filled().await;
    let entries = found(&aging.store, "ats_tags/deltas/_delta_log", ".json").await;
    damage(&aging.store, &entries[0], How::Cut).await;
    repaired(&aging.lake().await, false).await;
    let copies = async || found(&aging.store, "kombo_repair", "").await.len();
    keep_up(&aging.lake().await, &UpkeepSettings::default()).await;
    assert_eq!(copies().await, 1);
    aging.pass(15).await;
    keep_up(&aging.lake().await, &UpkeepSettings::default()).await;
    assert_eq!(copies().await, 0);
}
