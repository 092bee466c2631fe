//! The example pages: at least one for each endpoint.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kombo_source::catalog::{Catalog, Endpoint};

use super::json::Json;
use super::{check_rebuilt, decode};

/// Returns every fixture with its endpoint, its case and its text.
fn fixtures() -> Vec<(Arc<Endpoint>, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut fixtures = Vec::new();
    for endpoint in Catalog::embedded().endpoints() {
        let cases = std::fs::read_dir(folder.join(endpoint.name().as_str()));
        let mut paths: Vec<PathBuf> = cases
            .unwrap_or_else(|_| panic!("{} has no fixtures", endpoint.name()))
            .map(|entry| entry.expect("a file").path())
            .collect();
        paths.sort();
        for path in paths {
            let case = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let text = std::fs::read_to_string(&path).expect("UTF-8");
            fixtures.push((Arc::clone(endpoint), case, text));
        }
    }
    fixtures
}

fn rows(endpoint: &Endpoint, body: &str) -> Vec<Json> {
    let page = Json::parse(body).expect("JSON");
    match page
        .member("data")
        .and_then(|data| data.member(&endpoint.results))
    {
        Some(Json::List(rows)) => rows.clone(),
        other => panic!("not a list of rows: {other:?}"),
    }
}

#[test]
fn every_example_page_is_rebuilt_and_leaves_nothing_over_unless_it_drifts() {
    for (endpoint, case, body) in fixtures() {
        let (_, summary) = decode(&endpoint, &body);
        let name = format!("{}/{case}", endpoint.name());
        assert_eq!(
            summary.rest_values == 0,
            case != "drift",
            "{name}: {}",
            summary.rest_values
        );
        assert_eq!(
            summary.next.is_some(),
            matches!(case.as_str(), "page1" | "drift") && name != "hris/employees/drift",
            "{name}"
        );
        check_rebuilt(&endpoint, &rows(&endpoint, &body), &body).expect("the same JSON");
    }
}
