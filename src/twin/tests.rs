mod living;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::{Deliveries, SharedWorld, Twin, TwinApi, TwinSettings, dump_truth};
use crate::api::{KomboApi, Page, PageRequest};
use crate::catalog::Catalog;
use crate::company::{Oddities, RateLimit, Refusal, World, WorldSettings};
use crate::customer::ModelAccess;
use crate::fetch::Lane;
use crate::ids::{Cursor, IntegrationId};
use crate::time::{Tier, UpdatedAfter};

fn settings(rows: u64) -> TwinSettings {
    TwinSettings {
        world: WorldSettings {
            integrations: 4,
            rows,
            oddities: Oddities::ALL,
            ..WorldSettings::default()
        },
        ..TwinSettings::default()
    }
}

/// Sends one request and returns the head and the body of the answer.
async fn get(address: SocketAddr, target: &str, key: &str, id: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.expect("the twin listens");
    let request = format!(
        "GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {key}\r\n\
         x-integration-id: {id}\r\n\r\n"
    );
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("the twin reads");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer).await;
    read.expect("the twin answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// Runs a test against a served world and sees the server end.
async fn served<T>(world: SharedWorld, test: impl AsyncFnOnce(SocketAddr) -> T) -> T {
    served_with(world, TwinSettings::default(), test).await
}

/// The same, for a world that lives.
async fn served_with<T>(
    world: SharedWorld,
    settings: TwinSettings,
    test: impl AsyncFnOnce(SocketAddr) -> T,
) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let shutdown = async {
            stopped.await.unwrap_or_default();
        };
        Twin::serve(listener, world, &settings, Deliveries::default(), shutdown).await
    });
    let result = test(address).await;
    drop(stop);
    let ended = tasks.join_next().await.expect("one task");
    ended.expect("no panic").expect("no error");
    result
}

#[tokio::test]
async fn a_served_twin_answers_the_dumped_truth() {
    let settings = settings(320);
    let folder = tempfile::tempdir().expect("a folder");
    dump_truth(&settings.world, folder.path()).expect("a dump");
    let world = SharedWorld::new(World::new(settings.world.clone()));
    let list = std::fs::read(folder.path().join("integrations.json")).expect("a list");
    let list: Vec<Value> = serde_json::from_slice(&list).expect("JSON");
    assert_eq!(list.len(), 4);
    let tables = served(world, async |address| {
        let mut tables = 0;
        for integration in &list {
            for endpoint in Catalog::embedded().endpoints() {
                let text = |key: &str| integration[key].as_str().expect("a text");
                if endpoint.category.as_str() != text("category") {
                    continue;
                }
                let file = format!("{}/{}.ndjson", endpoint.name().table_name(), text("key"));
                let truth = std::fs::read_to_string(folder.path().join(file)).expect("a table");
                let fetched = fetch(address, endpoint, text("id")).await;
                assert!(fetched == truth, "{}", endpoint.name());
                tables += 1;
            }
        }
        tables
    })
    .await;
    assert_eq!(tables, 37);
}

#[derive(serde::Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(serde::Deserialize)]
struct Data<'a> {
    next: Option<String>,
    #[serde(borrow, alias = "packages")]
    results: Vec<&'a serde_json::value::RawValue>,
}

/// Walks all pages and returns the rows as lines, in the bytes they came in.
async fn fetch(address: SocketAddr, endpoint: &crate::catalog::Endpoint, id: &str) -> String {
    let (mut lines, mut cursor) = (String::new(), None::<String>);
    loop {
        let mut target = format!("/v1{}?", endpoint.path);
        if endpoint.include_deleted {
            target.push_str("include_deleted=true&page_size=250&");
        }
        if let Some(cursor) = &cursor {
            target.push_str("cursor=");
            target.push_str(cursor);
        }
        let (head, body) = get(address, &target, "twin-key", id).await;
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        let envelope: Envelope<'_> = serde_json::from_str(&body).expect("an envelope");
        for row in envelope.data.results {
            lines.push_str(row.get());
            lines.push('\n');
        }
        cursor = envelope.data.next;
        if cursor.is_none() {
            return lines;
        }
    }
}

#[tokio::test]
async fn the_contract_holds_over_http() {
    let three = std::num::NonZeroU32::new(3).map(RateLimit::per_minute);
    let world = SharedWorld::new(World::new(WorldSettings {
        rate_limit: three,
        ..settings(50).world
    }));
    let id = world.lock().integrations()[0].id().clone();
    served(world.clone(), async |address| {
        let (head, body) = get(address, "/v1/ats/tags", "twin-key", id.as_str()).await;
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        for line in [
            "content-type: application/json",
            "ratelimit-limit: 3",
            "ratelimit-remaining: 2",
        ] {
            assert!(head.contains(line), "{head}");
        }
        assert_eq!(head.matches("date: ").count(), 1, "{head}");
        assert!(head.contains("date: Mon, 05 Jan 2026 08:00:"), "{head}");
        assert!(body.contains("\"results\":["));
        let (head, _) = get(address, "/v1/ats/tags", "wrong", id.as_str()).await;
        assert!(head.starts_with("HTTP/1.1 401"), "{head}");
        let (head, _) = get(address, "/ats/tags", "twin-key", id.as_str()).await;
        assert!(head.starts_with("HTTP/1.1 404"), "{head}");
        world
            .lock()
            .refuse(&id, None, Some(Refusal::load_balancer()));
        let (head, body) = get(address, "/v1/ats/tags", "twin-key", id.as_str()).await;
        assert!(head.starts_with("HTTP/1.1 503"), "{head}");
        assert!(head.contains("content-type: text/html") && body.starts_with("<html>"));
        world.lock().refuse(&id, None, None);
        get(address, "/v1/ats/tags", "twin-key", id.as_str()).await;
        let (head, _) = get(address, "/v1/ats/tags", "twin-key", id.as_str()).await;
        assert!(head.starts_with("HTTP/1.1 429"), "{head}");
    })
    .await;
}

#[tokio::test]
async fn a_public_address_is_refused() {
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let world = SharedWorld::new(World::new(settings(5).world));
    let noted = Deliveries::default();
    let refused = Twin::serve(listener, world, &settings(5), noted, std::future::pending()).await;
    let kind = refused.map_err(|error| error.kind());
    assert_eq!(kind, Err(std::io::ErrorKind::InvalidInput));
    let public = TwinSettings {
        address: "0.0.0.0:8484".parse().expect("an address"),
        ..settings(5)
    };
    assert!(Twin::bind(&public).await.is_err());
}

#[test]
fn settings_do_not_show_the_key() {
    let mut secret = TwinSettings {
        webhook_secret: "do-not-show".to_owned(),
        ..settings(5)
    };
    secret.world.api_key = "do-not-show".to_owned();
    assert!(!format!("{secret:?} {:?}", secret.world).contains("do-not-show"));
}

fn twin() -> (TwinApi, IntegrationId) {
    let world = World::new(WorldSettings {
        rows: 600,
        ..WorldSettings::default()
    });
    let id = world.integrations()[0].id().clone();
    (TwinApi::new(world), id)
}

async fn ask(
    api: &TwinApi,
    id: &IntegrationId,
    cursor: Option<&Cursor>,
    updated_after: Option<UpdatedAfter>,
) -> Page {
    let endpoint = Catalog::embedded().find("ats/applications").expect("known");
    let request = PageRequest {
        integration: id,
        endpoint,
        updated_after,
        ids: &[],
        cursor,
        lane: Lane::Snapshot,
    };
    api.page(request).await.expect("a page")
}

#[tokio::test]
async fn in_process_pages_come_with_base_and_observation_on_the_worlds_clock() {
    let (api, id) = twin();
    let start_ms = api.world().lock().settings().start.as_millis();
    api.world().lock().advance(Duration::from_millis(1_700));
    let first = ask(&api, &id, None, None).await;
    let base = first.base.expect("a base");
    assert_eq!(
        base.as_millis(),
        start_ms + 1_000,
        "the date, in whole seconds"
    );
    assert_eq!(first.observed_at.as_micros(), (start_ms + 1_000) * 1_000);
    // The largest bound seen is the estimate: this date was floored less.
    api.world().lock().advance(Duration::from_millis(1_300));
    let second = ask(&api, &id, None, None).await;
    assert_eq!(second.observed_at.as_micros(), (start_ms + 3_000) * 1_000);
    api.world().lock().advance(Duration::from_millis(900));
    let third = ask(&api, &id, None, None).await;
    assert_eq!(third.observed_at.as_micros(), (start_ms + 3_900) * 1_000);
}

#[tokio::test]
async fn in_process_walks_bring_all_rows_and_deltas_what_changed() {
    let (api, id) = twin();
    let (mut rows, mut cursor) = (0, None);
    let mut base = None;
    loop {
        let page = ask(&api, &id, cursor.as_ref(), None).await;
        base = base.or(page.base);
        let body: Value = serde_json::from_slice(&page.body).expect("JSON");
        rows += body["data"]["results"].as_array().expect("a list").len();
        cursor = body["data"]["next"].as_str().and_then(Cursor::from_next);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(rows, 600, "deleted rows are asked for");
    let after = base.expect("a base").updated_after(Tier::Ordinary);
    api.world().lock().advance(Duration::from_mins(10));
    let tail = ask(&api, &id, None, Some(after)).await;
    let endpoint = Catalog::embedded().find("ats/applications").expect("known");
    assert!(api.world().lock().edit(&id, endpoint, 77));
    let delta = ask(&api, &id, None, Some(after)).await;
    let count = |page: &Page| {
        let body: Value = serde_json::from_slice(&page.body).expect("JSON");
        body["data"]["results"].as_array().expect("a list").len()
    };
    assert_eq!(count(&delta), count(&tail) + 1);
}

#[tokio::test]
async fn in_process_errors_and_descriptions_are_those_of_the_api() {
    let (api, id) = twin();
    let info = api.integration(&id).await.expect("known");
    assert_eq!(
        (info.category.as_str(), info.status.as_str()),
        ("ATS", "ACTIVE")
    );
    assert!(info.read_models.iter().all(ModelAccess::is_available));
    let key = api.check_key().await.expect("the key is right");
    assert_eq!(key.environment_id.as_str().len(), 24);
    let stranger = IntegrationId::new("greenhouse:nobody").expect("an id");
    assert!(api.integration(&stranger).await.is_err());
    let off = Refusal::with_code("INTEGRATION.INACTIVE");
    api.world().lock().refuse(&id, None, off);
    let info = api.integration(&id).await.expect("known");
    assert_eq!(info.status, "INACTIVE");
}
