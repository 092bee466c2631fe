//! The eleven defects of Kombo's guide "Fetching data". Each test shows the guide's sample code and this crate in the
//! same situation.
//!
//! `Guide` is the sample code: one instant of the local clock per integration, rows replaced by id, one loop over the
//! cursor.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kombo_source::catalog::Catalog;
use kombo_source::fetch::Lane;
use kombo_source::ids::TableId;
use kombo_source::ingest::{Order, next_mode};
use kombo_source::plan::{Announced, Kind, PlanMode, Planner, Queue};
use kombo_source::sink::Sink;
use kombo_source::time::Moment;
use kombo_source::webhook::{Signature, Verifier, Webhook, WebhookSecret, parse};
use tokio::time::{Instant, sleep};

use crate::ingest::{Writer, covered, newest, run, writer};
use crate::support::memory_sink::MemorySink;
use crate::support::memory_world::Unwatched;
use crate::support::small_kombo::{LastPage, Listing, SmallKombo, table, tags};

/// The state that the guide's sample keeps for one integration.
#[derive(Default)]
struct Guide {
    local_ahead_ms: i64,
    last_fetched_at: Option<i64>,
    rows: BTreeMap<String, String>,
}

impl Guide {
    /// The part of `fetchApplications` between the two lines that take the instant and store it.
    fn fetch(&mut self, kombo: &SmallKombo) {
        let fetch_start = self.now_ms(kombo);
        self.rows.extend(shown(kombo, self.last_fetched_at));
        self.last_fetched_at = Some(fetch_start);
    }

    /// `handleCronJob` of the guide.
    fn fetch_all(&mut self, kombo: &SmallKombo) {
        self.last_fetched_at = None;
        self.fetch(kombo);
    }

    fn now_ms(&self, kombo: &SmallKombo) -> i64 {
        kombo.now_ms() + self.local_ahead_ms
    }
}

/// Returns the rows that a request without `include_deleted` brings.
fn shown(kombo: &SmallKombo, updated_after: Option<i64>) -> BTreeMap<String, String> {
    let mut rows = kombo.changed_after(updated_after);
    rows.retain(|_, value| !value.ends_with("deleted"));
    rows
}

/// Returns a table that the guide's sample and this crate both fetched in full ten minutes ago.
async fn both() -> (SmallKombo, Guide, MemorySink, Writer) {
    with_guide(Guide::default()).await
}

async fn with_guide(mut guide: Guide) -> (SmallKombo, Guide, MemorySink, Writer) {
    let kombo = SmallKombo::new(Listing::ById, 2);
    kombo.change(|rows| ["a", "b", "c"].iter().for_each(|id| rows.set(id, 0)));
    kombo.pass(600).await;
    let sink = MemorySink::default();
    let ours = writer(&kombo, &sink);
    guide.fetch_all(&kombo);
    run(&ours, Kind::Snapshot).await.unwrap();
    (kombo, guide, sink, ours)
}

#[tokio::test(start_paused = true)]
async fn guide_1_a_local_clock_ahead_of_the_server_skips_no_change() {
    let ahead = Guide {
        local_ahead_ms: 45_000,
        ..Guide::default()
    };
    let (kombo, mut guide, sink, ours) = with_guide(ahead).await;
    kombo.pass(20).await;
    kombo.set("a", 1);
    kombo.pass(10).await;
    guide.fetch(&kombo);
    run(&ours, Kind::Delta).await.unwrap();
    kombo.pass(600).await;
    guide.fetch(&kombo);
    run(&ours, Kind::Delta).await.unwrap();
    assert_ne!(guide.rows, kombo.truth());
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn guide_2_a_row_that_becomes_visible_late_is_within_the_overlap() {
    let (kombo, mut guide, sink, ours) = both().await;
    kombo.pass(60).await;
    guide.fetch(&kombo);
    run(&ours, Kind::Delta).await.unwrap();
    kombo.change(|rows| rows.set_ago("a", 1, 30_000));
    kombo.pass(60).await;
    guide.fetch(&kombo);
    run(&ours, Kind::Delta).await.unwrap();
    assert_ne!(guide.rows, kombo.truth());
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn guide_3_a_table_that_was_not_fetched_keeps_its_base() {
    let (kombo, mut guide, sink, ours) = both().await;
    kombo.pass(60).await;
    kombo.set("a", 1);
    kombo.pass(60).await;
    // A webhook names another model. The guide fetches that endpoint and not this one, but its only instant moves.
    guide.last_fetched_at = Some(kombo.now_ms());
    let before = covered(&ours).await;
    another_endpoint(&kombo, &ours).await;
    assert_eq!(covered(&ours).await, before);
    kombo.pass(600).await;
    guide.fetch(&kombo);
    run(&ours, Kind::Delta).await.unwrap();
    assert_ne!(guide.rows, kombo.truth());
    assert_eq!(newest(&sink), kombo.truth());
}

/// Fetches another table of the same integration.
async fn another_endpoint(kombo: &SmallKombo, ours: &Writer) {
    let endpoint = Arc::clone(Catalog::embedded().find("ats/roles").unwrap());
    let table = TableId {
        endpoint: endpoint.name().clone(),
        ..table()
    };
    let coverage = ours.covered(&endpoint, &table.integration).await.unwrap();
    let order = Order {
        mode: next_mode(
            &coverage,
            &endpoint,
            Moment::from_millis(kombo.now_ms()),
            Kind::Delta,
        ),
        table,
        endpoint,
        lane: Lane::Notified,
        coverage,
        announced: Announced::default(),
    };
    ours.run(order, (), &Unwatched).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn guide_4_deleted_rows_are_asked_for() {
    let (kombo, mut guide, sink, ours) = both().await;
    kombo.pass(60).await;
    kombo.change(|rows| rows.delete("a"));
    guide.fetch(&kombo);
    run(&ours, Kind::Delta).await.unwrap();
    assert_eq!(guide.rows["a"], "v0", "as if nothing had happened");
    assert_eq!(newest(&sink)["a"], "v0 deleted");
}

#[tokio::test(start_paused = true)]
async fn guide_5_a_full_fetch_replaces_what_was_there() {
    let (kombo, mut guide, sink, ours) = both().await;
    kombo.change(|rows| rows.remove("a"));
    guide.fetch_all(&kombo);
    run(&ours, Kind::Snapshot).await.unwrap();
    assert!(guide.rows.contains_key("a"));
    assert!(!newest(&sink).contains_key("a"));
}

#[tokio::test(start_paused = true)]
async fn guide_6_a_base_moves_with_its_rows_or_not_at_all() {
    let (kombo, mut guide, sink, ours) = both().await;
    kombo.pass(60).await;
    kombo.set("a", 1);
    // The guide has two stores, one for rows and one for the instant. The crash comes before the buffered rows are on
    // disk.
    let rows_on_disk = guide.rows.clone();
    guide.fetch(&kombo);
    guide.rows = rows_on_disk;
    let cut_off = writer(&kombo, &sink.with_deltas_that_wait(Duration::from_secs(9)));
    let before = covered(&ours).await;
    tokio::select! {
        biased;
        _ = run(&cut_off, Kind::Delta) => panic!("the commit waits"),
        () = sleep(Duration::from_secs(5)) => {}
    }
    assert_eq!(covered(&ours).await, before);
    kombo.pass(600).await;
    guide.fetch(&kombo);
    run(&ours, Kind::Delta).await.unwrap();
    assert_ne!(guide.rows, kombo.truth());
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn guide_7_of_two_fetches_at_once_the_older_is_not_the_last_word() {
    let (kombo, mut guide, sink, ours) = both().await;
    kombo.pass(60).await;
    kombo.set("a", 1);
    let older = shown(&kombo, guide.last_fetched_at);
    let slow = writer(&kombo, &sink.with_deltas_that_wait(Duration::from_secs(30)));
    let newer = async {
        kombo.pass(10).await;
        kombo.set("a", 2);
        run(&ours, Kind::Delta).await.unwrap();
        guide.fetch(&kombo);
    };
    let (late, ()) = tokio::join!(run(&slow, Kind::Delta), newer);
    late.unwrap();
    guide.rows.extend(older);
    assert_eq!(guide.rows["a"], "v1");
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn guide_8_a_webhook_is_taken_before_anything_is_fetched() {
    let (kombo, _, _, ours) = both().await;
    let kombo = kombo.with_delays(10_000, 1);
    kombo.asked();
    let webhook = Instant::now();
    run(&ours, Kind::Delta).await.unwrap();
    assert!(
        webhook.elapsed() > Duration::ZERO,
        "who fetches first answers late"
    );
    kombo.asked();
    let (mut queue, webhook) = (Queue::default(), Instant::now());
    queue.want(&table(), Kind::Delta, Lane::Notified);
    assert_eq!(webhook.elapsed(), Duration::ZERO);
    assert_eq!(kombo.asked().len(), 0);
    // A notification comes while the table is fetched. The table stays dirty, so this fetch is not the last one.
    let work = queue.next(|_| true).unwrap();
    queue.want(&table(), Kind::Delta, Lane::Notified);
    queue.committed(&work);
    assert!(queue.is_dirty(&table()));
}

fn body(integration: &str) -> String {
    format!(
        r#"{{"id":"1","type":"data-changed","data":{{"integration_id":"{integration}","integration_tool":"tool","integration_category":"ATS","changed_models":[{{"name":"ats_tags"}}]}}}}"#
    )
}

#[test]
fn guide_9_a_sender_without_the_secret_is_not_believed() {
    let secret = |text: &str| WebhookSecret::new(text).unwrap();
    let body = body("tool:a");
    let verifier = Verifier::new(secret("ours-1234567890abcdef"));
    let forged = secret("a-guess-1234567890abcdef").sign(body.as_bytes());
    let verify = |signature: &str| verifier.verify(body.as_bytes(), &Signature::parse(signature)?);
    assert!(verify(&forged).is_err());
    assert!(verify("").is_err());
    // Parsing needs a value that only a valid signature gives. The guide parses every body.
    let signed = secret("ours-1234567890abcdef").sign(body.as_bytes());
    assert!(parse(verify(&signed).unwrap()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn guide_10_a_cursor_that_leads_back_ends_the_walk() {
    let (kombo, _, sink, _) = both().await;
    kombo.last_page(LastPage::PointsBack);
    let before = newest(&sink);
    // The guide's loop ends when there is no cursor. Here there is always a cursor.
    let mut pages = 0;
    let mut cursor = kombo.cursor_after(None);
    while cursor.is_some() && pages < 1_000 {
        cursor = kombo.cursor_after(cursor);
        pages += 1;
    }
    assert_eq!(pages, 1_000);
    kombo.asked();
    run(&writer(&kombo, &sink), Kind::Snapshot)
        .await
        .unwrap_err();
    assert!(kombo.asked().len() < 10);
    assert_eq!(newest(&sink), before);
}

#[tokio::test(start_paused = true)]
async fn guide_11_an_integration_nobody_knows_is_planned_for_and_no_error() {
    // The guide uses `findUniqueOrThrow`, so the sender gets no 200 and sends the same webhook for ever.
    let secret = WebhookSecret::new("ours-1234567890abcdef").unwrap();
    let (body, verifier) = (
        body("tool:new"),
        Verifier::new(WebhookSecret::new("ours-1234567890abcdef").unwrap()),
    );
    let signature = Signature::parse(secret.sign(body.as_bytes())).unwrap();
    let webhook = parse(verifier.verify(body.as_bytes(), &signature).unwrap()).unwrap();
    let Webhook::DataChanged(notification) = webhook else {
        panic!("another webhook");
    };
    let planner = Planner::new(Catalog::embedded(), vec![tags()], PlanMode::Changed);
    let plan = planner.plan(&notification);
    assert_eq!(plan.fetched().count(), 1);
    // Nothing of the table is stored yet, so the first fetch is a snapshot.
    let sink = MemorySink::default();
    let coverage = sink
        .covered(&tags(), &notification.integration)
        .await
        .unwrap();
    let mode = next_mode(&coverage, &tags(), Moment::from_millis(0), Kind::Delta);
    assert_eq!(mode, kombo_source::fetch::FetchMode::Snapshot);
}
