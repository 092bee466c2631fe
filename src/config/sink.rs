//! The options of a sink of type `delta_lake`.

use serde::Deserialize;
use url::Url;

use crate::lake::LakeSettings;

use super::fold::FoldOptions;
use super::guard::GuardOptions;
use super::upkeep::UpkeepSettings;

/// What a sink of type `delta_lake` is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSettings {
    /// Its name under `sinks`.
    pub name: String,
    /// Where the lake is, and how it is written to.
    pub lake: LakeSettings,
    /// How the lake is kept tidy.
    pub upkeep: UpkeepSettings,
    /// When and how fast `current` is folded.
    pub fold: FoldOptions,
    /// How patient the guard is before it lets rows go.
    pub guard: GuardOptions,
}

/// The names of the sources whose rows a sink takes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Inputs(pub(super) Vec<String>);

/// Checks where a lake is to be, as far as its form goes; opening it is the store's matter.
///
/// Answers what is wrong without the text, which may hold a token.
pub(super) fn check_lake_url(text: &str) -> Result<(), &'static str> {
    const FORMS: &str = "must be where a lake can lie: ./folder, file:///folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or memory:";
    if text.trim().is_empty() {
        return Err(FORMS);
    }
    let Ok(url) = Url::parse(text) else {
        // A plain path. What looks like a URL and is none would become a strange folder.
        return if text.contains("://") {
            Err(FORMS)
        } else {
            Ok(())
        };
    };
    if !url.username().is_empty() && !url.scheme().starts_with("abfs") || url.password().is_some() {
        return Err(
            "must not hold a user name or password; put them into options or the environment",
        );
    }
    if url.query().is_some() {
        return Err(
            "must not hold a query, which may be a token; put it into options or the environment",
        );
    }
    match url.scheme() {
        "file" if url.to_file_path().is_err() => Err(
            "must name a folder of this machine with three slashes: file:///folder; or leave out file:// for a relative one",
        ),
        "s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss"
            if url.host_str().is_none_or(str::is_empty) =>
        {
            Err("must name a bucket after ://, such as s3://bucket/prefix")
        }
        "file" | "memory" | "s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss" => Ok(()),
        _ => Err(FORMS),
    }
}
