//! The end of the live demo: the changes are merged into `current`, and a query finds the record that was added.

use super::super::fold_run::fold;
use super::super::queries::current_row;
use super::lines::query_lines;
use super::live::Live;
use super::story::{Story, TrackedChange};
use crate::company::ChangeKind;
use crate::lake::Lake;
use crate::words::{counted, seconds};

/// Merges the changes into `current`, as the service does from time to time. Returns whether all were merged, and what
/// to say of it.
pub(super) async fn folded(live: &Live, lake: &Lake, story: &Story) -> (bool, String) {
    let session = &live.stage.session;
    let settings = session.config.sink.lake.fold.at_full_speed();
    let folded = fold(lake, &session.endpoints, None, &settings, None, true).await;
    let (mut changed, mut removed) = (0, 0);
    for (_, table) in folded.tables() {
        changed += table.changed;
        removed += table.removed;
    }
    let mut lines = vec![format!(
        "\nThe changes are merged into `current`: {} written, {removed} removed, {}.",
        counted(changed, "row"),
        seconds(folded.elapsed)
    )];
    lines.extend(folded.troubles());
    if let Some((what, query)) = added(live, story) {
        let query = query_lines(&query);
        lines.push(format!("{what} is in `current` now:\n{query}"));
    }
    (folded.is_success(), lines.join("\n") + "\n")
}

/// Returns the last record that was added, and the query that finds it in `current`.
fn added(live: &Live, story: &Story) -> Option<(&'static str, String)> {
    let mut all = story
        .visible()
        .filter(|told| told.change.kind == ChangeKind::Hire);
    let is_person = |told: &TrackedChange| {
        told.row()
            .is_some_and(|(table, _)| table.endpoint.as_str() == "hris/employees")
    };
    let last = all.clone().last();
    let told = all.find(|told| is_person(told)).or(last)?;
    let (table, id) = told.row()?;
    let what = if is_person(told) {
        "The person who was hired"
    } else {
        "The record that was added"
    };
    let lake = live.folder.display().to_string();
    Some((what, current_row(&lake, &table.endpoint.table_name(), id)))
}
