//! What Kombo says of the connections to customers: issues that are open, and tables that Kombo cannot read.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::customer::Issue;
use crate::lake::{Lake, ModelCoverage};
use crate::status::{Status, Unread};
use crate::words::{age, counted};

/// The most issues that are named.
const NAMED: usize = 5;

/// Open issues, and models that Kombo cannot read and that have tables.
#[derive(Debug, Default)]
pub(super) struct CustomerTroubles {
    issues: Vec<Issue>,
    unreadable: Vec<ModelCoverage>,
}

impl CustomerTroubles {
    /// Reads both tables, each by itself. What cannot be read is added to the status.
    pub(super) async fn read(lake: &Lake, status: &mut Status) -> Self {
        let issues = lake.issues().await;
        let coverage = lake.coverage_of_models().await;
        let mut connections = Self::default();
        let mut unread = Vec::new();
        if let Some(issues) = Unread::or(&mut unread, "kombo_issues", issues) {
            let open = issues.into_iter().filter(|issue| issue.resolved.is_none());
            connections.issues = open.collect();
        }
        if let Some(coverage) = Unread::or(&mut unread, "kombo_coverage", coverage) {
            let unreadable = coverage.into_iter();
            let unreadable = unreadable.filter(|one| !one.is_readable && !one.tables.is_empty());
            connections.unreadable = unreadable.collect();
        }
        // A damaged table is told of already.
        unread.retain(|one| status.unread.iter().all(|told| told.name != one.name));
        status.unread.extend(unread);
        connections
    }

    /// Keeps what is about the integrations of a status.
    pub(super) fn of(mut self, status: &Status, wanted: &[String]) -> Self {
        if wanted.is_empty() {
            return self;
        }
        let names: BTreeSet<&str> = status.integrations.iter().map(|one| &*one.name).collect();
        self.issues.retain(|issue| {
            let id = issue.integration.as_ref();
            id.is_some_and(|id| names.contains(id.as_str()))
        });
        self.unreadable
            .retain(|one| names.contains(one.integration.as_str()));
        self
    }

    /// Returns the lines of a report. None when there is nothing to say.
    pub(super) fn lines(&self, status: &Status) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.issues.is_empty() {
            let issues = counted(self.issues.len() as u64, "issue");
            lines.push(format!(
                "{issues} of Kombo's unresolved; kombo_issues has what to do:"
            ));
            lines.extend(self.issues.iter().take(NAMED).map(|one| named(one, status)));
            let more = self.issues.len().saturating_sub(NAMED);
            lines.extend((more > 0).then(|| format!("  and {more} more")));
        }
        if !self.unreadable.is_empty() {
            let models = counted(self.unreadable.len() as u64, "model");
            let of: BTreeSet<_> = self.unreadable.iter().map(|one| &one.integration).collect();
            let of = counted(of.len() as u64, "integration");
            lines.push(format!(
                "{models} of {of} cannot be read by Kombo; `kombo-source coverage` says why"
            ));
        }
        lines
    }

    /// Adds both to the document.
    pub(super) fn in_json(&self, mut status: Value) -> Value {
        let issues = self.issues.iter().map(|issue| {
            json!({
                "integration": issue.integration.as_ref().map(ToString::to_string),
                "issue_id": issue.id,
                "type": issue.kind,
                "title": issue.title,
                "remedy": issue.remedy,
                "first_seen_ms": issue.first_seen.as_millis(),
            })
        });
        let unreadable = self.unreadable.iter().map(|one| {
            json!({
                "integration": one.integration.as_str(),
                "model": one.model,
                "tables": one.tables,
                "reason": one.reason,
                "since_ms": one.since_us / 1000,
            })
        });
        status["issues"] = issues.collect::<Vec<_>>().into();
        status["unreadable_models"] = unreadable.collect::<Vec<_>>().into();
        status
    }
}

fn named(issue: &Issue, status: &Status) -> String {
    let of = issue.integration.as_ref();
    let of = of.map_or_else(|| "the environment".to_owned(), ToString::to_string);
    let since = age(status.now.since(issue.first_seen));
    let title = issue.title.as_deref().unwrap_or_default();
    format!("  {of}  {}  since {since}  {title}", issue.kind)
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IntegrationId;
    use crate::time::Moment;

    fn status() -> Status {
        Status {
            services: Vec::new(),
            known: 1,
            now: Moment::from_millis(7_200_000),
            notes: None,
            integrations: Vec::new(),
            unread: Vec::new(),
        }
    }

    fn issue(id: &str) -> Issue {
        let of = IntegrationId::new("tool:a").expect("an id");
        let when = (Moment::default(), None);
        let texts = ("Credentials expire soon", "Rotate the key.");
        Issue::new(id, Some(of), "example_issue", texts, when).expect("an issue")
    }

    #[test]
    fn open_issues_are_counted_and_the_newest_named() {
        let mut connections = CustomerTroubles::default();
        assert!(connections.lines(&status()).is_empty());
        connections.issues = (0..7).map(|nth| issue(&format!("i{nth}"))).collect();
        let lines = connections.lines(&status());
        assert_eq!(lines.len(), 1 + NAMED + 1);
        let first = "  tool:a  example_issue  since 2 h  Credentials expire soon";
        assert_eq!((&*lines[1], &*lines[6]), (first, "  and 2 more"));
        let document = connections.in_json(json!({"success": true}));
        assert_eq!(document["issues"][0]["remedy"], "Rotate the key.");
        assert_eq!(document["unreadable_models"], json!([]));
        let none = connections.of(&status(), &["tool:b".to_owned()]);
        assert!(none.lines(&status()).is_empty());
    }
}
