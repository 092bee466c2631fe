//! Tables that are folded together: one pass over the deltas that wait for them, one log entry.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::Schema;
use tracing::debug;

use super::hold::{Guarded, guarded};
use super::pace::Pace;
use super::plan::Plan;
use super::porter::{Porter, with_porter};
use super::positions::Positions;
use super::report::{FoldReport, FoldSettings, FoldedTable};
use super::sequence::FileRef;
use super::table::{Folded, Order, Shelves};
use super::task::Columns;
use super::work::GroupWork;
use crate::catalog::Endpoint;
use crate::lake::committer::Committer;
use crate::lake::conform::union;
use crate::lake::data_files::DataFiles;
use crate::lake::drift::Compared;
use crate::lake::log::{CommitOutcome, Entry, LiveFile, LogState, RemoveFile};
use crate::lake::{Hold, Lake, LakeError};
use crate::time::ObservedAt;

/// The tables of one endpoint, opened for a fold.
pub(super) struct FoldTables {
    deltas: Option<Arc<DataFiles>>,
    current: Arc<Committer>,
    shelves: Arc<Shelves>,
}

/// One table that is about to be folded.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) order: Order,
}

/// One table that is folded and not visible.
struct Member {
    plan: Plan,
    folded: Folded,
    guarded: Guarded,
}

impl Planned {
    /// Returns about how many rows are read for it.
    pub(super) fn rows(&self) -> u64 {
        let current = self.order.files.iter().filter_map(|file| file.num_records);
        let snapshot = self.order.snapshot.iter().flat_map(|(files, _)| files);
        current.sum::<u64>() + snapshot.map(|file| file.rows).sum::<u64>()
    }
}

impl FoldTables {
    /// Puts together what a fold needs: the committers of `snapshots`, `deltas` and `current`, and their schemas.
    pub(super) fn new<'a>(
        endpoint: &Endpoint,
        (snapshots, deltas, current): (
            Option<Arc<Committer>>,
            Option<Arc<Committer>>,
            Arc<Committer>,
        ),
        schemas: impl Iterator<Item = &'a Schema>,
        file_bytes: usize,
    ) -> Result<Self, LakeError> {
        let ours = endpoint.schema();
        let without_day: Vec<Schema> = schemas.map(without_day).collect();
        let schema = union(&ours, &without_day)?;
        let files = |table: &Arc<Committer>| Arc::new(table.files.clone());
        Ok(Self {
            deltas: deltas.as_ref().map(files),
            shelves: Arc::new(Shelves {
                snapshots: snapshots.as_ref().map(files),
                current: files(&current),
                columns: Columns::of(&schema),
                file_bytes,
            }),
            current,
        })
    }

    pub(super) fn deltas(&self) -> Option<&Arc<DataFiles>> {
        self.deltas.as_ref()
    }

    /// Says what is to be done with one table, that has these files.
    pub(super) fn planned(
        plan: Plan,
        snapshot: &[Arc<LiveFile>],
        current: Vec<Arc<LiveFile>>,
    ) -> Planned {
        let snapshot = plan.since_us.map(|since| {
            let files = snapshot.iter().map(|file| FileRef::from(&**file));
            (files.collect(), since)
        });
        let (files, dropped) = if plan.is_rebuilt {
            (Vec::new(), current)
        } else {
            (current, Vec::new())
        };
        let order = Order {
            key: plan.key.clone(),
            snapshot,
            compared: plan.compared,
            wanted: plan.wanted(),
            files,
            dropped,
            withheld: plan.withheld(),
            is_held: plan.is_held(),
            looks: plan.looks,
            gone_today: plan.gone_today(),
            accepted_us: plan.accepted_us(),
            drops_unconfirmed: plan.drops_unconfirmed(),
        };
        Planned { plan, order }
    }

    /// Folds a group and makes it visible.
    pub(super) async fn fold(
        &self,
        lake: &Lake,
        endpoint: &Arc<Endpoint>,
        group: Vec<Planned>,
        live: Arc<[Arc<LiveFile>]>,
        settings: &FoldSettings,
        report: &mut FoldReport,
    ) -> Result<(), LakeError> {
        let (deltas, shelves) = (self.deltas.clone(), Arc::clone(&self.shelves));
        let settings = *settings;
        let work = move |porter: &Porter| {
            let work = GroupWork {
                porter,
                deltas: deltas.as_ref(),
                shelves: &shelves,
                live,
                settings,
                pace: Pace::new(settings.cpu_percent),
            };
            work.run(group)
        };
        let folded = with_porter(work).await??;
        let now_us = lake.inner.clock.wall_ms().saturating_mul(1_000);
        let second_look = lake.settings().second_look;
        let members: Vec<Member> = folded
            .into_iter()
            .map(|(plan, folded)| {
                let held = plan.hold.as_ref().map(|hold| &hold.integration);
                let integration = folded.integration.as_ref().or(held);
                let table = (integration, endpoint.name());
                let guarded = guarded(&plan, &folded, table, (now_us, second_look));
                Member {
                    plan,
                    folded,
                    guarded,
                }
            })
            .collect();
        self.publish(lake, endpoint, members, report).await
    }

    /// In this order: what a snapshot found, which is said once, whoever says it; which rows go because a person said so,
    /// for those who follow `deltas`; what is held, before any reader could see the rows it is about; the fold itself; what
    /// is held no longer.
    async fn publish(
        &self,
        lake: &Lake,
        endpoint: &Arc<Endpoint>,
        mut members: Vec<Member>,
        report: &mut FoldReport,
    ) -> Result<(), LakeError> {
        let drift = self.commit_drift(lake, endpoint, &mut members).await?;
        for member in &members {
            if let (Some(integration), [_, ..]) =
                (&member.folded.integration, &member.folded.tally.dropped[..])
            {
                let ids = &member.folded.tally.dropped;
                lake.commit_absent(endpoint, integration, ids).await?;
            }
        }
        let before: Vec<Hold> = holds(&members, |guarded| guarded.before.as_ref());
        if !before.is_empty() {
            lake.put_holds(&before).await?;
        }
        let number = members.len();
        let visible = self.commit(members).await?;
        report.overtaken += (number - visible.len()) as u64;
        for member in &visible {
            lake.inner.waiting.folded(endpoint.name(), &member.plan.key);
        }
        // Whatever fails from here on: what is visible is told.
        let tables = visible.iter().map(|member| {
            let found = drift.get(member.plan.key.as_str());
            told(member, found.cloned().unwrap_or_default())
        });
        report.tables.extend(tables);
        let after: Vec<Hold> = holds(&visible, |guarded| guarded.after.as_ref());
        if !after.is_empty() {
            // A hold whose end is not written down ends with the next fold.
            lake.put_holds(&after).await?;
        }
        Ok(())
    }

    async fn commit_drift(
        &self,
        lake: &Lake,
        endpoint: &Endpoint,
        members: &mut [Member],
    ) -> Result<HashMap<String, DriftCounts>, LakeError> {
        let (mut compared, mut counts) = (Vec::new(), HashMap::new());
        for member in members {
            let snapshot = member.plan.offered.snapshot_us;
            let (Some(integration), Some(_), Some(snapshot)) =
                (&member.folded.integration, member.plan.compared, snapshot)
            else {
                continue;
            };
            let rows = std::mem::take(&mut member.folded.tally.drift);
            let fetch_id = member.folded.fetch_id.clone().unwrap_or_default();
            counts.insert(member.plan.key.to_string(), count(&rows));
            let drifted = rows.len() as u64;
            let file = lake.stage_drift(integration, endpoint.name(), &fetch_id, rows);
            compared.push(Compared {
                integration: integration.clone(),
                endpoint: endpoint.name().clone(),
                snapshot: ObservedAt::from_micros(snapshot),
                rows: member.folded.tally.compared,
                drifted,
                files: file.await?.into_iter().collect(),
            });
        }
        lake.commit_drift(compared).await?;
        Ok(counts)
    }

    /// Puts one entry for all. Tables that another fold was faster with are left out: their files are named by nothing.
    async fn commit(&self, mut members: Vec<Member>) -> Result<Vec<Member>, LakeError> {
        let table = &self.current;
        let mut state = table.refreshed().await?;
        loop {
            let live = table.live(&state).await?;
            let live: HashSet<&str> = live.iter().map(|file| file.path.as_str()).collect();
            members.retain(|member| is_valid(member, &state, &live));
            if members.is_empty() {
                return Ok(members);
            }
            match table.log.commit(&state, entry(&members)).await {
                Ok(CommitOutcome::Committed { version }) => {
                    debug!(table = %table.files.table, version, tables = members.len(), "folded");
                    return Ok(members);
                }
                Ok(CommitOutcome::Lost { state: newer }) => state = newer,
                Err(error) => return Err(table.log_error(error)),
            }
        }
    }
}

/// How many rows drifted, by kind and cause.
type DriftCounts = Vec<(
    crate::fold::drift::DriftKind,
    crate::fold::drift::DriftCause,
    u64,
)>;

/// Nobody has folded the table since it was planned, and the files it replaces are still there.
fn is_valid(member: &Member, state: &LogState, live: &HashSet<&str>) -> bool {
    let replaced = &member.folded.replaced;
    Positions::of(&member.plan.key, state) == member.plan.positions
        && replaced
            .iter()
            .all(|file| live.contains(file.path.as_str()))
}

fn entry(members: &[Member]) -> Entry {
    let mut entry = Entry {
        operation: "FOLD",
        ..Entry::default()
    };
    for member in members {
        let Folded {
            written,
            replaced,
            rows,
            ..
        } = &member.folded;
        entry
            .adds
            .extend(written.iter().map(|file| file.add.clone()));
        let removes = replaced.iter().map(|file| RemoveFile::from(&**file));
        entry.removes.extend(removes);
        let then = member.plan.then(&member.guarded.state, *rows);
        entry.txns.extend(then.txns(&member.plan.key));
    }
    entry
}

fn holds(members: &[Member], of: impl Fn(&Guarded) -> Option<&Hold>) -> Vec<Hold> {
    members
        .iter()
        .filter_map(|member| of(&member.guarded).cloned())
        .collect()
}

fn told(member: &Member, drift: DriftCounts) -> FoldedTable {
    let Member {
        plan,
        folded,
        guarded,
    } = member;
    FoldedTable {
        key: plan.key.clone(),
        snapshot: plan.since_us.is_some(),
        rows: folded.rows,
        changed: folded.tally.changed,
        removed: folded.tally.removed,
        held: folded.tally.held,
        files: folded.written.len() as u64,
        bytes: folded.written.iter().map(|file| file.add.size).sum(),
        compared: folded.tally.compared,
        drift,
        hold: guarded.before.clone(),
        released: guarded.released.clone(),
    }
}

fn count(rows: &[crate::lake::DriftRow]) -> DriftCounts {
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

fn without_day(schema: &Schema) -> Schema {
    let day = crate::lake::layout::Partition::COMMIT_DATE;
    let kept = schema.fields().iter().filter(|field| field.name() != day);
    Schema::new(kept.cloned().collect::<Vec<_>>())
}
