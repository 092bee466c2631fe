//! What is said before a fold is visible, each thing in its own table: of whom one cannot be said, that table is set aside
//! and folded another time; the others go on.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::ids::IntegrationKey;
use crate::lake::fold::group::Member;
use crate::lake::fold::report::FoldReport;
use crate::lake::ledgers::drift::Compared;
use crate::lake::set_aside::all_aside;
use crate::lake::{DriftRow, Hold, Lake, LakeError, Members};
use crate::time::ObservedAt;
use crate::versions::drift::{DriftCause, DriftKind};

/// How many rows drifted, by kind and cause.
pub(super) type DriftCounts = Vec<(DriftKind, DriftCause, u64)>;

/// How many rows drifted of each table that was compared.
pub(super) type DriftByTable = HashMap<String, DriftCounts>;

/// Writes down what new snapshots found. A table whose comparison cannot be written down is not folded: it is compared
/// once, against a `current` that the fold replaces.
pub(super) async fn drift(
    lake: &Lake,
    endpoint: &Endpoint,
    members: Vec<Member>,
    report: &mut FoldReport,
) -> (Vec<Member>, DriftByTable) {
    let mut counts = HashMap::new();
    let mut staged: Members<(Member, Option<Compared>), IntegrationKey> = Members::default();
    for mut member in members {
        let rows = std::mem::take(&mut member.folded.tally.drift);
        let key = member.key();
        let compared = compared(lake, endpoint, &member, rows, &mut counts).await;
        staged.add(key, compared.map(|compared| (member, compared)));
    }
    report.aside.extend(staged.aside);
    let all = staged.going.iter();
    let all = all.filter_map(|(_, compared)| compared.clone()).collect();
    let said = lake.commit_drift(all).await;
    let needs_it = |(_, compared): &(Member, Option<Compared>)| compared.is_some();
    let going = unless_failed(
        staged.going,
        needs_it,
        |(member, _)| member.key(),
        said,
        report,
    );
    let members = going.into_iter().map(|(member, _)| member);
    (members.collect(), counts)
}

/// Writes to `deltas` which rows go because a person said so.
pub(super) async fn absent(
    lake: &Lake,
    endpoint: &Arc<Endpoint>,
    members: Vec<Member>,
    report: &mut FoldReport,
) -> Vec<Member> {
    let mut going: Members<Member, IntegrationKey> = Members::default();
    for member in members {
        let ids = &member.folded.tally.dropped;
        let said = match (&member.folded.integration, &ids[..]) {
            (Some(integration), [_, ..]) => lake.commit_absent(endpoint, integration, ids).await,
            _ => Ok(()),
        };
        going.add(member.key(), said.map(|()| member));
    }
    report.aside.extend(going.aside);
    going.going
}

/// Writes down what is held from now on.
pub(super) async fn held(
    lake: &Lake,
    members: Vec<Member>,
    report: &mut FoldReport,
) -> Vec<Member> {
    let begun = |member: &Member| member.guarded.before.clone();
    let before: Vec<Hold> = members.iter().filter_map(begun).collect();
    if before.is_empty() {
        return members;
    }
    let said = lake.put_holds(&before).await.map(|_| ());
    let needs_it = |member: &Member| begun(member).is_some();
    unless_failed(members, needs_it, Member::key, said, report)
}

/// Writes down what is held no longer. That it failed changes nothing: the fold itself says so, too, and the table's next
/// one writes it down.
pub(super) async fn ended(lake: &Lake, members: &[Member], report: &mut FoldReport) {
    let ended = |member: &&Member| member.guarded.after.is_some();
    let ended = members.iter().filter(ended);
    let after: Vec<Hold> = ended
        .clone()
        .filter_map(|member| member.guarded.after.clone())
        .collect();
    if after.is_empty() {
        return;
    }
    if let Err(error) = lake.put_holds(&after).await {
        report
            .aside
            .extend(all_aside(ended.map(Member::key), &error));
    }
}

/// Sets those aside that needed what failed.
fn unless_failed<T>(
    members: Vec<T>,
    needs_it: impl Fn(&T) -> bool,
    key: impl Fn(&T) -> IntegrationKey,
    said: Result<(), LakeError>,
    report: &mut FoldReport,
) -> Vec<T> {
    let Err(error) = said else {
        return members;
    };
    let (aside, going): (Vec<T>, Vec<T>) = members.into_iter().partition(needs_it);
    report
        .aside
        .extend(all_aside(aside.iter().map(key), &error));
    going
}

/// Puts the rows of a comparison in a file that nobody sees yet; `None` for a table that is not compared.
async fn compared(
    lake: &Lake,
    endpoint: &Endpoint,
    member: &Member,
    rows: Vec<DriftRow>,
    counts: &mut DriftByTable,
) -> Result<Option<Compared>, LakeError> {
    let (plan, folded) = (&member.plan, &member.folded);
    let (Some(integration), Some(_), Some(snapshot)) =
        (&folded.integration, plan.compared, plan.offered.snapshot_us)
    else {
        return Ok(None);
    };
    let fetch_id = folded.fetch_id.clone().unwrap_or_default();
    counts.insert(plan.key.to_string(), count(&rows));
    let drifted = rows.len() as u64;
    let file = lake.stage_drift(integration, endpoint.name(), &fetch_id, rows);
    Ok(Some(Compared {
        integration: integration.clone(),
        endpoint: endpoint.name().clone(),
        snapshot: ObservedAt::from_micros(snapshot),
        rows: folded.tally.compared,
        drifted,
        files: file.await?.into_iter().collect(),
    }))
}

fn count(rows: &[DriftRow]) -> DriftCounts {
    let mut kinds: BTreeSet<_> = BTreeSet::new();
    kinds.extend(rows.iter().map(|row| (row.kind, row.cause)));
    let number = |kind, cause| {
        let same = rows
            .iter()
            .filter(|row| (row.kind, row.cause) == (kind, cause));
        same.count() as u64
    };
    let counted = kinds
        .into_iter()
        .map(|(kind, cause)| (kind, cause, number(kind, cause)));
    counted.collect()
}
