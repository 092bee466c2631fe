//! Bases that advance without rows, and the overview of an endpoint.

use bytes::Bytes;
use futures_util::StreamExt;

use crate::delta::store::TableStore;
use crate::ids::{InstanceId, IntegrationKey};
use crate::lake::tests::support::*;
use crate::lake::{Lake, LakeError, Part, TableOverview};
use crate::sink::Advance;
use crate::time::{Base, Bases, ObservedAt, Tier};

fn bases(ordinary_ms: i64, daily_ms: i64) -> Bases {
    let mut bases = Bases::default();
    bases.raise(Tier::Ordinary, Base::from_millis(ordinary_ms));
    bases.raise(Tier::Daily, Base::from_millis(daily_ms));
    bases
}

fn key(name: &str) -> IntegrationKey {
    integration(name).key()
}

/// Raises bases of tables, on the tables' present watermarks.
async fn advance(lake: &Lake, moved: &[(&str, Bases)]) -> Result<(), LakeError> {
    let mut advances = Vec::new();
    for (name, bases) in moved {
        let coverage = lake.coverage(&tags(), &integration(name)).await?;
        advances.push(Advance {
            integration: integration(name),
            bases: *bases,
            watermarks: coverage.watermarks,
        });
    }
    lake.advance(&tags(), &advances).await
}

async fn ordinary_ms(lake: &Lake, name: &str) -> Option<i64> {
    let coverage = lake.coverage(&tags(), &integration(name)).await;
    let bases = coverage.expect("coverage").bases;
    bases.get(Tier::Ordinary).map(Base::as_millis)
}

async fn version(lake: &Lake, part: Part) -> u64 {
    let table = lake
        .tables()
        .of_endpoint(&tags(), part)
        .await
        .expect("open");
    table.refreshed().await.expect("read").version()
}

#[tokio::test]
async fn bases_of_many_integrations_move_in_one_entry_without_files_and_seen_stays() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    run(&lake, &delta("a"), &[&[("1", 10, 1)]], end(1, 10)).await;
    let before = version(&lake, Part::Deltas).await;
    let moved = [("a", bases(500, 400)), ("b", bases(700, 600))];
    advance(&lake, &moved).await.expect("advanced");

    assert_eq!(version(&lake, Part::Deltas).await, before + 1);
    assert_eq!(ordinary_ms(&lake, "a").await, Some(500));
    assert_eq!(ordinary_ms(&lake, "b").await, Some(700));
    let a = lake.coverage(&tags(), &integration("a")).await.expect("a");
    assert_eq!(a.seen, Some(ObservedAt::from_micros(10)));
    assert_eq!(a.bases.get(Tier::Hourly), None, "tier not raised");
    assert_eq!(
        stored(&store, Part::Deltas).await,
        rows_of("a", &[("1", 10, 1)])
    );
}

#[tokio::test]
async fn bases_never_go_back_and_nothing_is_written_where_nothing_moves() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    run(&lake, &snapshot("a"), &[&[("1", 10, 1)]], end(1_000, 10)).await;
    let before = version(&lake, Part::Deltas).await;
    // The snapshot's own log has these bases already.
    let told = [("a", bases(1_000, 1_000))];
    advance(&lake, &told).await.expect("nothing");
    advance(&lake, &[]).await.expect("nothing");
    assert_eq!(version(&lake, Part::Deltas).await, before);

    let mixed = [("a", bases(2_000, 900))];
    advance(&lake, &mixed).await.expect("advanced");
    advance(&lake, &mixed).await.expect("nothing");
    assert_eq!(version(&lake, Part::Deltas).await, before + 1);
    let coverage = lake.coverage(&tags(), &integration("a")).await.expect("a");
    let daily = coverage.bases.get(Tier::Daily);
    assert_eq!(daily, Some(Base::from_millis(1_000)), "900 is lower");
    assert_eq!(ordinary_ms(&lake, "a").await, Some(2_000));
}

#[tokio::test]
async fn a_lake_that_loses_the_race_does_not_lower_what_the_other_raised() {
    let store = TableStore::memory();
    let (slow, fast) = (
        lake(&store, &settings()).await,
        lake(&store, &settings()).await,
    );
    run(&slow, &delta("x"), &[], end(1, 10)).await;
    let (high, low) = ([("a", bases(900, 900))], [("a", bases(800, 950))]);
    let tags = tags();
    let (first, second) = tokio::join!(advance(&fast, &high), advance(&slow, &low));
    first.and(second).expect("both");
    let coverage = slow.coverage(&tags, &integration("a")).await.expect("a");
    let both = [Tier::Ordinary, Tier::Daily].map(|tier| coverage.bases.get(tier));
    assert_eq!(both, [900, 950].map(|ms| Some(Base::from_millis(ms))));
}

#[tokio::test]
async fn an_overview_has_every_integration_and_what_its_snapshot_weighs() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let rows: [Row; 2] = [("1", 10, 1), ("2", 11, 1)];
    run(&lake, &snapshot("a"), &[&rows], end(100, 11)).await;
    run(&lake, &snapshot("empty"), &[], end(200, 12)).await;
    run(&lake, &delta("a"), &[&[("1", 20, 2)]], end(300, 20)).await;
    run(&lake, &delta("b"), &[&[("1", 21, 2)]], end(400, 21)).await;

    let overview = lake.overview(&tags()).await.expect("read").expect("tables");
    let all = lake.coverages(&tags()).await.expect("read");
    for name in ["a", "b", "empty"] {
        let one = lake.coverage(&tags(), &integration(name)).await;
        let table = overview.tables[&key(name)];
        assert_eq!(table.coverage, one.expect("coverage"), "{name}");
        assert_eq!(table.coverage, all[&key(name)], "{name}");
    }
    assert_eq!(all.len(), 3);
    assert_eq!(overview.tables.len(), 3);
    let a = overview.tables[&key("a")];
    assert_eq!((a.snapshot_rows, a.snapshot_files), (2, 1));
    let snapshot = live_files(&store, Part::Snapshots).await;
    assert_eq!(a.snapshot_bytes, snapshot[0].1.len() as u64);
    let TableOverview {
        coverage,
        snapshot_rows,
        ..
    } = overview.tables[&key("empty")];
    assert_eq!(snapshot_rows, 0);
    assert_eq!(coverage.snapshot_base, Some(Base::from_millis(200)));
    assert_eq!((overview.delta_files, overview.delta_rows), (2, 2));
}

#[tokio::test]
async fn an_overview_of_nothing_creates_nothing() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let before = store.objects().list(None).count().await;
    assert_eq!(lake.overview(&tags()).await.expect("read"), None);
    assert!(lake.coverages(&tags()).await.expect("read").is_empty());
    assert_eq!(store.objects().list(None).count().await, before);
}

#[tokio::test]
async fn notes_are_put_in_the_place_of_the_last_ones() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let (one, two) = (InstanceId::fresh(), InstanceId::fresh());
    assert_eq!(lake.read_status().await.expect("read"), []);
    for text in ["first", "second"] {
        let notes = Bytes::from_static(text.as_bytes());
        lake.put_status(&one, notes).await.expect("put");
    }
    let other = Bytes::from_static(b"another service");
    lake.put_status(&two, other.clone()).await.expect("put");
    let mut found = lake.read_status().await.expect("read");
    found.sort_by_key(|(instance, _)| *instance != one);
    assert_eq!(found, [(one, Bytes::from_static(b"second")), (two, other)]);
    lake.forget_old_status().await.expect("none is old");
    assert_eq!(lake.read_status().await.expect("read").len(), 2);
}
