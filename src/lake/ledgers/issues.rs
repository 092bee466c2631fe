//! `kombo_issues`: what Kombo's webhooks say is wrong with the connections to customers. One row per issue, in a
//! [`SmallTable`].
//!
//! Webhooks come twice and in any order: of two states of an issue the later one stays ([`Issue::or_later`]). Whoever has
//! the webhook secret can name new issues without end, so the table is bounded: what is resolved and old leaves first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::customer::Issue;
use crate::delta::small_table::SmallTable;
use crate::ids::IntegrationId;
use crate::lake::LakeError;
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::fields::{text_field, time_field};
use crate::lake::operation::Operation;
use crate::lake::tables::Tables;
use crate::time::Moment;

/// The most issues of one integration, and of the environment.
const MOST_OF_ONE: usize = 200;

/// The most issues of the lake.
const MOST: usize = 10_000;

/// How long a resolved issue stays: as long as rows of `kombo_drift`.
const RESOLVED_FOR: Duration = Duration::from_hours(400 * 24);

/// An issue as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct IssueRow {
    integration_key: Option<String>,
    #[serde(rename = "_integration_id")]
    integration_id: Option<String>,
    issue_id: String,
    #[serde(rename = "type")]
    kind: String,
    title: Option<String>,
    remedy: Option<String>,
    #[serde(rename = "first_seen")]
    first_seen_us: i64,
    #[serde(rename = "resolved_at")]
    resolved_us: Option<i64>,
    #[serde(rename = "updated_at")]
    updated_us: i64,
}

/// Returns every issue, the newest first. Creates nothing.
pub(in crate::lake) async fn read(tables: &Tables) -> Result<Vec<Issue>, LakeError> {
    if !tables.exists(&LakeTable::Issues).await? {
        return Ok(Vec::new());
    }
    let stored: Vec<IssueRow> = open(tables).await?.rows().await?;
    let mut issues: Vec<Issue> = stored
        .into_iter()
        .filter_map(IssueRow::into_issue)
        .collect();
    issues.sort_by_key(|issue| Reverse(issue.first_seen));
    Ok(issues)
}

/// Writes issues, as far as they say something new.
pub(in crate::lake) async fn keep(
    tables: &Tables,
    issues: &[Issue],
    now: Moment,
) -> Result<(), LakeError> {
    let change = |stored: Vec<IssueRow>| settled(stored, issues, now);
    open(tables).await?.rewrite_dropping(change).await?;
    Ok(())
}

async fn open(tables: &Tables) -> Result<SmallTable, LakeError> {
    let schema = schema();
    Ok(SmallTable {
        table: tables.open(&LakeTable::Issues, &schema).await?.table,
        schema,
        key: &["issue_id"],
        operation: Operation::NoteIssue.as_str(),
    })
}

/// Returns the rows to write, and the keys of the rows that leave.
fn settled(
    stored: Vec<IssueRow>,
    issues: &[Issue],
    now: Moment,
) -> (Vec<IssueRow>, Vec<Vec<String>>) {
    let stored = stored.into_iter().filter_map(IssueRow::into_issue);
    let mut known: HashMap<String, Issue> = stored.map(|issue| (issue.id.clone(), issue)).collect();
    let mut changed: BTreeMap<String, Issue> = BTreeMap::new();
    for told in issues {
        let before = known.get(&told.id);
        // An id belongs to the integration that had it first.
        let is_foreign = before.is_some_and(|before| before.integration != told.integration);
        let after = match before {
            Some(_) if is_foreign => continue,
            Some(before) => before.clone().or_later(told.clone()),
            None => told.clone(),
        };
        if before != Some(&after) {
            known.insert(after.id.clone(), after.clone());
            changed.insert(after.id.clone(), after);
        }
    }
    let gone = too_many(known.values(), now);
    changed.retain(|id, _| !gone.contains(id));
    let rows = changed.into_values().map(|issue| IssueRow::of(issue, now));
    (
        rows.collect(),
        gone.into_iter().map(|id| vec![id]).collect(),
    )
}

/// Returns the ids of the issues for which there is no room. Open ones stay longest, and of these the newest.
fn too_many<'a>(known: impl Iterator<Item = &'a Issue>, now: Moment) -> Vec<String> {
    let mut known: Vec<&Issue> = known.collect();
    known.sort_by_key(|issue| {
        let ended = issue.resolved.unwrap_or(issue.first_seen);
        (issue.resolved.is_some(), Reverse(ended), &issue.id)
    });
    let mut of_one: HashMap<Option<&IntegrationId>, usize> = HashMap::new();
    let mut stay = 0;
    let leaves = known.into_iter().filter(|issue| {
        let own = of_one.entry(issue.integration.as_ref()).or_default();
        let is_old = (issue.resolved).is_some_and(|at| now.since(at) > RESOLVED_FOR);
        let leaves = is_old || *own >= MOST_OF_ONE || stay >= MOST;
        if !leaves {
            *own += 1;
            stay += 1;
        }
        leaves
    });
    leaves.map(|issue| issue.id.clone()).collect()
}

impl IssueRow {
    fn of(issue: Issue, now: Moment) -> Self {
        let integration = issue.integration.as_ref();
        Self {
            integration_key: integration.map(|id| id.key().to_string()),
            integration_id: integration.map(ToString::to_string),
            issue_id: issue.id,
            kind: issue.kind,
            title: issue.title,
            remedy: issue.remedy,
            first_seen_us: issue.first_seen.as_micros(),
            resolved_us: issue.resolved.map(Moment::as_micros),
            updated_us: now.as_micros(),
        }
    }

    /// Returns `None` for a row with an integration that this build does not accept.
    fn into_issue(self) -> Option<Issue> {
        let at = |us: i64| Moment::from_millis(us / 1000);
        let integration = match self.integration_id {
            Some(id) => Some(IntegrationId::new(&id).ok()?),
            None => None,
        };
        Some(Issue {
            id: self.issue_id,
            integration,
            kind: self.kind,
            title: self.title,
            remedy: self.remedy,
            first_seen: at(self.first_seen_us),
            resolved: self.resolved_us.map(at),
        })
    }
}

/// Returns the columns of `kombo_issues`.
pub(in crate::lake) fn schema() -> SchemaRef {
    let word = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        word("integration_key"),
        word("_integration_id"),
        text_field("issue_id"),
        text_field("type"),
        word("title"),
        word("remedy"),
        time_field("first_seen", false),
        time_field("resolved_at", true),
        time_field("updated_at", false),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn issue(id: &str, of: Option<&str>, first_ms: i64, resolved_ms: Option<i64>) -> Issue {
        let at = Moment::from_millis;
        let of = of.map(|id| IntegrationId::new(id).expect("an id"));
        let when = (at(first_ms), resolved_ms.map(at));
        Issue::new(id, of, "example_issue", ("title", "remedy"), when).expect("an issue")
    }

    /// Writes issues over rows, and returns the rows then.
    fn after(stored: &[IssueRow], issues: &[Issue], now_ms: i64) -> Vec<IssueRow> {
        let (changed, gone) = settled(stored.to_vec(), issues, Moment::from_millis(now_ms));
        let stays = |row: &&IssueRow| {
            let is_changed = changed.iter().any(|new| new.issue_id == row.issue_id);
            !is_changed && !gone.contains(&vec![row.issue_id.clone()])
        };
        let kept: Vec<_> = stored.iter().filter(stays).cloned().collect();
        kept.into_iter().chain(changed).collect()
    }

    #[test]
    fn an_issue_is_written_once_and_an_id_stays_with_its_integration() {
        let raised = issue("i", Some("tool:a"), 1, None);
        let rows = after(&[], &[raised.clone(), raised.clone()], 10);
        assert_eq!(rows.len(), 1);
        let (changed, gone) = settled(rows.clone(), &[raised], Moment::from_millis(11));
        assert!(changed.is_empty() && gone.is_empty());
        let foreign = issue("i", Some("tool:b"), 5, Some(6));
        let rows = after(&rows, &[foreign], 12);
        assert_eq!((rows.len(), rows[0].resolved_us), (1, None));
        let rows = after(&rows, &[issue("i", Some("tool:a"), 1, Some(7))], 13);
        assert_eq!((rows.len(), rows[0].resolved_us), (1, Some(7_000)));
    }

    #[test]
    fn a_flood_of_one_integration_costs_no_issue_of_another() {
        let other = issue("other", Some("tool:b"), 1, None);
        let mut rows = after(&[], &[other], 10);
        for nth in 0..MOST_OF_ONE + 50 {
            let at_ms = 100 + i64::try_from(nth).expect("few");
            rows = after(
                &rows,
                &[issue(&format!("i{nth}"), Some("tool:a"), at_ms, None)],
                at_ms,
            );
        }
        assert_eq!(rows.len(), MOST_OF_ONE + 1);
        let has = |id: &str| rows.iter().any(|row| row.issue_id == id);
        assert!(has("other") && has("i249") && !has("i49"));
    }

    #[test]
    fn what_is_resolved_leaves_after_400_days_and_what_is_open_stays() {
        let told = [
            issue("done", None, 1, Some(2)),
            issue("open", None, 1, None),
        ];
        let rows = after(&[], &told, 3);
        let rows = after(&rows, &[issue("new", None, 1, None)], 401 * DAY_MS);
        let mut ids: Vec<_> = rows.iter().map(|row| row.issue_id.as_str()).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["new", "open"]);
    }
}
