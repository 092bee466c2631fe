//! Reads the file that `integrations_file` names: one integration id a line. An environment variable holds 128 KiB, which is
//! about 3,500 ids; a file has no such limit.
//!
//! No error quotes a line: the option may name a file with a secret by mistake.

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

use super::error::{ConfigError, Place};
use super::places::Places;
use crate::ids::{IdError, IntegrationId};
use crate::service::SourceSettings;

/// The greatest size of the file. Some 400,000 ids fit, and a device or a table by mistake fills no memory.
const MOST_BYTES: u64 = 16 << 20;

/// Adds the ids of the file to the integrations of the source. Each id counts once. `path` is the dotted path of the option.
pub(super) fn add(
    source: &mut SourceSettings,
    path: &str,
    places: &Places,
) -> Result<(), ConfigError> {
    if let Some(file) = &source.integrations_file {
        let shown = file.display().to_string();
        let text = read(file).map_err(|problem| {
            places.invalid(path, format!("names the file {shown:?}, which {problem}"))
        })?;
        let ids = parse(&text, &shown)?;
        if ids.is_empty() {
            let problem = format!(
                "names the file {shown:?}, which holds no integration id; write one id a line, or remove the option to fetch what the lake knows and what webhooks name"
            );
            return Err(places.invalid(path, problem));
        }
        source.integrations.extend(ids);
    }
    let mut known = HashSet::new();
    source.integrations.retain(|id| known.insert(id.clone()));
    Ok(())
}

fn read(file: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file);
    opened
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err("has more than 16 MiB, so it is no list of integration ids".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "is not text".to_owned())
}

/// Reads one id a line. Blank lines are skipped, and so is everything from a `#` at the start of a line or behind a space.
fn parse(text: &str, file: &str) -> Result<Vec<IntegrationId>, ConfigError> {
    // Some editors begin a file with this mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut ids = Vec::new();
    for (position, line) in text.lines().enumerate() {
        let id = without_comment(line).trim();
        if id.is_empty() {
            continue;
        }
        let id = checked(id).map_err(|problem| ConfigError::Invalid {
            place: Place {
                origin: file.to_owned(),
                line: Some(position + 1),
            },
            path: "the line".to_owned(),
            problem: problem.to_owned(),
        })?;
        ids.push(id);
    }
    Ok(ids)
}

fn without_comment(line: &str) -> &str {
    let mut marks = line.match_indices('#').map(|(at, _)| at);
    let begins = |at: &usize| {
        line[..*at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    };
    marks.find(begins).map_or(line, |at| &line[..at])
}

fn checked(text: &str) -> Result<IntegrationId, &'static str> {
    // Such characters come from a list of another form. Kombo would only say that it does not know the integration.
    if text.contains([',', ';', '"', '\'']) {
        return Err("holds a comma or a quote; write one id a line, without either");
    }
    IntegrationId::new(text).map_err(|error| match error {
        IdError::TooLong { .. } => "is longer than an integration id can be",
        IdError::NotVisibleAscii => {
            "holds a space or a character that is not visible ASCII; write one id a line"
        }
        _ => {
            "is no integration id: an id has a tool before a colon, such as personio:CBNMt7dSNCzBdnRTx87dev4E"
        }
    })
}
