//! `files`: the live Parquet files of a table, for tools that do not read Delta.

use serde::Serialize;
use url::Url;

use super::args::FilesArgs;
use super::aside::aside;
use super::failure::Failure;
use super::named::{endpoint, integration};
use super::session::Session;
use crate::catalog::Catalog;
use crate::lake::{Members, Part};

/// One live file.
#[derive(Serialize)]
struct FileLine {
    url: String,
    part: &'static str,
    integration_key: Option<String>,
    bytes: u64,
    rows: Option<u64>,
}

/// Prints one URL a line, or JSON with sizes and row counts. `false` when a part of the table could not be read.
pub(super) async fn run(
    session: &Session,
    catalog: &Catalog,
    args: &FilesArgs,
    parts: &[(Part, &'static str)],
) -> Result<bool, Failure> {
    let endpoint = endpoint(catalog, &args.table)?;
    let wanted = args.integration.as_deref().map(integration).transpose()?;
    let wanted = wanted.map(|id| id.key().to_string());
    let lake = session.lake_there().await?;
    let mut lines = Vec::new();
    let mut read: Members<_, String> = Members::default();
    for &(part, name) in parts {
        let files = lake.files(endpoint, part).await;
        let member = format!("{}/{name}", endpoint.name().table_name());
        read.add(member, files.map(|files| (part, name, files)));
    }
    for (part, name, files) in read.going {
        let folder = lake.table_url(endpoint.name(), part);
        for file in files {
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
    eprint!("{}", aside(&read.aside));
    Ok(read.aside.is_empty())
}

/// Returns a local file as a path that other tools open, everything else as its URL.
pub(super) fn shown(url: &str) -> String {
    let local = Url::parse(url).ok().filter(|url| url.scheme() == "file");
    let path = local.and_then(|url| url.to_file_path().ok());
    path.map_or_else(|| url.to_owned(), |path| path.display().to_string())
}
