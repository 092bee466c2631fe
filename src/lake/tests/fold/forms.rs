//! Kombo starts to write its timestamps in another form.

use crate::decode::{DecodeLimits, PageDecoder};
use crate::lake::tests::fold::*;
use crate::time::ObservedAt;

const HOUR: i64 = 60 * MINUTE_US;

/// Returns two rows as Kombo sends them.
fn page(changed_at: &str, name: &str) -> String {
    let row = |id: &str| format!(r#"{{"id":"{id}","name":"{name}","changed_at":"{changed_at}"}}"#);
    let rows = ["1", "2"].map(row).join(",");
    format!(r#"{{"status":"success","data":{{"next":null,"results":[{rows}]}}}}"#)
}

/// Fetches everything and folds it.
async fn fetched(lake: &Lake, at: i64, changed_at: &str, name: &str) -> FoldedTable {
    let fetch = snapshot("a");
    let mut decoder = PageDecoder::new(tags(), &fetch, DecodeLimits::default());
    let body = page(changed_at, name);
    let summary = decoder.page(body.as_bytes(), ObservedAt::from_micros(at), |_| {});
    assert_eq!(summary.expect("a page").rest_values, 0, "no misfit");
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    let rows = decoder.take_batch().expect("rows");
    staging.push(rows).await.expect("pushed");
    let end = end(at / 1_000, at + 2);
    staging.commit(end).await.expect("committed");
    fold_one(lake).await
}

#[tokio::test]
async fn another_form_of_the_same_instants_is_no_change_and_no_drift() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    fetched(&lake, 10 * HOUR, "1970-01-01T08:00:00.000Z", "A").await;
    for (hours, form) in [
        (20, "1970-01-01T08:00:00Z"),
        (30, "1970-01-01 10:00:00.000000+02:00"),
        (40, "1970-01-01T08:00:00.000Z"),
    ] {
        let done = fetched(&lake, hours * HOUR, form, "A").await;
        assert_eq!(
            (done.rows, done.changed, done.drift),
            (2, 0, vec![]),
            "{form}"
        );
        assert_eq!(done.held, 0, "nothing turned null");
    }
    // Another instant is a change in any form, and so is another value.
    let done = fetched(&lake, 50 * HOUR, "1970-01-01T08:00:01Z", "A").await;
    assert_eq!((done.changed, done.drift.len()), (2, 1));
    let done = fetched(&lake, 60 * HOUR, "1970-01-01T08:00:01+00:00", "B").await;
    assert_eq!((done.changed, done.drift.len()), (2, 1));
}
