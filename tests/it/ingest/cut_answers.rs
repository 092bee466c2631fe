//! Answers to questions for ids that end early, like the walk before them. Rows that such an answer omits are not gone.

use kombo_source::plan::Kind;
use kombo_source::stream::Verdicts;

use super::witness::{DAY, deltas, id, is_right, kombo};
use super::{run, writer};
use crate::support::memory_sink::MemorySink;
use crate::support::small_kombo::IdsFilter;

#[tokio::test(start_paused = true)]
async fn answers_that_are_cut_short_like_the_walk_take_no_row_away() {
    for (rows, lost) in [(1_500, 140), (300, 30), (700, 401), (2_000, 99)] {
        let kombo = kombo(rows, 100).await;
        let sink = MemorySink::default().folding();
        run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        kombo.cut_after(Some(rows - lost));
        kombo.filter_ids(IdsFilter::Halved);
        for secs in [600, 5, DAY, 2 * DAY] {
            kombo.pass(secs).await;
            let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
            assert_eq!(done.missing.gone, 0, "{lost} of {rows} after {secs} s");
            assert!(is_right(&sink, &kombo), "{lost} of {rows} after {secs} s");
        }
        assert!(!deltas(&sink).contains_key("absent"), "{lost} of {rows}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_gone_are_called_so_though_others_that_were_missing_live() {
    let kombo = kombo(1_000, 100).await;
    let sink = MemorySink::default().folding();
    run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    kombo.change(|all| (100..175).for_each(|row| all.remove(&id(row))));
    kombo.cut_after(Some(900));
    kombo.pass(600).await;
    let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    let Verdicts { found, gone, .. } = done.missing;
    assert_eq!((found, gone), (25, 75));
    assert!(is_right(&sink, &kombo));
}
