//! All kinds of steps in random order: rows that change and change back, deltas of all tiers, snapshots, two processes
//! on one sink, memories that overflow, restarts, and fetches that are cut off.

use std::collections::BTreeSet;
use std::time::Duration;

use kombo_source::fetch::FetchMode;
use kombo_source::ingest::{Done, FetchEnding, IngestError};
use kombo_source::plan::Kind;
use kombo_source::time::Tier;
use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Writer, covered, fetch, newest, remembering, run, run_tier};
use crate::support::memory_sink::MemorySink;
use crate::support::small_kombo::{Listing, SmallKombo};

const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A row takes one of two values, so that a row often changes back.
    Change {
        id: usize,
        value: u64,
    },
    /// A record disappears without `remote_deleted_at`.
    Remove {
        id: usize,
    },
    /// From now on Kombo answers or refuses questions for single rows.
    Refuse {
        ids: bool,
    },
    Pass {
        secs: u64,
    },
    Delta {
        writer: usize,
        tier: Tier,
    },
    Snapshot {
        writer: usize,
    },
    Flush {
        writer: usize,
    },
    Restart {
        writer: usize,
    },
    /// Drops the running fetches of the writer at any point.
    CutOff {
        writer: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let writer = 0..2_usize;
    let tier = prop_oneof![
        4 => Just(Tier::Ordinary),
        1 => Just(Tier::Hourly),
        1 => Just(Tier::Daily),
    ];
    prop_oneof![
        6 => (0..IDS.len(), 0..2_u64).prop_map(|(id, value)| Step::Change { id, value }),
        2 => (0..IDS.len()).prop_map(|id| Step::Remove { id }),
        1 => any::<bool>().prop_map(|ids| Step::Refuse { ids }),
        4 => (0..1_500_u64).prop_map(|secs| Step::Pass { secs }),
        6 => (writer.clone(), tier).prop_map(|(writer, tier)| Step::Delta { writer, tier }),
        2 => writer.clone().prop_map(|writer| Step::Snapshot { writer }),
        1 => writer.clone().prop_map(|writer| Step::Flush { writer }),
        1 => writer.clone().prop_map(|writer| Step::Restart { writer }),
        1 => writer.prop_map(|writer| Step::CutOff { writer }),
    ]
}

/// Number of rows that the memory of a writer holds. With ten rows the writer forgets all the time.
fn memories() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1_000), Just(10)]
}

fn paused<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_each_fetch_the_sink_shows_what_kombo_showed(
        steps in prop::collection::vec(step(), 1..60),
        memory_rows in memories(),
        page_size in 1..4_usize,
        tells in any::<bool>(),
    ) {
        paused(one_after_the_other(&steps, memory_rows, page_size, tells));
    }

    #[test]
    fn once_all_fetches_have_ended_one_delta_makes_the_sink_show_what_kombo_shows(
        steps in prop::collection::vec(step(), 1..60),
        memory_rows in memories(),
        page_size in 1..4_usize,
        by_change in any::<bool>(),
        delay_ms in prop_oneof![Just(2_000_u64), Just(60_000), Just(200_000)],
        seed in any::<u64>(),
        last in 0..2_usize,
        removes in any::<bool>(),
        tells in any::<bool>(),
    ) {
        let listing = if by_change { Listing::ByChange } else { Listing::ById };
        paused(async {
            let kombo = SmallKombo::new(listing, page_size).with_delays(delay_ms, seed);
            let sink = told(MemorySink::slow(seed).folding(), tells);
            for id in IDS {
                kombo.set(id, 0);
            }
            if by_change || removes {
                // A row that shifts out of the very first snapshot is found by the second snapshot at the earliest.
                let first = remembering(&kombo, &sink, memory_rows);
                run(&first, Kind::Snapshot).await.unwrap();
            }
            side_by_side(&kombo, &sink, &steps, memory_rows, last, removes).await;
        });
    }
}

/// Returns a sink that reports its newest hashes, or a sink that does not.
fn told(sink: MemorySink, tells: bool) -> MemorySink {
    if tells { sink.telling() } else { sink }
}

async fn one_after_the_other(steps: &[Step], memory_rows: usize, page_size: usize, tells: bool) {
    let kombo = SmallKombo::new(Listing::ById, page_size);
    let sink = told(MemorySink::default().folding(), tells);
    let mut unseen = Unseen::default();
    let fresh = || remembering(&kombo, &sink, memory_rows);
    let mut writers = [fresh(), fresh()];
    for id in IDS {
        kombo.set(id, 0);
    }
    for step in steps {
        let done = match *step {
            Step::Change { id, value } => {
                kombo.set(IDS[id], value);
                unseen.rows.remove(IDS[id]);
                continue;
            }
            Step::Remove { id } => {
                if kombo.truth().contains_key(IDS[id]) {
                    kombo.change(|rows| rows.remove(IDS[id]));
                    unseen.rows.insert(IDS[id]);
                }
                continue;
            }
            Step::Refuse { ids } => {
                kombo.answer_ids();
                if ids {
                    kombo.refuse_ids(403, "INTEGRATION.PERMISSION_MISSING");
                }
                unseen.refused = ids;
                continue;
            }
            Step::Pass { secs } => {
                sleep(Duration::from_secs(secs)).await;
                continue;
            }
            Step::Flush { writer } => {
                writers[writer].flush_bases(|_| false).await.unwrap();
                continue;
            }
            Step::Restart { writer } | Step::CutOff { writer } => {
                writers[writer] = fresh();
                continue;
            }
            Step::Delta { writer, tier } => run_tier(&writers[writer], tier).await,
            Step::Snapshot { writer } => run(&writers[writer], Kind::Snapshot).await,
        };
        let done = done.unwrap();
        if done.mode == FetchMode::Snapshot {
            unseen.walked_whole(kombo.truth().len());
        }
        // A change and the next one must not fall into the same millisecond.
        sleep(Duration::from_millis(1)).await;
        assert_ne!(done.ending, FetchEnding::Superseded);
        let mut shown = newest(&sink);
        shown.retain(|id, _| !unseen.rows.contains(&**id));
        assert_eq!(shown, kombo.truth(), "{done:?}");
    }
}

/// Rows that disappeared without `remote_deleted_at` and that the sink may still show, until Kombo could be asked for
/// them.
#[derive(Default)]
struct Unseen {
    rows: BTreeSet<&'static str>,
    refused: bool,
}

impl Unseen {
    fn walked_whole(&mut self, rows: usize) {
        if !self.refused && has_canaries(rows) {
            self.rows.clear();
        }
    }
}

/// Returns whether a walk has a canary. With a single row there is no row to ask for together with the missing ones.
fn has_canaries(rows: usize) -> bool {
    rows > 1
}

/// The fetches of one process: at most one delta and one snapshot of the table, as in the queue.
struct Process {
    writer: Writer,
    under_way: [JoinSet<Result<Done, IngestError>>; 2],
}

impl Process {
    fn new(writer: Writer) -> Self {
        Self {
            writer,
            under_way: [JoinSet::new(), JoinSet::new()],
        }
    }

    fn begin(&mut self, kind: Kind, tier: Tier) {
        let under_way = &mut self.under_way[kind as usize];
        while under_way.try_join_next().is_some() {}
        if !under_way.is_empty() {
            return;
        }
        let writer = self.writer.clone();
        under_way.spawn(async move {
            match kind {
                Kind::Delta => run_tier(&writer, tier).await,
                Kind::Snapshot => {
                    let coverage = covered(&writer).await;
                    fetch(&writer, FetchMode::Snapshot, coverage).await
                }
            }
        });
    }
}

async fn side_by_side(
    kombo: &SmallKombo,
    sink: &MemorySink,
    steps: &[Step],
    memory_rows: usize,
    last: usize,
    removes: bool,
) {
    let fresh = || Process::new(remembering(kombo, sink, memory_rows));
    let mut processes = [fresh(), fresh()];
    for step in steps {
        match *step {
            Step::Change { id, value } => kombo.set(IDS[id], value),
            Step::Remove { id } if removes => kombo.change(|rows| rows.remove(IDS[id])),
            // If Kombo refuses questions for ids, a row that shifts out of two snapshots in a row counts as gone.
            Step::Remove { .. } | Step::Refuse { .. } => {}
            Step::Pass { secs } => sleep(Duration::from_secs(secs)).await,
            Step::Flush { writer } => {
                processes[writer]
                    .writer
                    .flush_bases(|_| false)
                    .await
                    .unwrap();
            }
            Step::Restart { writer } => processes[writer] = fresh(),
            Step::CutOff { writer } => {
                for under_way in &mut processes[writer].under_way {
                    under_way.abort_all();
                }
            }
            Step::Delta { writer, tier } => processes[writer].begin(Kind::Delta, tier),
            Step::Snapshot { writer } => processes[writer].begin(Kind::Snapshot, Tier::Daily),
        }
        sleep(Duration::from_millis(1)).await;
    }
    for process in &mut processes {
        for under_way in &mut process.under_way {
            while let Some(ended) = under_way.join_next().await {
                match ended {
                    Ok(done) => drop(done.unwrap()),
                    Err(cut_off) => assert!(cut_off.is_cancelled(), "{cut_off}"),
                }
            }
        }
    }
    // The narrowest tier is used, because a wider tier would repair what the narrow one lacks.
    let writer = &processes[last].writer;
    let done = run_tier(writer, Tier::Ordinary).await.unwrap();
    assert_ne!(done.ending, FetchEnding::Superseded);
    let truth = kombo.truth();
    let mut shown = newest(sink);
    shown.retain(|id, _| !removes || truth.contains_key(id));
    assert_eq!(shown, truth, "{done:?}");
    if removes && has_canaries(truth.len()) {
        let done = run(writer, Kind::Snapshot).await.unwrap();
        assert_ne!(done.ending, FetchEnding::Superseded);
        assert_eq!(newest(sink), truth, "{done:?}");
    }
}
