//! Tests of waits: for the rate limit, and for memory.

use super::server::{Reply, Server, head};
use super::*;
use crate::api::WaitReason;

#[tokio::test]
async fn a_time_that_cannot_be_true_is_not_obeyed_and_the_wait_is_seen() {
    for header in [
        ("ratelimit-reset", "4070908800"),
        ("ratelimit-reset", "4070908800000"),
        ("retry-after", "Thu, 01 Jan 2099 00:00:00 GMT"),
    ] {
        let server = Server::start(vec![Reply::new(429, &[header], b""), ok()]).await;
        let second = ApiSettings {
            rate_limit_duration_secs: 1.try_into().expect("not zero"),
            ..settings()
        };
        let api = api_with(&server.address, &second);
        let seen = async {
            loop {
                if let Some(wait) = api.waits() {
                    break wait;
                }
                tokio::task::yield_now().await;
            }
        };
        let (answer, wait) = futures_util::future::join(page(&api, None), seen).await;
        assert!(answer.is_ok(), "{header:?}");
        assert_eq!(wait.reason, WaitReason::RateLimitWithoutTime, "{header:?}");
        assert!(wait.left <= Duration::from_secs(1));
        assert_eq!(api.waits(), None);
    }
}

#[tokio::test]
async fn pages_of_one_client_share_their_memory() {
    let mut half = head(200, &[("content-length", "40000000")]);
    half.extend_from_slice(b"\r\n{");
    let server = Server::start(vec![Reply::Stall(half), ok()]).await;
    let api = api(&server);
    let large = page(&api, None);
    let hangs = tokio::time::timeout(Duration::from_millis(300), large).await;
    assert!(hangs.is_err(), "the large page goes beyond the budget");
    let small = page(&api, None).await.expect("and gave its place back");
    assert!(
        format!("{:?}", small.reserved).contains("54 bytes"),
        "{small:?}"
    );
}

#[tokio::test]
async fn nothing_leaves_while_a_429_holds_the_key() {
    let asked = [("retry-after", "3600")];
    let server = Server::start(vec![Reply::new(429, &asked, b""), ok()]).await;
    let api = api(&server);
    let refused = page(&api, None);
    let other = async {
        while api.throttle_view().wait.is_none() {
            tokio::task::yield_now().await;
        }
        page(&api, None).await
    };
    let both = futures_util::future::join(refused, other);
    let hour = tokio::time::timeout(Duration::from_millis(300), both).await;
    assert!(hour.is_err(), "both wait");
    assert_eq!(server.requests().len(), 1);
    assert_eq!(api.throttle_view().waiting, 0, "they gave up");
    let wait = api.throttle_view().wait.expect("it goes on");
    assert_eq!(wait.reason, WaitReason::RateLimit);
    assert!(wait.left > Duration::from_mins(59));
}

#[tokio::test]
async fn a_429_is_waited_for_in_every_form() {
    for header in [
        ("retry-after-ms", "30"),
        ("retry-after", "1"),
        ("ratelimit-reset", "0"),
    ] {
        let (answer, requests) = ask(vec![Reply::new(429, &[header], b""), ok()]).await;
        assert!(answer.is_ok());
        assert_eq!(requests, 2);
    }
}
