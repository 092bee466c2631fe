//! Rows without a usable id are kept, within limits.

use std::sync::Arc;

use crate::decode::QuarantinedRow;
use crate::delta::store::TableStore;
use crate::lake::Lake;
use crate::lake::tests::support::*;
use crate::time::{Clock, ObservedAt};

#[tokio::test]
async fn a_row_without_an_id_is_kept_in_quarantine() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let mut staging = lake.begin(&delta("a"), &tags()).await.expect("begins");
    staging
        .quarantine(vec![QuarantinedRow {
            reason: "id is null",
            raw: r#"{"id":null}"#.to_owned(),
            observed_at: ObservedAt::from_micros(10),
        }])
        .await
        .expect("quarantined");
    staging.commit(end(1, 10)).await.expect("committed");
    let rows = quarantined(&store).await;
    assert_eq!(
        rows,
        [(integration("a").to_string(), r#"{"id":null}"#.to_owned())]
    );
}

#[tokio::test]
async fn rows_without_an_id_beyond_the_limit_of_a_day_are_not_kept_and_stop_nothing() {
    let (store, clock) = (TableStore::memory(), TestClock::new());
    let shown = Arc::clone(&clock) as Arc<dyn Clock>;
    let lake = Lake::over(store.clone(), &settings(), shown)
        .await
        .expect("the lake opens");
    let mut base = 1;
    let mut fetch_bad_rows = async |name: &str| {
        let mut staging = lake.begin(&delta(name), &tags()).await.expect("begins");
        for _ in 0..3 {
            let row = |at| QuarantinedRow {
                reason: "id is null",
                raw: format!(r#"{{"id":null,"at":{at}}}"#),
                observed_at: ObservedAt::from_micros(at),
            };
            let rows = (0..600).map(row).collect();
            staging.quarantine(rows).await.expect("quarantined");
        }
        base += 1;
        staging.commit(end(base, base)).await.expect("committed");
    };
    let kept = async |name: &str| {
        let rows = quarantined(&store).await.into_iter();
        rows.filter(|row| row.0 == integration(name).to_string())
            .count()
    };
    for _ in 0..2 {
        fetch_bad_rows("a").await;
        assert_eq!(kept("a").await, 1_000);
    }
    fetch_bad_rows("b").await;
    assert_eq!((kept("a").await, kept("b").await), (1_000, 1_000));
    clock.pass(24 * 3_600_000);
    fetch_bad_rows("a").await;
    assert_eq!((kept("a").await, kept("b").await), (2_000, 1_000));
}
