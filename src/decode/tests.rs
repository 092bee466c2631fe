//! One page at a time: what lands in columns, in `_rest`, in quarantine, or in an error.

use super::*;
use crate::catalog::Catalog;
use crate::fetch::FetchMode;
use crate::ids::{IntegrationId, TableId};

fn decoder() -> PageDecoder {
    let endpoint = Arc::clone(Catalog::embedded().find("ats/tags").expect("known"));
    let table = TableId {
        integration: IntegrationId::new("tool:abc").expect("an id"),
        endpoint: endpoint.name().clone(),
    };
    PageDecoder::new(
        endpoint,
        &Fetch::new(table, FetchMode::Snapshot),
        DecodeLimits::default(),
    )
}

#[test]
fn a_page_becomes_a_batch_of_the_endpoints_schema() {
    let mut decoder = decoder();
    let body = br#"{"status":"success","data":{"next":"c2","results":[{"id":"t1","name":"x","new":[1, 2]}]}}"#;
    let mut next = None;
    let summary = decoder
        .page(body, ObservedAt::from_micros(7), |cursor| {
            next = Some(cursor)
        })
        .expect("a page");
    assert_eq!((summary.rows, summary.rest_values), (1, 1));
    assert_eq!(next, Some(Cursor::from_next("c2")));
    let batch = decoder.take_batch().expect("a row");
    assert_eq!(batch.schema(), decoder.endpoint.schema());
    assert_eq!(
        rebuild(&decoder.endpoint, &batch, 0).as_deref(),
        Ok(r#"{"id":"t1","name":"x","new":[1, 2]}"#)
    );
}
