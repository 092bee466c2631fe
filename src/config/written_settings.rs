//! The settings as the operator wrote them, so that a reload can say what has changed, old and new.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use super::document::{DocumentNode, Value, join};
use super::generate;
use super::section::{SINKS, SOURCES};

/// The names of source and sink in the text of [`generate`].
const GENERATED: [&str; 2] = ["kombo", "lake"];

/// Lists with more entries are shown by what was added and removed, with this many entries of each.
const SHOWN_ENTRIES: usize = 5;

/// Every setting of a configuration file by its dotted path.
#[derive(Clone, Default)]
pub(super) struct WrittenSettings(BTreeMap<String, WrittenValue>);

/// A value as it is written.
#[derive(Clone, PartialEq, Eq)]
enum WrittenValue {
    One(String),
    List(Vec<String>),
    /// A value that may be a secret. It is compared and never shown.
    Hidden(String),
}

impl WrittenSettings {
    /// Reads the settings of a document.
    pub(super) fn of(root: &DocumentNode) -> Self {
        let mut settings = BTreeMap::new();
        let read: Result<(), ()> = root.walk("", &mut |path, node| {
            // The entries of a list belong to its value.
            if !path.contains('[')
                && let Some(value) = value_of(path, &node.value)
            {
                settings.insert(path.to_owned(), value);
            }
            Ok(())
        });
        read.expect("nothing is refused");
        Self(settings)
    }

    /// Sets a list that the file alone does not determine.
    pub(super) fn set_list(&mut self, path: String, entries: Vec<String>) {
        self.0.insert(path, WrittenValue::List(entries));
    }

    /// Removes a setting that a flag or a variable overrides: what the file says of it has no effect.
    pub(super) fn forget(&mut self, path: &str) {
        self.0.remove(path);
    }

    /// Returns each setting that differs from an older configuration, as `path: old → new`. Defaults are filled in, so a
    /// default that is written out is no change.
    pub(super) fn changes_from(&self, old: &Self) -> Vec<String> {
        let root = DocumentNode::parse(generate(), false);
        let defaults = root.map_or_else(|_| Self::default(), |root| Self::of(&root));
        let mut paths: Vec<_> = old.0.keys().chain(self.0.keys()).collect();
        paths.sort_unstable();
        paths.dedup();
        let paths = paths.into_iter();
        let changes = paths.filter_map(|path| {
            let default = defaults.0.get(&generated(path));
            let [old, new] = [old, self].map(|settings| settings.0.get(path).or(default));
            let change = change(old, new)?;
            Some(format!("{path}: {change}"))
        });
        changes.collect()
    }
}

impl fmt::Debug for WrittenSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrittenSettings(..)")
    }
}

impl fmt::Display for WrittenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(text) => f.write_str(text),
            Self::List(entries) => {
                write!(f, "[{}]", shortened(&entries.iter().collect::<Vec<_>>()))
            }
            Self::Hidden(_) => f.write_str("a hidden value"),
        }
    }
}

fn value_of(path: &str, value: &Value) -> Option<WrittenValue> {
    let text = match value {
        Value::Map(_) => return None,
        Value::List(items) => {
            let entries = items.iter().map(|item| scalar(&item.value));
            return Some(WrittenValue::List(entries.collect()));
        }
        one => scalar(one),
    };
    let mut parts = path.split('.');
    let is_option = parts.next() == Some(SINKS.key) && parts.nth(1) == Some("options");
    // The options of an object store may be credentials.
    let written = if is_option {
        WrittenValue::Hidden
    } else {
        WrittenValue::One
    };
    Some(written(text))
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null | Value::List(_) | Value::Map(_) => "nothing".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Float(float) => float.to_string(),
        Value::Text(text) => text.clone(),
    }
}

/// Returns the path that an option has in the text of [`generate`], where source and sink have other names.
fn generated(path: &str) -> String {
    let mut parts = path.splitn(3, '.');
    let (Some(section), Some(_), Some(option)) = (parts.next(), parts.next(), parts.next()) else {
        return path.to_owned();
    };
    let sections = [SOURCES.key, SINKS.key].into_iter().zip(GENERATED);
    let mut names = sections.filter(|(key, _)| *key == section);
    match names.next() {
        Some((key, name)) => join(&join(key, name), option),
        None => path.to_owned(),
    }
}

/// Returns how a value changed; `None` if it did not.
fn change(old: Option<&WrittenValue>, new: Option<&WrittenValue>) -> Option<String> {
    use WrittenValue::{Hidden, List};
    if old == new {
        return None;
    }
    Some(match (old, new) {
        (Some(Hidden(_)), Some(Hidden(_))) => "replaced".to_owned(),
        (Some(List(old)), Some(List(new))) if !old.is_empty() && !new.is_empty() => {
            changed_list(old, new)
        }
        (old, new) => {
            let shown = |value: Option<&WrittenValue>| {
                value.map_or_else(|| "off".to_owned(), ToString::to_string)
            };
            format!("{} → {}", shown(old), shown(new))
        }
    })
}

fn changed_list(old: &[String], new: &[String]) -> String {
    let lacking = |of: &[String], other: &[String]| -> String {
        let other: HashSet<_> = other.iter().collect();
        let missing: Vec<_> = of.iter().filter(|entry| !other.contains(entry)).collect();
        shortened(&missing)
    };
    let [added, removed] = [lacking(new, old), lacking(old, new)];
    match (added.is_empty(), removed.is_empty()) {
        (true, true) => "other order".to_owned(),
        (false, true) => format!("added {added}"),
        (true, false) => format!("removed {removed}"),
        (false, false) => format!("added {added}; removed {removed}"),
    }
}

fn shortened(entries: &[&String]) -> String {
    let shown = entries.iter().take(SHOWN_ENTRIES);
    let shown: Vec<_> = shown.map(|entry| entry.as_str()).collect();
    let text = shown.join(", ");
    match entries.len().checked_sub(SHOWN_ENTRIES) {
        None | Some(0) => text,
        Some(more) => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> WrittenSettings {
        let root = DocumentNode::parse(text, false);
        WrittenSettings::of(&root.unwrap_or_else(|_| panic!("a document: {text}")))
    }

    fn changes(old: &str, new: &str) -> Vec<String> {
        settings(new).changes_from(&settings(old))
    }

    #[test]
    fn each_changed_setting_is_shown_old_and_new_and_defaults_are_filled_in() {
        let old = "sources: {mine: {endpoints: [ats/jobs, ats/tags], schedule: {heartbeat_interval_secs: 30}}}";
        let new = "sources: {mine: {endpoints: [ats/tags, hris/groups], plan: all, request: {concurrency: 4}, api_key_file: ./key}}";
        let expected = [
            "sources.mine.api_key_file: off → ./key",
            "sources.mine.endpoints: added hris/groups; removed ats/jobs",
            "sources.mine.plan: changed → all",
            "sources.mine.schedule.heartbeat_interval_secs: 30 → 21600",
        ];
        assert_eq!(changes(old, new), expected);
        assert!(changes(old, old).is_empty());
    }

    #[test]
    fn options_of_the_store_are_never_shown() {
        let old = "sinks: {lake: {options: {aws_secret_access_key: canary-1, aws_region: a}}}";
        let new =
            "sinks: {lake: {options: {aws_secret_access_key: canary-2, aws_token: canary-3}}}";
        let said = changes(old, new).join("; ");
        let expected = "sinks.lake.options.aws_region: a hidden value → off; sinks.lake.options.aws_secret_access_key: replaced; sinks.lake.options.aws_token: off → a hidden value";
        assert_eq!(said, expected);
        assert!(!format!("{:?}", settings(new)).contains("canary"));
    }

    #[test]
    fn a_long_list_is_shown_by_what_was_added() {
        let ids =
            |count: usize| -> Vec<String> { (0..count).map(|id| format!("t:{id}")).collect() };
        let mut old = WrittenSettings::default();
        old.set_list("integrations".to_owned(), Vec::new());
        let mut new = old.clone();
        new.set_list("integrations".to_owned(), ids(7));
        let said = "integrations: [] → [t:0, t:1, t:2, t:3, t:4 and 2 more]";
        assert_eq!(new.changes_from(&old), [said]);
        let mut newer = new.clone();
        newer.set_list("integrations".to_owned(), ids(13));
        let said = "integrations: added t:7, t:8, t:9, t:10, t:11 and 1 more";
        assert_eq!(newer.changes_from(&new), [said]);
    }
}
