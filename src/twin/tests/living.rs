use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::company::ChangeRate;
use crate::twin::HeraldSettings;
use crate::webhook::{Signature, Verifier, Webhook, WebhookSecret, parse};

fn world() -> SharedWorld {
    SharedWorld::new(World::new(settings(300).world))
}

fn controlled() -> TwinSettings {
    TwinSettings {
        control: true,
        ..settings(300)
    }
}

/// Asks the control, and returns the status and the JSON.
async fn control(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).await.expect("the twin listens");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("the twin reads");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer).await;
    read.expect("the twin answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    let status = status.parse().expect("a number");
    (status, serde_json::from_str(body).unwrap_or_default())
}

/// Takes one webhook, answers it with a status, and returns what it says; its signature must be right.
async fn take(sink: &TcpListener, status: u16) -> Webhook {
    let (mut stream, _) = sink.accept().await.expect("a connection");
    let mut request = String::new();
    while !is_whole(&request) {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.expect("bytes");
        assert!(read > 0, "the twin hung up");
        request.push_str(std::str::from_utf8(&part[..read]).expect("ASCII"));
    }
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.expect("it reads");
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
    let signature = header(head, "X-Kombo-Signature");
    let secret = WebhookSecret::new("twin-webhook-secret").expect("a secret");
    let verified = Verifier::new(secret)
        .verify(
            body.as_bytes(),
            &Signature::parse(signature).expect("a signature"),
        )
        .expect("signed");
    parse(verified).expect("a webhook")
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.expect("a header")
}

fn is_whole(request: &str) -> bool {
    request
        .split_once("\r\n\r\n")
        .is_some_and(|(head, body)| header(head, "Content-Length").parse() == Ok(body.len()))
}

fn models(webhook: &Webhook) -> BTreeSet<String> {
    match webhook {
        Webhook::DataChanged(told) => told.models.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

/// Waits until so many deliveries are noted.
async fn deliveries(address: SocketAddr, count: usize) -> Vec<Value> {
    loop {
        let (_, answer) = control(address, "GET", "/twin/deliveries", "").await;
        let all = answer["deliveries"].as_array().expect("a list");
        if all.len() >= count {
            return all.clone();
        }
        tokio::task::yield_now().await;
    }
}

async fn hook(lost_percent: u8, debounce: Duration) -> (TcpListener, TwinSettings) {
    let sink = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", sink.local_addr().expect("an address"));
    let settings = TwinSettings {
        webhooks: Some(HeraldSettings {
            target: url.parse().expect("a target"),
            debounce,
            lost_percent,
        }),
        ..controlled()
    };
    (sink, settings)
}

#[tokio::test]
async fn signed_webhooks_arrive_first_at_once_and_then_together() {
    let (sink, settings) = hook(0, Duration::from_secs(30)).await;
    let world = world();
    let id = world.lock().integrations()[0].id().clone();
    served_with(world, settings, async |address| {
        let change = async |endpoint: &str| {
            let order = json!({"integration": id.as_str(), "endpoint": endpoint, "index": 1, "kind": "edit"});
            let (status, answer) = control(address, "POST", "/twin/change", &order.to_string()).await;
            assert_eq!((status, &answer["changes"][0]["endpoint"]), (200, &json!(endpoint)));
        };
        change("ats/jobs").await;
        assert_eq!(models(&take(&sink, 200).await), BTreeSet::from(["ats_jobs".to_owned()]));
        change("ats/tags").await;
        change("ats/users").await;
        let (status, _) = control(address, "POST", "/twin/advance", r#"{"secs": 31}"#).await;
        assert_eq!(status, 200);
        let both = BTreeSet::from(["ats_tags".to_owned(), "ats_users".to_owned()]);
        assert_eq!(models(&take(&sink, 503).await), both);
        let noted = deliveries(address, 2).await;
        assert_eq!((&noted[0]["status"], &noted[1]["status"]), (&json!(200), &json!(503)));
        assert_eq!((&noted[0]["sent"], &noted[0]["type"]), (&json!(true), &json!("data-changed")));
        assert_eq!(noted[1]["models"], json!(["ats_tags", "ats_users"]));
        assert_eq!(noted[1]["integration"], id.as_str());
    })
    .await;
}

#[tokio::test]
async fn lost_webhooks_are_noted_and_never_sent_and_unanswered_ones_say_why() {
    let (sink, settings) = hook(100, Duration::ZERO).await;
    let world = world();
    let id = world.lock().integrations()[0].id().clone();
    let order =
        json!({"integration": id.as_str(), "endpoint": "ats/jobs", "kind": "hire"}).to_string();
    served_with(world.clone(), settings, async |address| {
        control(address, "POST", "/twin/change", &order).await;
        let noted = deliveries(address, 1).await;
        assert_eq!(
            (&noted[0]["sent"], &noted[0]["status"]),
            (&json!(false), &Value::Null)
        );
    })
    .await;
    // Whoever accepts nothing was sent nothing, and a closed port answers nothing.
    let (closed, settings) = hook(0, Duration::ZERO).await;
    drop((sink, closed));
    served_with(world, settings, async |address| {
        control(address, "POST", "/twin/change", &order).await;
        let noted = deliveries(address, 1).await;
        assert_eq!(
            (&noted[0]["sent"], &noted[0]["status"]),
            (&json!(true), &Value::Null)
        );
        assert!(noted[0]["error"].is_string());
    })
    .await;
}

#[tokio::test]
async fn the_control_pauses_resumes_and_dumps_the_truth_of_the_moment() {
    let pace = ChangeRate {
        changes_per_minute: NonZeroU32::new(600).expect("not zero"),
        turnover: false,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let settings = TwinSettings {
        pace: Some(pace),
        truth: Some(folder.path().to_owned()),
        ..controlled()
    };
    let world = world();
    served_with(world.clone(), settings, async |address| {
        let post = async |path: &str, body: &str| control(address, "POST", path, body).await;
        let changes = async || {
            let (_, answer) = control(address, "GET", "/twin/journal", "").await;
            answer["changes"].as_array().expect("a list").len()
        };
        post("/twin/advance", r#"{"secs": 60}"#).await;
        let (status, paused) = post("/twin/pause", "").await;
        assert_eq!((status, &paused["changes_per_minute"]), (200, &json!(0)));
        let before = changes().await;
        assert!(before > 500, "{before} changes");
        post("/twin/advance", r#"{"secs": 3600}"#).await;
        assert_eq!(changes().await, before);
        let order = json!({"folder": folder.path()}).to_string();
        assert_eq!(post("/twin/truth", &order).await.0, 200);
        let endpoint = Catalog::embedded().find("ats/jobs").expect("known");
        let (id, lines) = {
            let world = world.lock();
            let id = world.integrations()[0].id().clone();
            let lines: String = world.truth(&id, endpoint).map(|line| line + "\n").collect();
            (id, lines)
        };
        let file = folder.path().join(format!("ats_jobs/{}.ndjson", id.key()));
        assert!(std::fs::read_to_string(file).expect("a table") == lines);
        let (_, resumed) = post("/twin/resume", "").await;
        assert_eq!(resumed["changes_per_minute"], 600);
        post("/twin/advance", r#"{"secs": 60}"#).await;
        assert!(changes().await > before + 500);
    })
    .await;
}

#[tokio::test]
async fn the_control_refuses_counts_and_says_what_is_wrong_with_an_order() {
    let world = world();
    let id = world.lock().integrations()[0].id().clone();
    served_with(world, controlled(), async |address| {
        let post = async |path: &str, body: &Value| control(address, "POST", path, &body.to_string()).await;
        let refuse = |code: Option<&str>| json!({"integration": id.as_str(), "endpoint": "ats/tags", "code": code});
        post("/twin/refuse", &refuse(Some("INTEGRATION.MODEL_DISABLED"))).await;
        let (head, _) = get(address, "/v1/ats/tags", "twin-key", id.as_str()).await;
        assert!(head.starts_with("HTTP/1.1 400"), "{head}");
        post("/twin/refuse", &refuse(None)).await;
        get(address, "/v1/ats/tags?updated_after=2026-01-01", "twin-key", id.as_str()).await;
        let (_, counted) = control(address, "GET", "/twin/requests", "").await;
        assert_eq!(
            counted,
            json!({
                "total": 2,
                "by_kind": {"delta": 1, "snapshot": 1, "other": 0},
                "by_path": {"/ats/tags": 2},
                "by_status": {"200": 1, "400": 1},
            })
        );
        for (path, body, status) in [
            ("/twin/refuse", json!({"integration": "lever:x", "code": null}), 409),
            ("/twin/refuse", json!({"integration": id.as_str(), "code": "NO.SUCH"}), 400),
            ("/twin/change", json!({"integration": id.as_str(), "kind": "explode"}), 400),
            ("/twin/change", json!({"integration": id.as_str(), "kind": "edit"}), 409),
            ("/twin/change", json!({"kind": "edit", "endpoint": "ats/jobs"}), 400),
            ("/twin/change", json!({"kind": "edit", "endpoint": "jobs"}), 400),
            ("/twin/advance", json!({"secs": -1}), 400),
            ("/twin/advance", json!({"secs": 40_000_000}), 400),
            ("/twin/advance", json!({"seconds": 1}), 400),
            ("/twin/advance", json!([1]), 400),
            ("/twin/truth", json!({"folder": "/proc/nothing"}), 409),
            ("/twin/resume", json!({}), 409),
        ] {
            let (found, answer) = post(path, &body).await;
            assert_eq!(found, status, "{path} {body}");
            assert!(answer["error"].is_string(), "{path} {body}");
        }
        let (status, made) = post("/twin/change", &json!({"kind": "integration_created"})).await;
        assert_eq!((status, &made["changes"][0]["kind"]), (200, &json!("integration_created")));
    })
    .await;
}

#[tokio::test]
async fn the_control_writes_below_its_own_folder_alone() {
    let outside = tempfile::tempdir().expect("a folder");
    let root = outside.path().join("truth");
    std::fs::create_dir_all(root.join("inside")).expect("a folder");
    let settings = TwinSettings {
        truth: Some(root.clone()),
        ..controlled()
    };
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path(), root.join("link")).expect("a link");
    served_with(world(), settings, async |address| {
        for (folder, status) in [
            (outside.path().join("other"), 400),
            (root.join("../other"), 400),
            ("../other".into(), 400),
            ("a/../../other".into(), 400),
            ("link/other".into(), 400),
            ("/".into(), 400),
            (root.join("inside/one"), 200),
            ("two".into(), 200),
            (root.clone(), 200),
        ] {
            let order = json!({"folder": folder}).to_string();
            let (found, answer) = control(address, "POST", "/twin/truth", &order).await;
            assert_eq!(found, status, "{}: {answer}", folder.display());
        }
    })
    .await;
    assert!(root.join("inside/one/integrations.json").exists());
    assert!(root.join("two/integrations.json").exists());
    let names = std::fs::read_dir(outside.path()).expect("a folder");
    assert_eq!(names.count(), 1, "nothing beside the folder");
}

#[tokio::test]
async fn pages_of_strangers_are_refused_whatever_they_ask() {
    served_with(world(), controlled(), async |address| {
        let status = async |line: &str, headers: &str| {
            let mut stream = TcpStream::connect(address).await.expect("the twin listens");
            let request = format!(
                "{line} HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: 0\r\n\r\n"
            );
            let sent = stream.write_all(request.as_bytes()).await;
            sent.expect("the twin reads");
            let mut answer = String::new();
            let read = stream.read_to_string(&mut answer).await;
            read.expect("the twin answers");
            let word = answer.split(' ').nth(1).expect("a status");
            word.parse::<u16>().expect("a number")
        };
        for (headers, expected) in [
            ("host: localhost:8484\r\n", 200),
            ("host: 127.0.0.1\r\norigin: http://localhost:3000\r\n", 200),
            ("host: [::1]:8484\r\nsec-fetch-site: same-origin\r\n", 200),
            ("host: example.com\r\n", 421),
            ("host: localhost\r\norigin: https://example.com\r\n", 403),
            ("host: localhost\r\norigin: null\r\n", 403),
            ("host: localhost\r\nsec-fetch-site: cross-site\r\n", 403),
        ] {
            assert_eq!(
                status("POST /twin/pause", headers).await,
                expected,
                "{headers}"
            );
        }
        assert_eq!(
            status("GET /v1/ats/jobs", "host: example.com\r\n").await,
            421
        );
    })
    .await;
}

#[tokio::test]
async fn without_the_control_nothing_is_below_twin() {
    served_with(world(), settings(50), async |address| {
        for (method, path) in [("GET", "/twin/journal"), ("POST", "/twin/pause")] {
            assert_eq!(control(address, method, path, "").await.0, 404);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn in_process_a_living_world_follows_tokios_time() {
    let (api, id) = twin();
    let api = api.keeping_time();
    let pace = ChangeRate {
        changes_per_minute: NonZeroU32::new(60).expect("not zero"),
        turnover: false,
    };
    api.world().lock().live(pace);
    assert_eq!(api.webhooks(Duration::ZERO), []);
    let first = ask(&api, &id, None, None).await;
    tokio::time::advance(Duration::from_mins(10)).await;
    let second = ask(&api, &id, None, None).await;
    let passed = second.observed_at.as_micros() - first.observed_at.as_micros();
    assert_eq!(passed, 600_000_000);
    let changes = api.world().lock().journal().count();
    assert!(changes >= 600, "{changes} changes");
    assert!(!api.webhooks(Duration::ZERO).is_empty());
}
