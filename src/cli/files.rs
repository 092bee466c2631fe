//! `files`: the live Parquet files of tables, for tools that do not read Delta.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use url::Url;

use super::args::{FilesArgs, FilesPart};
use super::cli_error::CliError;
use super::failed::{WIDE, aside, text};
use super::named::{endpoints, integrations};
use super::output;
use super::session::Session;
use super::terminal::Terminal;
use crate::catalog::Endpoint;
use crate::lake::layout::{key_of_file, may_hold};
use crate::lake::{Lake, LakeError, LiveFile, Members};

/// One live file.
#[derive(Serialize)]
struct FileLine {
    url: String,
    part: &'static str,
    /// `None` when the file has rows of several integrations.
    integration_key: Option<String>,
    bytes: u64,
    rows: Option<u64>,
}

/// Prints one URL per line, or JSON with sizes and row counts. Returns `false` when a part of a table could not be read.
pub(super) async fn run(args: &FilesArgs, session: &Session) -> Result<bool, CliError> {
    let endpoints = endpoints(&session.catalog, &args.tables)?;
    let wanted = integrations(&args.integrations)?;
    let wanted: Option<BTreeSet<String>> =
        wanted.map(|ids| ids.iter().map(|id| id.key().to_string()).collect());
    let lake = session.lake_there().await?;
    let parts = match args.part {
        Some(part) => vec![part],
        None => vec![FilesPart::Snapshots, FilesPart::Deltas],
    };
    let mut read: Members<_, String> = Members::default();
    for (endpoint, part) in endpoints
        .iter()
        .flat_map(|one| parts.iter().map(move |part| (one, *part)))
    {
        let member = format!("{}/{}", endpoint.name().table_name(), part.as_str());
        match files_there(&lake, endpoint, part).await {
            Ok((files, lost)) => {
                read.add(member.clone(), Ok((endpoint, part, files)));
                for error in lost {
                    read.add(member.clone(), Err(error));
                }
            }
            Err(error) => read.add(member, Err(error)),
        }
    }
    let mut lines = Vec::new();
    for (endpoint, part, files) in read.going {
        let folder = lake.table_url(endpoint.name(), part.of_lake());
        let folder = folder.as_str().trim_end_matches('/');
        lines.extend(files.into_iter().filter_map(|file| {
            let is_wanted =
                |wanted: &BTreeSet<String>| wanted.iter().any(|key| may_hold(&file, key));
            if !wanted.as_ref().is_none_or(is_wanted) {
                return None;
            }
            Some(FileLine {
                url: format!("{folder}/{}", file.path),
                part: part.as_str(),
                integration_key: key_of_file(&file).map(str::to_owned),
                bytes: file.size,
                rows: file.num_records,
            })
        }));
    }
    if args.json {
        let text = serde_json::to_string_pretty(&lines);
        output::line(text.expect("lines hold only strings and numbers"));
    } else {
        for line in lines {
            output::line(shown(&line.url));
        }
    }
    Terminal::stderr().print(&text(&aside(WIDE, &read.aside)));
    Ok(read.aside.is_empty())
}

/// Returns the live files that are there, and what is wrong with the others: a tool that reads the list would fail on a
/// file that is missing or cut.
async fn files_there(
    lake: &Lake,
    endpoint: &Arc<Endpoint>,
    part: FilesPart,
) -> Result<(Vec<Arc<LiveFile>>, Vec<LakeError>), LakeError> {
    let mut files = lake.files(endpoint, part.of_lake()).await?;
    let lost = lake.lost_files(endpoint, part.of_lake()).await?;
    files.retain(|file| lost.iter().all(|(lost, _)| *lost != file.path));
    Ok((files, lost.into_iter().map(|(_, error)| error).collect()))
}

/// Returns a local file as a path that other tools can open, and any other file as its URL.
pub(super) fn shown(url: &str) -> String {
    let local = Url::parse(url).ok().filter(|url| url.scheme() == "file");
    let path = local.and_then(|url| url.to_file_path().ok());
    path.map_or_else(|| url.to_owned(), |path| path.display().to_string())
}
