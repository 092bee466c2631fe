//! Counts of the requests that the API got.

use std::collections::BTreeMap;

use super::request::TwinRequest;

/// Numbers of requests by kind, path and status. Bounded: all unknown paths share one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Pages of lists with `updated_after`.
    pub delta: u64,
    /// Pages of lists without `updated_after`.
    pub snapshot: u64,
    /// Other requests: records by `ids`, integrations, the key.
    pub other: u64,
    /// All requests by path below the base URL of the API.
    pub by_path: BTreeMap<String, u64>,
    /// All requests by the status of their answer.
    pub by_status: BTreeMap<u16, u64>,
}

impl Requests {
    /// Returns the number of all requests.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.delta + self.snapshot + self.other
    }

    /// Counts a request. `is_list` says whether the path is that of a list endpoint.
    pub(super) fn count(&mut self, request: TwinRequest<'_>, is_list: bool, status: u16) {
        let has = |wanted: &str| {
            let mut pairs = url::form_urlencoded::parse(request.query.as_bytes());
            pairs.any(|(name, _)| name == wanted)
        };
        if !is_list || has("ids") || has("remote_ids") {
            self.other += 1;
        } else if has("updated_after") {
            self.delta += 1;
        } else {
            self.snapshot += 1;
        }
        let path = match request.path {
            path if is_list || path == "/check-api-key" => path,
            path if path.starts_with("/integrations/") => "/integrations/{id}",
            _ => "unknown",
        };
        *self.by_path.entry(path.to_owned()).or_default() += 1;
        *self.by_status.entry(status).or_default() += 1;
    }
}
