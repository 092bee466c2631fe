//! What is stored beside a fetch, and bases that advance without rows.

use crate::delta::store::TableStore;
use crate::lake::tests::support::*;
use crate::lake::{Part, SnapshotHistory};
use crate::sink::{Advance, Provenance, Receipt, Watermarks};
use crate::time::{Base, Bases, Moment, ObservedAt, Tier};

#[tokio::test]
async fn a_receipt_names_the_mark_that_coverage_shows() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    for (fetch, seen) in [(snapshot("a"), 10), (delta("a"), 12), (delta("a"), 5)] {
        let receipt = run(&lake, &fetch, &[], end(1, seen)).await;
        let Receipt::Committed { seen, .. } = receipt else {
            panic!("superseded");
        };
        let coverage = lake
            .coverage(&tags(), &integration("a"))
            .await
            .expect("read");
        let Watermarks { snapshots, deltas } = coverage.watermarks;
        assert!(
            [snapshots, deltas].contains(&Some(seen)),
            "{seen:?}: {coverage:?}"
        );
    }
    let watermarks = lake
        .coverage(&tags(), &integration("a"))
        .await
        .expect("read")
        .watermarks;
    let deltas = Some(ObservedAt::from_micros(13));
    assert_eq!(
        watermarks.deltas, deltas,
        "it moved, though nothing later was observed"
    );
}

fn advance(name: &str, tiers: &[(Tier, i64)], watermarks: Watermarks) -> Advance {
    let mut bases = Bases::default();
    for (tier, base) in tiers {
        bases.raise(*tier, Base::from_millis(*base));
    }
    Advance {
        integration: integration(name),
        bases,
        watermarks,
    }
}

#[tokio::test]
async fn bases_of_many_tables_move_in_one_entry_and_only_upwards() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let coverage = async |name: &str| {
        lake.coverage(&tags(), &integration(name))
            .await
            .expect("read")
    };
    run(&lake, &delta("a"), &[&[("1", 10, 1)]], end(50, 10)).await;
    run(&lake, &delta("b"), &[&[("1", 10, 1)]], end(50, 10)).await;
    let (a, b) = (coverage("a").await, coverage("b").await);
    let advances = [
        advance(
            "a",
            &[(Tier::Ordinary, 40), (Tier::Hourly, 70)],
            a.watermarks,
        ),
        advance("b", &[(Tier::Ordinary, 60)], b.watermarks),
    ];
    lake.advance(&tags(), &advances).await.expect("written");
    for _ in 0..2 {
        assert_eq!(
            coverage("a").await.bases.get(Tier::Ordinary),
            Some(Base::from_millis(50))
        );
        assert_eq!(
            coverage("a").await.bases.get(Tier::Hourly),
            Some(Base::from_millis(70))
        );
        assert_eq!(
            coverage("b").await.bases.get(Tier::Ordinary),
            Some(Base::from_millis(60))
        );
        assert_eq!(coverage("a").await.watermarks, a.watermarks);
        // The second time there is nothing to write.
        lake.advance(&tags(), &advances).await.expect("nothing");
    }
    let receipt = run(&lake, &delta("c"), &[], end(1, 10)).await;
    assert!(
        matches!(receipt, Receipt::Committed { version: 4, .. }),
        "{receipt:?}"
    );
    assert_eq!(stored(&store, Part::Deltas).await.len(), 2);
}

#[tokio::test]
async fn bases_do_not_move_on_a_table_that_somebody_committed_to_meanwhile() {
    let store = TableStore::memory();
    let (one, other) = (
        lake(&store, &settings()).await,
        lake(&store, &settings()).await,
    );
    let coverage = async || {
        one.coverage(&tags(), &integration("a"))
            .await
            .expect("read")
    };
    for (overtaking, at) in [(delta("a"), 10), (snapshot("a"), 20)] {
        run(&one, &delta("a"), &[&[("1", at, 1)]], end(50, at)).await;
        let advance = advance("a", &[(Tier::Ordinary, 90)], coverage().await.watermarks);
        run(&other, &overtaking, &[&[("1", at + 5, 2)]], end(40, at + 5)).await;
        one.advance(&tags(), &[advance]).await.expect("left out");
        assert_eq!(
            coverage().await.bases.get(Tier::Ordinary),
            Some(Base::from_millis(50))
        );
    }
}

#[tokio::test]
async fn two_processes_that_move_bases_at_once_both_get_through() {
    let store = TableStore::memory();
    let (one, other) = (
        lake(&store, &settings()).await,
        lake(&store, &settings()).await,
    );
    run(&one, &delta("x"), &[], end(1, 10)).await;
    let none = Watermarks::default();
    let (a, b) = (
        [advance("a", &[(Tier::Ordinary, 60)], none)],
        [advance("b", &[(Tier::Ordinary, 70)], none)],
    );
    let tags = tags();
    let (a, b) = tokio::join!(one.advance(&tags, &a), other.advance(&tags, &b));
    a.and(b).expect("both are written");
    for (name, base) in [("a", 60), ("b", 70)] {
        let coverage = one.coverage(&tags, &integration(name)).await.expect("read");
        assert_eq!(
            coverage.bases.get(Tier::Ordinary),
            Some(Base::from_millis(base))
        );
    }
}

#[tokio::test]
async fn a_delta_under_way_is_superseded_by_bases_that_move() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let fetch = delta("a");
    let staging = lake.begin(&fetch, &tags()).await.expect("begins");
    let advance = advance("a", &[(Tier::Ordinary, 60)], Watermarks::default());
    lake.advance(&tags(), &[advance]).await.expect("written");
    let receipt = staging.commit(end(50, 10)).await.expect("an answer");
    assert_eq!(receipt, Receipt::Superseded);
}

/// Returns the names of the transactions in the entry of `snapshots` that a fetch commits.
async fn written(store: &TableStore, version: u64) -> Vec<String> {
    let path = format!("ats_tags/snapshots/_delta_log/{version:020}.json");
    let entry = store.read(&path.into()).await.expect("an entry");
    let entry = String::from_utf8(entry.to_vec()).expect("text");
    let lines = entry.lines().map(str::parse::<serde_json::Value>);
    let apps = lines.filter_map(|line| {
        let app_id = line.expect("JSON")["txn"]["appId"].as_str()?.to_owned();
        app_id.rsplit('/').next().map(str::to_owned)
    });
    apps.collect()
}

#[tokio::test]
async fn an_entry_repeats_no_transaction_that_stands_in_the_log() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    for (base, seen) in [(1, 10), (1, 20), (2, 30)] {
        run(&lake, &snapshot("a"), &[], end(base, seen)).await;
    }
    let first = ["daily", "delta", "hourly", "next_look", "seen", "since"];
    assert_eq!(written(&store, 1).await, first);
    assert_eq!(written(&store, 2).await, ["next_look", "seen", "since"]);
    assert_eq!(written(&store, 3).await, first);
    let facts = facts(&store, "a").await.expect("there");
    assert_eq!(
        (facts.prior, facts.announced, facts.first_look),
        (None, None, None)
    );
}

async fn facts(store: &TableStore, name: &str) -> Option<SnapshotHistory> {
    let lake = lake(store, &settings()).await;
    let table = lake.tables().of_endpoint(&tags(), Part::Snapshots).await;
    let state = table.expect("open").refreshed().await.expect("read");
    SnapshotHistory::of(&integration(name).key(), |app| state.txn(app))
}

#[tokio::test]
async fn a_snapshot_says_since_when_it_was_observed_and_on_what_it_was_ordered() {
    let store = TableStore::memory();
    let lake = lake(&store, &tiny_runs()).await;
    assert_eq!(facts(&store, "a").await, None);
    let pages: [&[Row]; 2] = [&[("1", 12, 1), ("2", 10, 1)], &[("3", 13, 1)]];
    let provenance = Provenance {
        prior: Some(Base::from_millis(7)),
        announced: Some(Moment::from_millis(8)),
    };
    let fetch = snapshot("a");
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    for rows in pages {
        let rows = batch(&tags(), &fetch, rows);
        staging.push(rows).await.expect("pushed");
    }
    let mut sealed = staging.seal(end(9, 13)).await.expect("sealed");
    sealed.note(provenance);
    sealed.commit().await.expect("committed");
    let told = SnapshotHistory {
        since: ObservedAt::from_micros(10),
        prior: provenance.prior,
        announced: provenance.announced,
        first_look: None,
        next_look: ObservedAt::from_micros(10),
    };
    assert_eq!(facts(&store, "a").await, Some(told));

    run(&lake, &snapshot("a"), &[], end(10, 20)).await;
    let untold = SnapshotHistory {
        since: ObservedAt::from_micros(20),
        prior: None,
        announced: None,
        first_look: None,
        // The replaced snapshot is not folded.
        next_look: ObservedAt::from_micros(20),
    };
    assert_eq!(facts(&store, "a").await, Some(untold), "it has no rows");
    run(&lake, &delta("a"), &[&[("1", 30, 1)]], end(11, 30)).await;
    assert_eq!(facts(&store, "a").await, Some(untold));
    assert_eq!(facts(&store, "b").await, None);
}

#[tokio::test]
async fn a_delta_of_which_a_row_is_not_later_than_what_the_table_has_is_superseded() {
    for rows in [&[("1", 20, 2)][..], &[("1", 21, 2), ("2", 19, 2)]] {
        for settings in [settings(), tiny_runs()] {
            let store = TableStore::memory();
            let lake = lake(&store, &settings).await;
            run(&lake, &delta("a"), &[&[("1", 10, 1)]], end(1, 20)).await;
            let pages: Vec<&[Row]> = rows.chunks(1).collect();
            let receipt = run(&lake, &delta("a"), &pages, end(2, 21)).await;
            assert_eq!(receipt, Receipt::Superseded, "{rows:?}");
            let kept = rows_of("a", &[("1", 10, 1)]);
            assert_eq!(stored(&store, Part::Deltas).await, kept);
            let receipt = run(&lake, &delta("a"), &[&[("1", 21, 2)]], end(2, 21)).await;
            assert!(matches!(receipt, Receipt::Committed { .. }), "{receipt:?}");
        }
    }
}

#[tokio::test]
async fn a_snapshot_may_hold_older_observations_than_the_one_before() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    run(&lake, &snapshot("a"), &[&[("1", 20, 1)]], end(1, 20)).await;
    let receipt = run(&lake, &snapshot("a"), &[&[("1", 10, 2)]], end(2, 10)).await;
    assert!(matches!(receipt, Receipt::Committed { .. }), "{receipt:?}");
}

#[tokio::test]
async fn what_is_stored_as_seen_is_never_before_a_row() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    run(&lake, &delta("a"), &[&[("1", 30, 1)]], end(1, 20)).await;
    let coverage = lake.coverage(&tags(), &integration("a")).await;
    let seen = coverage.expect("read").watermarks.deltas;
    assert_eq!(seen, Some(ObservedAt::from_micros(30)));
}
