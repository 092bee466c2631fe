//! `files`: the live Parquet files of a table, for tools that do not read Delta.

use std::sync::Arc;

use serde::Serialize;
use url::Url;

use super::args::FilesArgs;
use super::failure::{Failure, USAGE};
use super::session::Session;
use crate::catalog::{Catalog, Endpoint};
use crate::ids::IntegrationId;
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
    args: &FilesArgs,
    parts: &[(Part, &'static str)],
) -> Result<(), Failure> {
    let endpoint = find(catalog, &args.table)?;
    let wanted = args.integration.as_deref().map(key_of).transpose()?;
    let lake = session.lake_there().await?;
    let mut lines = Vec::new();
    for &(part, name) in parts {
        let folder = lake.table_url(endpoint.name(), part);
        for file in lake.files(endpoint, part).await? {
            let key = file
                .partition_values
                .get("integration_key")
                .cloned()
                .flatten();
            // A file of deltas holds rows of many integrations.
            if wanted.is_some() && key.is_some() && key != wanted {
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
    if args.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&lines).expect("lines hold only strings and numbers")
        );
    } else {
        for line in lines {
            println!("{}", shown(&line.url));
        }
    }
    Ok(())
}

/// Finds a table's endpoint, or says which name is near.
pub(super) fn find<'a>(catalog: &'a Catalog, table: &str) -> Result<&'a Arc<Endpoint>, Failure> {
    let found = catalog.find_table(table).or_else(|| catalog.find(table));
    found.ok_or_else(|| {
        let names = catalog
            .endpoints()
            .iter()
            .map(|endpoint| endpoint.name().table_name());
        let near = names.max_by(|a, b| strsim::jaro(a, table).total_cmp(&strsim::jaro(b, table)));
        let advice = format!("did you mean {:?}?", near.unwrap_or_default());
        Failure::new(USAGE, format!("there is no table {table:?}"), advice)
    })
}

/// Returns the key of an integration that was named on the command line.
pub(super) fn key_of(integration: &str) -> Result<String, Failure> {
    let id = IntegrationId::new(integration).map_err(|error| {
        let message = format!("--integration cannot be used: {error}");
        Failure::new(USAGE, message, "Kombo's dashboard shows the ids")
    })?;
    Ok(id.key().to_string())
}

/// A local file as a path that other tools open, everything else as its URL.
fn shown(url: &str) -> String {
    let local = Url::parse(url).ok().filter(|url| url.scheme() == "file");
    let path = local.and_then(|url| url.to_file_path().ok());
    path.map_or_else(|| url.to_owned(), |path| path.display().to_string())
}
