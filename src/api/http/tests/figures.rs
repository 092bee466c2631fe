//! Tests of the counts of requests, and of the difference between the two clocks.

use super::*;

#[tokio::test]
async fn every_answer_and_every_failed_attempt_is_counted() {
    let answers = vec![
        Reply::new(503, &[], b""),
        Reply::Reset(head(200, &[])),
        ok(),
        Reply::new(404, &[], b""),
    ];
    let server = Server::start(answers).await;
    let api = api(&server);
    page(&api, None).await.expect("a page after two failures");
    page(&api, None).await.expect_err("nothing there");
    let traffic = api.traffic();
    assert_eq!((traffic.requests, traffic.retries), (4, 2));
    let some = |counts: &std::collections::BTreeMap<&'static str, u64>| -> Vec<_> {
        let some = counts.iter().filter(|(_, count)| **count > 0);
        some.map(|(name, count)| (*name, *count)).collect()
    };
    // The connection that was reset brought no complete head, so no status.
    assert_eq!(
        some(&traffic.responses),
        [("2xx", 1), ("4xx", 1), ("5xx", 1)]
    );
    assert_eq!(
        some(&traffic.errors),
        [("not_found", 1), ("unavailable", 1), ("unreachable", 1)]
    );
}

#[tokio::test]
async fn the_servers_time_and_the_skew_come_from_its_answers_even_from_refusals() {
    let server = Server::start(vec![Reply::new(404, &[("date", DATE)], b"")]).await;
    let api = api(&server);
    assert_eq!((api.server_now(), api.skew()), (None, None));
    page(&api, None).await.expect_err("nothing there");
    let now = api
        .server_now()
        .expect("there was a date")
        .moment()
        .as_millis();
    assert!((DATE_MS..DATE_MS + 30_000).contains(&now), "{now}");
    let skew = api.skew().expect("there was a date");
    assert!((-45_000..-15_000).contains(&skew), "{skew}");
}
