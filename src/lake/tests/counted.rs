//! The work whose instructions the gate counts. `benches/instructions.py` runs this test under callgrind, which counts
//! only inside the `counted_*` functions. Those contain no closures: a closure has the function's name in its own, and
//! callgrind would stop counting there.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::catalog::{Catalog, Endpoint};
use crate::company::{TwinRequest, World, WorldSettings};
use crate::decode::{DecodeLimits, PageDecoder, hash_of_id, texts};
use crate::delta::file::file_form::FileForm;
use crate::delta::file::writer::{EncodedFile, read};
use crate::fetch::{Fetch, FetchMode};
use crate::ids::TableId;
use crate::lake::LakeSettings;
use crate::lake::form::file_form;
use crate::lake::intake::runs::Sorted;
use crate::lake::layout::LakeTable;
use crate::time::ObservedAt;

const ROWS: u64 = 1_000;

/// Pages of one customer's applications, with a fixed seed.
struct Pages {
    endpoint: Arc<Endpoint>,
    fetch: Fetch,
    bodies: Vec<String>,
}

#[test]
fn counted_work_keeps_every_row() {
    let pages = pages();
    let batches = counted_decode(&pages);
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert!(rows as u64 > ROWS / 2, "{rows} rows are too few to count");
    let ids: Vec<String> = batches.iter().flat_map(ids_of).collect();
    assert_ne!(counted_hash(&ids), 0);
    let table = LakeTable::Snapshots(pages.endpoint.name().clone());
    let form = file_form(&table, &LakeSettings::default());
    let file = counted_encode(batches, &form);
    let stored = read(file.bytes, &["id"]).expect("a file that was just written");
    let stored: usize = stored.map(|batch| batch.expect("rows").num_rows()).sum();
    assert_eq!((file.rows, stored), (rows as u64, rows));
}

/// Decodes all pages to batches, with the hash of each record.
#[inline(never)]
fn counted_decode(pages: &Pages) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    for body in &pages.bodies {
        let endpoint = Arc::clone(&pages.endpoint);
        let mut decoder = PageDecoder::new(endpoint, &pages.fetch, DecodeLimits::default());
        let page = decoder.page(body.as_bytes(), ObservedAt::from_micros(1), drop);
        page.expect("the twin's pages are readable");
        batches.extend(decoder.take_batch());
    }
    batches
}

/// Hashes a record for each id.
#[inline(never)]
fn counted_hash(ids: &[String]) -> i64 {
    let mut folded = 0;
    for id in ids {
        folded ^= hash_of_id(id);
    }
    folded
}

/// Sorts the rows and encodes them as one file.
#[inline(never)]
fn counted_encode(batches: Vec<RecordBatch>, form: &FileForm) -> EncodedFile {
    let file = Sorted::new(batches).encode(form);
    file.expect("rows can be encoded").expect("there are rows")
}

fn pages() -> Pages {
    let endpoint = Arc::clone(
        Catalog::embedded()
            .find("ats/applications")
            .expect("an endpoint"),
    );
    let mut world = World::new(WorldSettings {
        integrations: 4,
        rows: ROWS,
        ..WorldSettings::default()
    });
    let owner = world.integrations().iter();
    let owner = owner.map(|one| (one.category(), one.id().clone()));
    let mut owner = owner.filter(|(category, _)| *category == endpoint.category);
    let (_, integration) = owner.next().expect("one of each category");
    let mut bodies = Vec::new();
    let mut query = "page_size=250&include_deleted=true".to_owned();
    loop {
        let answer = world.answer(TwinRequest {
            path: &endpoint.path,
            query: &query,
            bearer: Some("twin-key"),
            integration: Some(integration.as_str()),
        });
        assert_eq!(answer.status, 200);
        let page: serde_json::Value = serde_json::from_str(&answer.body).expect("a page");
        bodies.push(answer.body);
        let Some(next) = page["data"]["next"].as_str() else {
            break;
        };
        query = format!("page_size=250&include_deleted=true&cursor={next}");
    }
    let table = TableId {
        integration,
        endpoint: endpoint.name().clone(),
    };
    Pages {
        fetch: Fetch::new(table, FetchMode::Snapshot),
        endpoint,
        bodies,
    }
}

fn ids_of(batch: &RecordBatch) -> Vec<String> {
    let ids = texts(batch, "id").expect("each batch has ids");
    ids.iter().flatten().map(str::to_owned).collect()
}
