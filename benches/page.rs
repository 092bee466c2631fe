//! Measures the steps from a page of Kombo to a batch, and the cost of a webhook. Run `cargo bench`.
//!
//! The pages come from a simulated company with a fixed seed, so every machine measures the same bytes. `cargo test`
//! runs each bench once.

use std::sync::Arc;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

use kombo_source::catalog::{Catalog, Endpoint};
use kombo_source::company::{TwinRequest, World, WorldSettings};
use kombo_source::decode::{DecodeLimits, PageDecoder, rebuild};
use kombo_source::fetch::{Fetch, FetchMode};
use kombo_source::ids::TableId;
use kombo_source::plan::{PlanMode, Planner};
use kombo_source::time::ObservedAt;
use kombo_source::webhook::{Signature, Verifier, Webhook, WebhookSecret, parse};

/// Number of rows of a page: the most that Kombo serves.
const ROWS: u64 = 250;

/// Endpoints to measure: the widest tables of two categories, and a flat one.
const ENDPOINTS: [&str; 3] = ["ats/applications", "hris/employees", "ats/tags"];

const NOTIFICATION: &[u8] = br#"{"id":"bench","type":"data-changed","data":{"integration_id":"personio:a",
    "integration_category":"HRIS","changed_models":[{"name":"hris_employees"},{"name":"hris_employments"}]}}"#;

fn main() {
    divan::main();
}

/// One table with a page of its rows.
struct Paged {
    endpoint: Arc<Endpoint>,
    table: TableId,
    body: String,
    rows: u64,
}

impl Paged {
    fn of(name: &str) -> Self {
        let endpoint = Arc::clone(Catalog::embedded().find(name).expect("it ships"));
        let mut world = world();
        let owner = world.integrations().iter();
        let owner = owner.map(|one| (one.category(), one.id().clone()));
        let mut owner = owner.filter(|(category, _)| *category == endpoint.category);
        let (_, integration) = owner.next().expect("one of each category");
        let answer = world.answer(request(&endpoint, integration.as_str()));
        assert_eq!(answer.status, 200);
        let mut paged = Self {
            table: TableId {
                integration,
                endpoint: endpoint.name().clone(),
            },
            endpoint,
            body: answer.body,
            rows: 0,
        };
        paged.rows = paged.decoded().pending_rows() as u64;
        assert!(paged.rows > 0, "{name} has no rows");
        paged
    }

    fn decoded(&self) -> PageDecoder {
        let fetch = Fetch::new(self.table.clone(), FetchMode::Snapshot);
        let endpoint = Arc::clone(&self.endpoint);
        let mut decoder = PageDecoder::new(endpoint, &fetch, DecodeLimits::default());
        let page = decoder.page(self.body.as_bytes(), ObservedAt::from_micros(0), drop);
        page.expect("the twin's pages are readable");
        decoder
    }
}

fn world() -> World {
    World::new(WorldSettings {
        integrations: 4,
        rows: ROWS,
        ..WorldSettings::default()
    })
}

fn request<'a>(endpoint: &'a Endpoint, integration: &'a str) -> TwinRequest<'a> {
    TwinRequest {
        path: &endpoint.path,
        query: "page_size=250",
        bearer: Some("twin-key"),
        integration: Some(integration),
    }
}

/// Measures decoding a page to a batch, with the row hashes.
#[divan::bench(args = ENDPOINTS)]
fn decode(bencher: Bencher<'_, '_>, name: &str) {
    let paged = Paged::of(name);
    bencher
        .counter(BytesCount::of_str(&paged.body))
        .counter(ItemsCount::new(paged.rows))
        .bench_local(|| black_box(&paged).decoded().take_batch());
}

/// Measures writing each row of a batch back as Kombo's JSON.
#[divan::bench(args = ENDPOINTS)]
fn rebuild_rows(bencher: Bencher<'_, '_>, name: &str) {
    let paged = Paged::of(name);
    let batch = paged.decoded().take_batch().expect("there are rows");
    let counter = ItemsCount::new(batch.num_rows());
    bencher.counter(counter).bench_local(|| {
        let rows = (0..batch.num_rows()).map(|row| rebuild(&paged.endpoint, &batch, row));
        let texts = rows.map(|text| text.expect("what was decoded can be written back"));
        texts.map(|text| text.len()).sum::<usize>()
    });
}

/// Measures how long the twin needs for a page, since the twin runs beside the client that is measured.
#[divan::bench(args = ENDPOINTS)]
fn serve(bencher: Bencher<'_, '_>, name: &str) {
    let paged = Paged::of(name);
    let mut world = world();
    let counter = BytesCount::of_str(&paged.body);
    bencher.counter(counter).bench_local(|| {
        let asked = request(&paged.endpoint, paged.table.integration.as_str());
        world.answer(black_box(asked))
    });
}

/// Measures verifying, parsing and planning for a webhook.
#[divan::bench]
fn webhook(bencher: Bencher<'_, '_>) {
    let secret = WebhookSecret::new("a secret of the benches").expect("long enough");
    let signature = secret.sign(NOTIFICATION);
    let verifier = Verifier::new(secret);
    let catalog = Catalog::embedded();
    let planner = Planner::new(catalog, catalog.endpoints().to_vec(), PlanMode::Changed);
    bencher.bench_local(|| {
        let body = Signature::parse(black_box(&signature))
            .and_then(|signature| verifier.verify(black_box(NOTIFICATION), &signature));
        match parse(body.expect("the signature is right")).expect("a webhook") {
            Webhook::DataChanged(notification) => planner.plan(&notification),
            _ => unreachable!("it says that data changed"),
        }
    });
}
