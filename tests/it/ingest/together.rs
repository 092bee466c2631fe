//! Fetches into a real lake.

use std::collections::BTreeMap;
use std::sync::Arc;

use kombo_source::decode::DecodeLimits;
use kombo_source::fetch::Lane;
use kombo_source::ingest::{Done, FetchEnding, Ingest, IngestSettings, Order, next_mode};
use kombo_source::lake::{Lake, LakeSettings, Part};
use kombo_source::plan::{Announced, Kind};
use kombo_source::time::{Moment, SystemClock, Tier};

use crate::support::memory_world::Unwatched;
use crate::support::small_kombo::{Listing, SmallKombo, table, tags};

struct Setup {
    kombo: SmallKombo,
    lake: Lake,
    ingest: Ingest<SmallKombo, Lake>,
}

async fn setup() -> Setup {
    let settings = LakeSettings {
        url: "memory:".to_owned(),
        options: BTreeMap::new(),
        commit_window_secs: 0,
        ..LakeSettings::default()
    };
    let lake = Lake::open(&settings, Arc::new(SystemClock)).await.unwrap();
    let kombo = SmallKombo::new(Listing::ByChange, 2);
    let ingest = Ingest::new(
        Arc::new(kombo.clone()),
        lake.clone(),
        DecodeLimits::default(),
        IngestSettings::default(),
    );
    Setup {
        kombo,
        lake,
        ingest,
    }
}

impl Setup {
    async fn run(&self, want: Kind) -> Done {
        let integration = table().integration;
        let coverage = self.ingest.covered(&tags(), &integration).await.unwrap();
        let order = Order {
            mode: next_mode(
                &coverage,
                &tags(),
                Moment::from_millis(self.kombo.now_ms()),
                want,
            ),
            table: table(),
            endpoint: tags(),
            lane: Lane::Snapshot,
            coverage,
            announced: Announced::default(),
        };
        self.ingest.run(order, (), &Unwatched).await.unwrap()
    }

    /// Counts the rows in the live files of a part.
    async fn rows(&self, part: Part) -> u64 {
        let files = self.lake.files(&tags(), part).await.unwrap();
        files.iter().map(|file| file.num_records.unwrap()).sum()
    }
}

#[tokio::test]
async fn a_row_that_shifts_out_of_a_snapshot_is_in_the_lake_all_the_same() {
    let setup = setup().await;
    let kombo = &setup.kombo;
    kombo.change(|rows| (0..7).for_each(|row| rows.set_ago(&format!("{row}"), 0, 600_000)));
    setup.run(Kind::Snapshot).await;
    assert_eq!(
        (
            setup.rows(Part::Snapshots).await,
            setup.rows(Part::Deltas).await
        ),
        (7, 0)
    );
    kombo.change_after_page(1, |rows| rows.set("0", 1));
    let done = setup.run(Kind::Snapshot).await;
    assert_eq!(
        (
            done.closing_rows,
            done.missing.found,
            done.missing.unconfirmed
        ),
        (1, 1, 0)
    );
    assert_eq!(
        (
            setup.rows(Part::Snapshots).await,
            setup.rows(Part::Deltas).await
        ),
        (6, 2)
    );
}

#[tokio::test]
async fn an_empty_delta_writes_nothing_and_its_base_one_entry() {
    let setup = setup().await;
    setup.kombo.change(|rows| rows.set_ago("a", 0, 7_200_000));
    setup.run(Kind::Snapshot).await;
    let integration = table().integration;
    let stored = async || setup.lake.coverage(&tags(), &integration).await.unwrap();
    let before = stored().await;
    let done = loop {
        let done = setup.run(Kind::Delta).await;
        assert_eq!(done.ending, FetchEnding::Empty);
        // `Date` has whole seconds, so the base cannot rise before the next second.
        if done.base > before.bases.get(Tier::Ordinary) {
            break done;
        }
    };
    assert_eq!(stored().await, before);
    setup.ingest.flush_bases(|_| false).await.unwrap();
    let after = stored().await;
    assert_eq!(after.bases.get(Tier::Ordinary), done.base);
    assert_eq!(after.bases.get(Tier::Daily), before.bases.get(Tier::Daily));
    assert_eq!(after.watermarks, before.watermarks, "no row came");
    setup.kombo.set("a", 1);
    let done = setup.run(Kind::Delta).await;
    assert_eq!((done.counts.committed, done.unannounced_rows), (1, Some(1)));
}

#[tokio::test]
async fn a_row_that_is_gone_without_a_trace_has_one_in_the_lake() {
    let setup = setup().await;
    let kombo = &setup.kombo;
    for row in ["0", "1", "2"] {
        kombo.change(|rows| rows.set_ago(row, 0, 600_000));
    }
    setup.run(Kind::Snapshot).await;
    kombo.change(|rows| rows.remove("1"));
    for gone in [1, 0] {
        let done = setup.run(Kind::Snapshot).await;
        assert!(matches!(done.ending, FetchEnding::Committed { .. }));
        assert_eq!((done.missing.gone, done.missing.unconfirmed), (gone, 0));
        assert_eq!(done.counts.committed, 2 + gone);
        assert_eq!(setup.rows(Part::Deltas).await, 1);
    }
    // The last row about this record left with the previous snapshot. The record comes back, and disappears again.
    let integration = table().integration;
    let look = async || setup.lake.newest(&tags(), &integration, "1").await.unwrap();
    kombo.set("1", 2);
    setup.run(Kind::Delta).await;
    assert!(!look().await.unwrap().is_deleted);
    kombo.change(|rows| rows.remove("1"));
    let done = setup.run(Kind::Snapshot).await;
    assert_eq!(done.missing.gone, 1, "deltas know of it");
    assert!(look().await.unwrap().is_deleted);
}
