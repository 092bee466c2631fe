//! `files`: the live Parquet files of a table, for tools that do not read Delta.

use std::sync::Arc;

use serde::Serialize;

use super::failure::{FAILED, Failure, USAGE};
use super::session::Session;
use crate::catalog::{Catalog, Endpoint};
use crate::lake::Part;

/// One live file.
#[derive(Serialize)]
struct FileLine {
    url: String,
    part: &'static str,
    integration_key: Option<String>,
    bytes: u64,
    rows: Option<u64>,
}

/// Prints one URL a line, or JSON with sizes and row counts.
pub(super) async fn run(
    session: &Session,
    catalog: &Catalog,
    table: &str,
    parts: &[(Part, &'static str)],
    json: bool,
) -> Result<(), Failure> {
    let endpoint = find(catalog, table)?;
    let Some(lake) = session.existing_lake().await? else {
        let url = &session.config.sink.lake.url;
        return Err(Failure::new(
            FAILED,
            format!("there is no lake at {url}"),
            "give --lake-url, or run it where kombo.yaml is",
        ));
    };
    let wanted: Vec<_> = session
        .config
        .source
        .integrations
        .iter()
        .map(|id| id.key().to_string())
        .collect();
    let mut lines = Vec::new();
    for &(part, name) in parts {
        let folder = lake.table_url(endpoint.name(), part);
        for file in lake.files(endpoint, part).await? {
            let key = file
                .partition_values
                .get("integration_key")
                .cloned()
                .flatten();
            if key
                .as_ref()
                .is_some_and(|key| !wanted.is_empty() && !wanted.contains(key))
            {
                continue;
            }
            let url = format!("{}/{}", folder.as_str().trim_end_matches('/'), file.path);
            lines.push(FileLine {
                url,
                part: name,
                integration_key: key,
                bytes: file.size,
                rows: file.num_records,
            });
        }
    }
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&lines).expect("lines hold only strings and numbers")
        );
    } else {
        for line in lines {
            println!("{}", line.url.strip_prefix("file://").unwrap_or(&line.url));
        }
    }
    Ok(())
}

fn find<'a>(catalog: &'a Catalog, table: &str) -> Result<&'a Arc<Endpoint>, Failure> {
    catalog
        .find_table(table)
        .or_else(|| catalog.find(table))
        .ok_or_else(|| {
            let names = catalog
                .endpoints()
                .iter()
                .map(|endpoint| endpoint.name().table_name());
            let near = names
                .max_by(|a, b| strsim::jaro(a, table).total_cmp(&strsim::jaro(b, table)))
                .unwrap_or_default();
            Failure::new(
                USAGE,
                format!("there is no table {table:?}"),
                format!("did you mean {near:?}?"),
            )
        })
}
