//! What a log says of a file's rows, so that nobody opens one in vain.

use std::fmt;

use serde::Deserialize;

use crate::time::parse_timestamp;

/// The bounds of a file's rows, as its statistics have them. They may be loose: no row is outside, and the bound itself
/// need not be a row's. What is not known is `None`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FileBounds {
    /// The least and greatest id.
    pub id: Option<(String, String)>,
    /// The least and greatest key of an integration, where it is a column of the file.
    pub integration_key: Option<(String, String)>,
    /// The earliest and latest observation, in microseconds since the epoch.
    pub fetched_at_us: Option<(i64, i64)>,
}

impl FileBounds {
    /// Returns whether rows of an integration may be in the file.
    #[must_use]
    pub fn may_hold(&self, integration_key: &str) -> bool {
        let within = |(least, most): &(String, String)| {
            (least.as_str()..=most.as_str()).contains(&integration_key)
        };
        self.integration_key.as_ref().is_none_or(within)
    }

    /// Returns whether a row of that id may be in the file.
    #[must_use]
    pub fn may_hold_id(&self, id: &str) -> bool {
        let within =
            |(least, most): &(String, String)| (least.as_str()..=most.as_str()).contains(&id);
        self.id.as_ref().is_none_or(within)
    }
}

impl fmt::Debug for FileBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bounds are row values.
        f.write_str("FileBounds(..)")
    }
}

/// The part of `add.stats` that is read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Stats {
    pub(super) num_records: Option<u64>,
    min_values: Values,
    max_values: Values,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Values {
    id: Option<String>,
    integration_key: Option<String>,
    #[serde(rename = "_fetched_at")]
    fetched_at: Option<String>,
}

impl Stats {
    /// Reads the text of `add.stats`. What is not as the protocol wants it says nothing.
    pub(super) fn read(text: Option<&str>) -> Self {
        let stats = text.and_then(|text| serde_json::from_str(text).ok());
        stats.unwrap_or_default()
    }

    pub(super) fn bounds(self) -> FileBounds {
        let time = |text: Option<String>| parse_timestamp(&text?);
        let (least, most) = (self.min_values, self.max_values);
        FileBounds {
            id: least.id.zip(most.id),
            integration_key: least.integration_key.zip(most.integration_key),
            fetched_at_us: time(least.fetched_at).zip(time(most.fetched_at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_and_what_is_not_known_excludes_nothing() {
        let text = r#"{"numRecords": 2, "nullCount": {"id": 0},
            "minValues": {"id": "b", "_fetched_at": "2023-11-14T22:13:20.000Z", "name": "x"},
            "maxValues": {"id": "d", "_fetched_at": "2023-11-14T22:13:20.008Z"}}"#;
        let stats = Stats::read(Some(text));
        assert_eq!(stats.num_records, Some(2));
        let bounds = stats.bounds();
        let first = 1_700_000_000_000_000;
        assert_eq!(bounds.fetched_at_us, Some((first, first + 8_000)));
        let may = |id| bounds.may_hold_id(id);
        assert_eq!(
            [may("a"), may("b"), may("c"), may("e")],
            [false, true, true, false]
        );
        assert!(bounds.may_hold("any"));
        assert_eq!(format!("{bounds:?}"), "FileBounds(..)");
        for none in [None, Some("{}"), Some("no JSON")] {
            assert_eq!(Stats::read(none).bounds(), FileBounds::default());
        }
    }
}
