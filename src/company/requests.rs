//! How often the API was asked what.

use std::collections::BTreeMap;

use super::request::TwinRequest;

/// Requests by what they asked for. Bounded: paths that nobody serves share one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Pages of lists with `updated_after`.
    pub delta: u64,
    /// Pages of whole lists.
    pub snapshot: u64,
    /// Everything else: single records by `ids`, integrations, the key.
    pub other: u64,
    /// All of them by path below the API's base URL.
    pub by_path: BTreeMap<String, u64>,
    /// All of them by the status they got.
    pub by_status: BTreeMap<u16, u64>,
}

impl Requests {
    /// Returns how many there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.delta + self.snapshot + self.other
    }

    /// Counts a request. `is_list` says whether its path is that of an endpoint.
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
