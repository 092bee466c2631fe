//! Upkeep changes files and no rows, keeps files that may still be read or committed, and may stop anywhere.

mod crash;
mod cut;
mod fixtures;
mod forget;
mod isolation;
mod mended;
mod purge;
mod repair;
mod retain;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::delta::compaction::Compaction;
use crate::delta::store::TableStore;
use crate::delta::store::faulty::{Ages, Failure, FaultyStore};
use crate::lake::tests::support::*;
use crate::lake::{
    Lake, LakeSettings, Part, RepairSettings, TableUpkeep, UpkeepReport, UpkeepSettings,
};
use crate::time::Clock;

const DAY_MS: i64 = 86_400_000;
const DAY: Duration = Duration::from_hours(24);

/// A repair, and its dry run.
const REPAIRS: RepairSettings = RepairSettings {
    dry_run: false,
    deep: false,
};
const LOOKS: RepairSettings = RepairSettings {
    dry_run: true,
    deep: false,
};

/// A lake with objects that a test can make older, and its clock.
struct Aging {
    objects: InMemory,
    ages: Ages,
    clock: Arc<TestClock>,
    store: TableStore,
}

impl Aging {
    /// Starts well before today, so that days can pass.
    fn new() -> Self {
        Self::days_ago(40)
    }

    /// The Delta kernel forgets by this machine's clock which files were removed more than 30 days ago.
    fn days_ago(days: u32) -> Self {
        let clock = TestClock::off_the_stores_by(-i64::from(days) * DAY_MS);
        Self::of(InMemory::new(), Ages::behind(days * DAY), clock)
    }

    fn of(objects: InMemory, ages: Ages, clock: Arc<TestClock>) -> Self {
        let shared: Arc<dyn ObjectStore> = Arc::new(objects.clone());
        let store = FaultyStore::aged(&shared, &ages).failing(0..0, Failure::Before);
        Self {
            store: over(store),
            objects,
            ages,
            clock,
        }
    }

    /// Copies all objects. The copy then changes on its own.
    fn fork(&self) -> Self {
        let (ages, clock) = (self.ages.clone(), Arc::clone(&self.clock));
        Self::of(self.objects.fork(), ages, clock)
    }

    /// Returns a failing store over the same objects.
    fn failing(&self, call: usize, failure: Failure) -> (TableStore, Arc<FaultyStore>) {
        let shared: Arc<dyn ObjectStore> = Arc::new(self.objects.clone());
        let store = FaultyStore::aged(&shared, &self.ages);
        let store = store.failing(call..call + 1, failure);
        (over(Arc::clone(&store)), store)
    }

    async fn lake(&self) -> Lake {
        self.lake_over(&self.store).await
    }

    async fn lake_over(&self, store: &TableStore) -> Lake {
        let settings = LakeSettings {
            checkpoint_interval: NonZeroU64::new(4).expect("not zero"),
            ..settings()
        };
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let lake = Lake::over(store.clone(), &settings, clock).await;
        lake.expect("the lake opens")
    }

    /// Lets days pass on both clocks, for all existing objects.
    async fn pass(&self, days: u32) {
        self.clock.pass(i64::from(days) * DAY_MS);
        self.ages.pass(DAY * days, paths(&self.store).await);
    }
}

fn over(store: Arc<FaultyStore>) -> TableStore {
    TableStore::over(store, "memory:///".parse().expect("a URL"))
}

async fn paths(store: &TableStore) -> Vec<Path> {
    let listed = store.objects().list(None).map_ok(|object| object.location);
    let mut paths: Vec<Path> = listed.try_collect().await.expect("listed");
    paths.sort();
    paths
}

/// Settings that merge eight or more files of a day, as many as the tests write.
fn from_eight() -> UpkeepSettings {
    UpkeepSettings {
        compact_files: 8,
        ..UpkeepSettings::default()
    }
}

async fn keep_up(lake: &Lake, settings: &UpkeepSettings) -> UpkeepReport {
    let report = lake.upkeep(&[tags()], settings).await.expect("kept up");
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    report
}

fn of<'a>(report: &'a UpkeepReport, table: &str) -> Option<&'a TableUpkeep> {
    report.tables.iter().find(|done| done.table == table)
}

/// Returns the rows of both tables, as a reader sees them.
async fn view(store: &TableStore) -> [Vec<Stored>; 2] {
    [
        stored(store, Part::Snapshots).await,
        stored(store, Part::Deltas).await,
    ]
}

/// Puts an unreferenced file with a name as the writer makes them.
async fn put_stray(store: &TableStore) {
    put_file(
        store,
        "part-00000000-0000-4000-8000-000000000000.zstd.parquet",
    )
    .await;
}

/// Puts a file into a partition of `deltas`.
async fn put_file(store: &TableStore, name: &str) {
    let key = Path::from(format!("ats_tags/deltas/commit_date=2020-01-01/{name}"));
    let put = store.objects().put(&key, "not read by anyone".into());
    put.await.expect("put");
}

/// Commits snapshots that replace each other, many small deltas of two integrations, and an unreferenced file.
async fn years_of_work(lake: &Lake, store: &TableStore) {
    let rows: [Row; 2] = [("1", 10, 1), ("2", 11, 1)];
    for at in [100, 200] {
        run(lake, &snapshot("a"), &[&rows], end(at, at + 11)).await;
    }
    for at in 300..305 {
        run(lake, &delta("b"), &[&[("1", at, at)]], end(at, at)).await;
        run(
            lake,
            &delta("a"),
            &[&[("2", at, at), ("1", at, at)]],
            end(at, at),
        )
        .await;
    }
    put_stray(store).await;
}

#[tokio::test]
async fn small_files_of_a_day_become_one_sorted_file_with_every_observation() {
    let aging = Aging::new();
    let lake = aging.lake().await;
    years_of_work(&lake, &aging.store).await;
    let before = view(&aging.store).await;

    let report = keep_up(&lake, &from_eight()).await;
    let done = of(&report, "ats_tags/deltas").expect("merged");
    assert_eq!((done.merged_files, done.merged_into), (10, 1));
    assert_eq!(view(&aging.store).await, before);
    let files = live_files(&aging.store, Part::Deltas).await;
    assert_eq!(files.len(), 1, "{:?}", files.first().map(|file| &file.0));
    let rows = read(files[0].1.clone());
    let key = |row: &Stored| (integration(&row.0[5..]).key(), row.1.clone(), row.2);
    assert!(rows.is_sorted_by_key(key), "{rows:?}");
    assert_eq!(rows.len(), 15, "two observations of an id are two rows");

    let again = keep_up(&lake, &from_eight()).await;
    assert!(again.tables.is_empty(), "{again:?}");
}

#[tokio::test]
async fn a_merge_says_that_no_data_changed_and_moves_no_base() {
    let aging = Aging::new();
    let lake = aging.lake().await;
    years_of_work(&lake, &aging.store).await;
    let before = lake.overview(&tags()).await.expect("read").expect("there");
    keep_up(&lake, &from_eight()).await;
    let after = lake.overview(&tags()).await.expect("read").expect("there");
    assert_eq!(after.tables, before.tables);

    let log = "ats_tags/deltas/_delta_log";
    let paths = paths(&aging.store).await;
    let last = paths
        .iter()
        .rfind(|path| path.as_ref().starts_with(log) && path.extension() == Some("json"));
    let found = aging.store.objects().get(last.expect("entries")).await;
    let bytes = found.expect("there").bytes().await.expect("bytes");
    let text = std::str::from_utf8(&bytes).expect("JSON");
    assert!(text.contains("\"dataChange\":false"), "{text}");
    assert!(!text.contains("\"dataChange\":true"), "{text}");
}

#[tokio::test]
async fn a_merge_of_files_that_another_merge_took_is_given_up() {
    let aging = Aging::new();
    let (slow, fast) = (aging.lake().await, aging.lake().await);
    years_of_work(&slow, &aging.store).await;
    let before = view(&aging.store).await;
    let settings = from_eight();
    let table = slow.tables().of_endpoint(&tags(), Part::Deltas).await;
    let table = table.expect("open");
    let live = table.live(&table.log.state()).await.expect("files");
    let compaction = Compaction {
        least_files: settings.compact_files,
        small_bytes: settings.small_file_bytes,
    };
    let files = compaction.groups(live).into_iter().next();
    let files = files.expect("small files");
    let merged = table.merged_readable(files, &mut Vec::new()).await;
    let merged = merged.expect("written").expect("worth it");

    keep_up(&fast, &settings).await;
    let exchanged = table.rearrange("OPTIMIZE", merged).await;
    assert!(!exchanged.expect("an answer"));
    assert_eq!(view(&aging.store).await, before, "no row came twice");
}

#[tokio::test]
async fn what_nothing_names_goes_after_the_grace_and_not_before() {
    let aging = Aging::new();
    let lake = aging.lake().await;
    years_of_work(&lake, &aging.store).await;
    let before = view(&aging.store).await;
    let settings = UpkeepSettings {
        compact_files: 0,
        ..UpkeepSettings::default()
    };
    aging.pass(13).await;
    let early = keep_up(&lake, &settings).await;
    assert!(
        early.tables.iter().all(|done| done.deleted_files == 0),
        "{early:?}"
    );

    aging.pass(2).await;
    let dry = UpkeepSettings {
        dry_run: true,
        ..settings.clone()
    };
    let keys = paths(&aging.store).await;
    let planned = keep_up(&lake, &dry).await;
    assert_eq!(paths(&aging.store).await, keys, "a dry run changes nothing");
    let done = keep_up(&lake, &settings).await;
    for part in ["ats_tags/snapshots", "ats_tags/deltas"] {
        let (planned, done) = (
            of(&planned, part).expect(part),
            of(&done, part).expect(part),
        );
        assert_eq!(
            (planned.deleted_files, done.deleted_files),
            (1, 1),
            "{part}"
        );
        assert_eq!(planned.listed.len(), 1, "{part}");
        let left = paths(&aging.store).await;
        assert!(
            !left.iter().any(|path| path.as_ref() == planned.listed[0]),
            "{part}"
        );
    }
    assert_eq!(view(&aging.store).await, before);
}

#[tokio::test]
async fn a_parquet_file_of_somebody_else_stays_and_is_named() {
    let names = [
        "report.parquet",
        "part-stray.zstd.parquet",
        "part-00000000-0000-4000-8000-000000000000.parquet",
        "part-00000000000040008000000000000000.zstd.parquet",
        "PART-00000000-0000-4000-8000-000000000000.zstd.parquet",
    ];
    let aging = Aging::new();
    let lake = aging.lake().await;
    years_of_work(&lake, &aging.store).await;
    for name in names {
        put_file(&aging.store, name).await;
    }
    aging.pass(15).await;
    let done = keep_up(&lake, &from_eight()).await;
    let done = of(&done, "ats_tags/deltas").expect("something to do");
    assert_eq!(done.deleted_files, 1, "the writer's own: {done:?}");
    let left = paths(&aging.store).await;
    for name in names {
        let key = format!("ats_tags/deltas/commit_date=2020-01-01/{name}");
        assert!(left.iter().any(|path| path.as_ref() == key), "{name}");
        assert!(done.foreign.contains(&key), "{name}: {:?}", done.foreign);
    }
}

#[tokio::test]
async fn a_file_removed_within_the_grace_stays_however_old_it_is() {
    let aging = Aging::new();
    let lake = aging.lake().await;
    run(&lake, &snapshot("a"), &[&[("1", 10, 1)]], end(100, 10)).await;
    aging.pass(16).await;
    // A reader may have started just before this commit.
    run(&lake, &snapshot("a"), &[&[("1", 20, 2)]], end(200, 20)).await;
    // Checkpoints remember the removed file, too.
    for at in [300, 400, 500] {
        run(&lake, &snapshot("b"), &[&[("1", at, 2)]], end(at, at)).await;
    }
    let settings = from_eight();
    let snapshots = |paths: Vec<Path>| {
        let is_data = |path: &&Path| path.as_ref().contains("/part-");
        paths.iter().filter(is_data).count()
    };
    let before = snapshots(paths(&aging.store).await);
    keep_up(&lake, &settings).await;
    assert_eq!(snapshots(paths(&aging.store).await), before);
    // A newly opened lake knows the removed file from the log alone.
    keep_up(&aging.lake().await, &settings).await;
    assert_eq!(snapshots(paths(&aging.store).await), before);
}

#[tokio::test]
async fn files_of_a_running_fetch_are_spared() {
    let aging = Aging::new();
    let lake = aging.lake().await;
    let (runs, clock) = (tiny_runs(), Arc::clone(&aging.clock));
    let tiny = Lake::over(aging.store.clone(), &runs, clock).await;
    let tiny = tiny.expect("the lake opens");
    let fetch = snapshot("a");
    let mut staging = tiny.begin(&fetch, &tags()).await.expect("begins");
    for rows in [&[("1", 10, 1)], &[("2", 11, 1)], &[("3", 12, 1)]] {
        staging
            .push(batch(&tags(), &fetch, rows))
            .await
            .expect("pushed");
    }
    aging.pass(1).await;
    keep_up(&lake, &from_eight()).await;
    staging.commit(end(100, 12)).await.expect("committed");
    assert_eq!(stored(&aging.store, Part::Snapshots).await.len(), 3);
}

#[tokio::test]
async fn a_clock_that_runs_ahead_deletes_nothing() {
    let aging = Aging::new();
    let lake = aging.lake().await;
    years_of_work(&lake, &aging.store).await;
    aging.clock.pass(400 * DAY_MS);
    let settings = UpkeepSettings {
        compact_files: 0,
        ..UpkeepSettings::default()
    };
    let report = keep_up(&lake, &settings).await;
    assert!(report.tables.is_empty(), "{report:?}");
}
