mod figures;
mod server;
mod waits;

use std::error::Error;

use super::*;
use crate::api::LostAnswer;
use crate::catalog::Catalog;
use crate::ids::Cursor;
use crate::time::Moment;
use server::{Reply, Server, head};

const PAGE: &[u8] = br#"{"status":"success","data":{"next":null,"results":[]}}"#;
const KEY: &str = "sk_very_secret";
const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
const DATE_MS: i64 = 1_700_000_000_000;

struct FixedClock(i64);

impl Clock for FixedClock {
    fn now(&self) -> Moment {
        Moment::from_millis(self.0)
    }
}

fn settings() -> ApiSettings {
    ApiSettings {
        rate_limit_enabled: false,
        retry_initial_backoff_secs: 0.001,
        read_timeout_secs: 1.try_into().expect("not zero"),
        ..ApiSettings::default()
    }
}

fn api_with(address: &str, settings: &ApiSettings) -> HttpApi {
    let base_url = BaseUrl::parse(address).expect("a loopback address");
    let key = ApiKey::new(KEY).expect("a key");
    let clock = Arc::new(FixedClock(DATE_MS + 45_000));
    HttpApi::new(base_url, &key, settings, clock).expect("a client")
}

fn api(server: &Server) -> HttpApi {
    api_with(&server.address, &settings())
}

fn id() -> IntegrationId {
    IntegrationId::new("personio:CBNMt7dSNCzBdnRTx87dev4E").expect("an id")
}

async fn page(api: &HttpApi, cursor: Option<&str>) -> Result<Page, ApiError> {
    let cursor = cursor.and_then(Cursor::from_next);
    api.page(PageRequest {
        integration: &id(),
        endpoint: Catalog::embedded()
            .find("hris/employees")
            .expect("it is there"),
        updated_after: None,
        ids: &[],
        cursor: cursor.as_ref(),
        lane: Lane::Backfill,
    })
    .await
}

/// Asks for one page. The server sends the replies in order and repeats the last one. Returns the result and the number
/// of requests.
async fn ask(replies: Vec<Reply>) -> (Result<Page, ApiError>, usize) {
    let server = Server::start(replies).await;
    let answer = page(&api(&server), None).await;
    (answer, server.requests().len())
}

fn ok() -> Reply {
    Reply::new(200, &[("date", DATE)], PAGE)
}

fn everything_shown(error: &ApiError) -> String {
    let mut shown = format!("{error} {error:?}");
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    shown.extend(causes.map(|cause| format!(" {cause} {cause:?}")));
    shown
}

#[tokio::test]
async fn a_request_says_who_asks_and_for_whom() {
    let server = Server::start(vec![ok()]).await;
    let answer = page(&api(&server), Some("next page"))
        .await
        .expect("a page");
    assert_eq!(answer.body, PAGE);
    let request = server.requests().remove(0);
    let line =
        "GET /v1/hris/employees?page_size=250&include_deleted=true&cursor=next+page HTTP/1.1";
    assert!(request.starts_with(line), "{request}");
    for header in [
        "authorization: Bearer sk_very_secret",
        "x-integration-id: personio:CBNMt7dSNCzBdnRTx87dev4E",
        concat!("user-agent: kombo-source/", env!("CARGO_PKG_VERSION")),
        "accept: application/json",
        "accept-encoding: gzip",
        "cache-control: no-cache",
    ] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{header}");
    }
}

#[tokio::test]
async fn the_base_is_before_the_servers_date_and_observations_follow_it() {
    let (answer, _) = ask(vec![ok()]).await;
    let page = answer.expect("a page");
    let base = page.base.expect("there is a date").as_millis();
    assert!((DATE_MS - 10_000..=DATE_MS).contains(&base), "{base}");
    assert_eq!(page.observed_at.as_micros(), DATE_MS * 1000);
}

#[tokio::test]
async fn without_a_date_there_is_no_base_and_the_local_clock_observes() {
    let (answer, _) = ask(vec![Reply::new(200, &[], PAGE)]).await;
    let page = answer.expect("a page");
    assert_eq!(page.base, None);
    assert_eq!(page.observed_at.as_micros(), (DATE_MS + 45_000) * 1000);
}

#[tokio::test]
async fn a_broken_answer_is_asked_for_again() {
    let length = ("content-length", "54");
    let mut begun = head(200, &[length]);
    begun.extend_from_slice(b"\r\n{\"status\":");
    let mut bad_chunk = head(200, &[("transfer-encoding", "chunked")]);
    bad_chunk.extend_from_slice(b"\r\nzz\r\n{}\r\n0\r\n\r\n");
    let bad_gzip = Reply::new(200, &[("content-encoding", "gzip")], b"not gzip at all");
    for broken in [
        Reply::Bytes(begun.clone()),
        Reply::Reset(begun.clone()),
        Reply::Stall(begun),
        Reply::Reset(Vec::new()),
        Reply::Bytes(b"HTTP/1.1 200".to_vec()),
        Reply::Bytes(bad_chunk),
        bad_gzip,
    ] {
        let (answer, requests) = ask(vec![broken, ok()]).await;
        assert_eq!(answer.expect("the second is whole").body, PAGE);
        assert_eq!(requests, 2);
    }
}

#[tokio::test]
async fn a_server_that_stays_silent_is_given_up() {
    let (answer, requests) = ask(vec![Reply::Stall(Vec::new()), ok()]).await;
    assert!(answer.is_ok());
    assert_eq!(requests, 2);
}

#[tokio::test]
async fn trouble_is_retried_so_often_and_no_more() {
    let (answer, requests) = ask(vec![Reply::new(502, &[], b"502 Bad Gateway")]).await;
    assert!(matches!(
        answer,
        Err(ApiError::Unavailable { status: 502, .. })
    ));
    assert_eq!(requests, 6);
}

#[tokio::test]
async fn what_cannot_get_better_is_asked_once() {
    let pending = br#"{"status":"error","error":{"code":"INTEGRATION.SETUP_SYNC_PENDING"}}"#;
    for (reply, label) in [
        (Reply::new(503, &[], pending), "parked"),
        (Reply::new(409, &[], pending), "parked"),
        (Reply::new(200, &[], pending), "parked"),
        (Reply::new(401, &[], b""), "key_rejected"),
        (Reply::new(404, &[], b"<html>"), "not_found"),
        (Reply::new(200, &[], b"<html>"), "not_json"),
        (Reply::new(200, &[], b""), "not_json"),
        (Reply::new(200, &[], b"[]"), "not_json"),
        (Reply::new(204, &[], b""), "refused"),
    ] {
        let (answer, requests) = ask(vec![reply]).await;
        assert_eq!(answer.expect_err("no page").label(), label);
        assert_eq!(requests, 1, "{label}");
    }
}

#[tokio::test]
async fn a_cursor_that_died_is_told_apart() {
    let body = br#"{"status":"error","error":{"code":"PLATFORM.INPUT_INVALID"}}"#;
    let server = Server::start(vec![Reply::new(400, &[], body)]).await;
    let error = page(&api(&server), Some("x")).await.expect_err("no page");
    assert!(error.is_dead_cursor());
    let error = page(&api(&server), None).await.expect_err("no page");
    assert!(!error.is_dead_cursor());
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_key() {
    let elsewhere = Server::start(vec![ok()]).await;
    for status in [301, 302, 303, 307, 308] {
        let location = [("location", elsewhere.address.as_str())];
        let (answer, requests) = ask(vec![Reply::new(status, &location, b"")]).await;
        let error = answer.expect_err("no page");
        assert!(matches!(error, ApiError::Redirected { status: s } if s == status));
        assert_eq!(requests, 1);
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_compressed_page_is_unpacked() {
    let packed = include_bytes!("../../../fixtures/http/page.json.gz");
    let reply = Reply::new(200, &[("content-encoding", "gzip")], packed);
    let (answer, _) = ask(vec![reply]).await;
    assert_eq!(answer.expect("a page").body, PAGE);
}

#[tokio::test]
async fn a_small_answer_that_unpacks_to_a_huge_one_is_refused() {
    let packed = include_bytes!("../../../fixtures/http/bomb.json.gz");
    assert!(packed.len() < 10_000);
    let reply = Reply::new(200, &[("content-encoding", "gzip")], packed);
    let server = Server::start(vec![reply]).await;
    let bounded = ApiSettings {
        max_page_bytes: (8 << 20).try_into().expect("not zero"),
        ..settings()
    };
    let answer = page(&api_with(&server.address, &bounded), None).await;
    assert!(matches!(answer, Err(ApiError::TooLarge { limit_bytes }) if limit_bytes == 8 << 20));
    assert_eq!(server.requests().len(), 1);
    let answer = page(&api(&server), None).await;
    assert!(answer.is_ok(), "it fits the default bound");
}

#[tokio::test]
async fn a_page_of_100_mb_is_refused_announced_or_not() {
    let mut announced = head(200, &[("content-length", "100000000")]);
    announced.extend_from_slice(b"\r\n{");
    for reply in [Reply::Stall(announced), Reply::Endless] {
        let (answer, requests) = ask(vec![reply]).await;
        assert!(matches!(answer, Err(ApiError::TooLarge { .. })));
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn a_long_error_page_is_cut_and_its_status_decides() {
    let (answer, _) = ask(vec![Reply::new(404, &[], &vec![b'x'; 1 << 20])]).await;
    assert!(matches!(answer, Err(ApiError::NotFound { .. })));
}

#[tokio::test]
async fn a_dropped_request_gives_back_its_place() {
    let server = Server::start(vec![Reply::Stall(Vec::new())]).await;
    let api = api(&server);
    let asked = tokio::time::timeout(Duration::from_millis(100), page(&api, None)).await;
    assert!(asked.is_err(), "the server stays silent");
    assert_eq!(api.throttle_view().running, 0);
}

#[tokio::test]
async fn no_error_shows_the_key_or_the_address_with_its_query() {
    let mut begun = head(200, &[("content-length", "54")]);
    begun.extend_from_slice(b"\r\n{\"jane\":");
    for reply in [
        Reply::Reset(Vec::new()),
        Reply::Reset(begun.clone()),
        Reply::Stall(begun),
        Reply::Bytes(b"jane\r\n\r\n".to_vec()),
        Reply::new(200, &[], b"jane@example.com"),
        Reply::new(400, &[], br#"{"error":{"code":"jane","message":"jane"}}"#),
    ] {
        let server = Server::start(vec![reply]).await;
        let once = ApiSettings {
            retry_attempts: NonZeroU32::MIN,
            ..settings()
        };
        let api = api_with(&server.address, &once);
        let error = page(&api, Some("jane")).await.expect_err("no page");
        let shown = format!("{} {api:?}", everything_shown(&error));
        assert!(!shown.contains(KEY) && !shown.contains("jane"), "{shown}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_as_such() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let address = listener.and_then(|l| l.local_addr()).expect("was bound");
    let api = api_with(&format!("http://{address}/v1"), &settings());
    let error = page(&api, Some("jane")).await.expect_err("nobody listens");
    assert!(matches!(
        error,
        ApiError::Unreachable {
            reason: LostAnswer::Connect,
            ..
        }
    ));
    assert!(!everything_shown(&error).contains("jane"));
}

#[tokio::test]
async fn an_integration_is_read_as_far_as_it_matters() {
    let body = serde_json::json!({"status": "success", "data": {
    "id": "personio:x", "tool": {"id": "personio", "label": "Personio"}, "category": "HRIS",
    "status": "ACTIVE", "setup_status": "COMPLETED", "data_expired_at": null, "new_field": 1,
    "end_user": {"creator_email": "jane@example.com"},
    "read_models": [
        {"id": "hris_employees", "is_available": true, "scope_config_setting": "ENABLED", "fields": []},
        {"id": "hris_absences", "is_available": true, "scope_config_setting": "DISABLED"},
        {"id": "hris_teams", "is_available": true, "scope_config_setting": "OPTIONAL", "opted_out_by_customer": true},
        {"id": "hris_payslips", "is_available": false, "scope_config_setting": "ENABLED"},
    ]}});
    let reply = Reply::new(200, &[], body.to_string().as_bytes());
    let server = Server::start(vec![reply]).await;
    let info = api(&server)
        .integration(&id())
        .await
        .expect("an integration");
    let request = server.requests().remove(0);
    assert!(request.starts_with("GET /v1/integrations/personio:CBNMt7dSNCzBdnRTx87dev4E HTTP/1.1"));
    assert!(!request.contains("x-integration-id"));
    assert_eq!(
        (info.tool.as_str(), info.category.as_str()),
        ("personio", "HRIS")
    );
    assert_eq!(info.setup_status.as_deref(), Some("COMPLETED"));
    let available = info.read_models.iter().filter(|model| model.is_available());
    let available: Vec<_> = available.map(|model| model.id.as_str()).collect();
    assert_eq!(available, ["hris_employees"]);
}

#[tokio::test]
async fn a_key_is_checked() {
    let body = br#"{"status":"success","data":{"environment_id":"env1"}}"#;
    let server = Server::start(vec![Reply::new(200, &[], body)]).await;
    let info = api(&server).check_key().await.expect("a good key");
    assert_eq!(info.environment_id.as_str(), "env1");
    let request = server.requests().remove(0);
    assert!(request.starts_with("GET /v1/check-api-key HTTP/1.1"));
    let server = Server::start(vec![ok()]).await;
    let error = api(&server)
        .check_key()
        .await
        .expect_err("a page is no key");
    assert!(matches!(error, ApiError::Unexpected { .. }));
}
