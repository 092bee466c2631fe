//! `files`: the live Parquet files of a table, for tools that do not read Delta.

use serde::Serialize;
use url::Url;

use super::args::{FilesArgs, FilesPart};
use super::cli_error::CliError;
use super::failed::{WIDE, aside, text};
use super::named::{endpoint, integration};
use super::session::Session;
use crate::lake::Members;

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
pub(super) async fn run(args: &FilesArgs, session: &Session) -> Result<bool, CliError> {
    let endpoint = endpoint(&session.catalog, &args.table)?;
    let wanted = integration(args.integration.as_deref())?;
    let wanted = wanted.map(|id| id.key().to_string());
    let lake = session.lake_there().await?;
    let parts = match args.part {
        Some(part) => vec![part],
        None => vec![FilesPart::Snapshots, FilesPart::Deltas],
    };
    let mut read: Members<_, String> = Members::default();
    for part in parts {
        let files = lake.files(endpoint, part.of_lake()).await;
        let member = format!("{}/{}", endpoint.name().table_name(), part.as_str());
        read.add(member, files.map(|files| (part, files)));
    }
    let mut lines = Vec::new();
    for (part, files) in read.going {
        let folder = lake.table_url(endpoint.name(), part.of_lake());
        let folder = folder.as_str().trim_end_matches('/');
        lines.extend(files.into_iter().filter_map(|file| {
            let key = file.partition_values.get("integration_key");
            let key = key.cloned().flatten();
            // A file of deltas holds rows of many integrations.
            if wanted.is_some() && key.is_some() && key != wanted {
                return None;
            }
            Some(FileLine {
                url: format!("{folder}/{}", file.path),
                part: part.as_str(),
                integration_key: key,
                bytes: file.size,
                rows: file.num_records,
            })
        }));
    }
    if args.json {
        let text = serde_json::to_string_pretty(&lines);
        println!("{}", text.expect("lines hold only strings and numbers"));
    } else {
        for line in lines {
            println!("{}", shown(&line.url));
        }
    }
    eprint!("{}", text(&aside(WIDE, &read.aside)));
    Ok(read.aside.is_empty())
}

/// Returns a local file as a path that other tools open, everything else as its URL.
pub(super) fn shown(url: &str) -> String {
    let local = Url::parse(url).ok().filter(|url| url.scheme() == "file");
    let path = local.and_then(|url| url.to_file_path().ok());
    path.map_or_else(|| url.to_owned(), |path| path.display().to_string())
}
