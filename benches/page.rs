//! Measures the steps from a page of Kombo to rows of `current`, and the cost of a webhook. Run `cargo bench`.
//!
//! The pages come from a simulated company with a fixed seed, so every machine measures the same bytes. `cargo test`
//! runs each bench once.

use std::num::NonZeroU8;
use std::sync::Arc;

use arrow::array::RecordBatch;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

use kombo_source::catalog::{Catalog, Endpoint};
use kombo_source::company::{TwinRequest, World, WorldSettings};
use kombo_source::decode::{DecodeLimits, PageDecoder, hash_of_id, rebuild, texts};
use kombo_source::fetch::{Fetch, FetchEnd, FetchMode};
use kombo_source::ids::TableId;
use kombo_source::lake::{FoldSettings, Lake, LakeSettings, Staging};
use kombo_source::plan::{PlanMode, Planner};
use kombo_source::time::{Base, ObservedAt, SystemClock};
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
        self.decoded_at(&self.fetch(), 0)
    }

    fn fetch(&self) -> Fetch {
        Fetch::new(self.table.clone(), FetchMode::Snapshot)
    }

    fn decoded_at(&self, fetch: &Fetch, observed_us: i64) -> PageDecoder {
        let endpoint = Arc::clone(&self.endpoint);
        let mut decoder = PageDecoder::new(endpoint, fetch, DecodeLimits::default());
        let at = ObservedAt::from_micros(observed_us);
        let page = decoder.page(self.body.as_bytes(), at, drop);
        page.expect("the twin's pages are readable");
        decoder
    }
}

/// A lake in a folder of its own, and an hour of it that no fetch had before.
struct LakeBench {
    runtime: tokio::runtime::Runtime,
    lake: Lake,
    paged: Paged,
    hour: i64,
    // Dropped last: the lake is in it.
    _folder: tempfile::TempDir,
}

impl LakeBench {
    fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the lake");
        let settings = LakeSettings {
            url: format!("file://{}", folder.path().display()),
            commit_window_secs: 0,
            ..LakeSettings::default()
        };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let lake = runtime.block_on(Lake::open(&settings, Arc::new(SystemClock)));
        Self {
            runtime,
            lake: lake.expect("a fresh lake"),
            paged: Paged::of(name),
            hour: 0,
            _folder: folder,
        }
    }

    /// Begins a snapshot an hour after the last one, and returns it with its rows and its end.
    fn begin(&mut self) -> (Staging, RecordBatch, FetchEnd) {
        self.hour += 1;
        let observed_us = self.hour * 3_600_000_000;
        let fetch = self.paged.fetch();
        let batch = self.paged.decoded_at(&fetch, observed_us).take_batch();
        let begun = self.lake.begin(&fetch, &self.paged.endpoint);
        let end = FetchEnd {
            base: Some(Base::from_millis(observed_us / 1_000)),
            seen: ObservedAt::from_micros(observed_us),
            pages: 1,
            rows: self.paged.rows,
            quarantined: 0,
            rest_values: 0,
        };
        let staging = self.runtime.block_on(begun).expect("a lake to write to");
        (staging, batch.expect("there are rows"), end)
    }

    /// Makes a snapshot visible.
    fn commit(&mut self) {
        let (mut staging, batch, end) = self.begin();
        let done = self.runtime.block_on(async {
            staging.push(batch).await?;
            staging.commit(end).await
        });
        done.expect("a lake to write to");
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

/// Measures hashing records, one for each id of a page.
#[divan::bench(args = ENDPOINTS)]
fn hash(bencher: Bencher<'_, '_>, name: &str) {
    let batch = Paged::of(name).decoded().take_batch();
    let batch = batch.expect("there are rows");
    let ids = texts(&batch, "id").expect("each batch has ids");
    bencher
        .counter(ItemsCount::new(batch.num_rows()))
        .bench_local(|| {
            let hashes = ids.iter().flatten().map(|id| hash_of_id(black_box(id)));
            hashes.fold(0, |folded, hash| folded ^ hash)
        });
}

/// Measures sorting the rows of a page, encoding them as a data file, and writing the file to the disk.
#[divan::bench(args = ENDPOINTS)]
fn encode(bencher: Bencher<'_, '_>, name: &str) {
    let mut bench = LakeBench::of(name);
    let handle = bench.runtime.handle().clone();
    bencher
        .counter(ItemsCount::new(bench.paged.rows))
        .with_inputs(|| bench.begin())
        .bench_local_values(|(mut staging, batch, end)| {
            let sealed = handle.block_on(async {
                staging.push(batch).await?;
                staging.seal(end).await
            });
            sealed.expect("a lake to write to");
        });
}

/// Measures merging a new snapshot of a page into `current`, with its commit.
#[divan::bench(args = ENDPOINTS)]
fn merge(bencher: Bencher<'_, '_>, name: &str) {
    let mut bench = LakeBench::of(name);
    let (handle, lake) = (bench.runtime.handle().clone(), bench.lake.clone());
    let endpoint = Arc::clone(&bench.paged.endpoint);
    let settings = FoldSettings {
        cpu_percent: NonZeroU8::new(100).expect("not zero"),
        ..FoldSettings::default()
    };
    bencher
        .counter(ItemsCount::new(bench.paged.rows))
        .with_inputs(|| bench.commit())
        .bench_local_values(|()| {
            let folded = handle.block_on(lake.fold(&endpoint, None, &settings));
            folded.expect("a lake to write to");
        });
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

/// Measures finding the tables that a notification concerns.
#[divan::bench]
fn plan(bencher: Bencher<'_, '_>) {
    let secret = WebhookSecret::new("a secret of the benches").expect("long enough");
    let signature = Signature::parse(secret.sign(NOTIFICATION)).expect("it was just signed");
    let body = Verifier::new(secret).verify(NOTIFICATION, &signature);
    let parsed = parse(body.expect("the signature is right")).expect("a webhook");
    let Webhook::DataChanged(notification) = parsed else {
        unreachable!("it says that data changed");
    };
    let catalog = Catalog::embedded();
    let planner = Planner::new(catalog, catalog.endpoints().to_vec(), PlanMode::Changed);
    bencher.bench_local(|| planner.plan(black_box(&notification)));
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
