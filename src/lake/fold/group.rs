//! Tables that are folded together: one pass over the deltas that wait for them, one log entry.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::Schema;
use tracing::debug;

use crate::catalog::Endpoint;
use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::DataFiles;
use crate::delta::log::{Entry, LiveFile, LogState, RemoveFile};
use crate::delta::transact::Proposal;
use crate::ids::IntegrationKey;
use crate::lake::conform::union;
use crate::lake::fold::hold::{Guarded, guarded};
use crate::lake::fold::pace::Pace;
use crate::lake::fold::plan::Plan;
use crate::lake::fold::porter::{Porter, with_porter};
use crate::lake::fold::positions::Positions;
use crate::lake::fold::report::{FoldReport, FoldedTable};
use crate::lake::fold::said::{self, DriftCounts};
use crate::lake::fold::sequence::FileRef;
use crate::lake::fold::settings::FoldSettings;
use crate::lake::fold::table::{Folded, Order, Shelves};
use crate::lake::fold::task::Columns;
use crate::lake::fold::work::GroupWork;
use crate::lake::set_aside::all_aside;
use crate::lake::tables::OpenTable;
use crate::lake::{Lake, LakeError};

/// The tables of one endpoint, opened for a fold.
pub(super) struct FoldTables {
    deltas: Option<Arc<DataFiles>>,
    current: OpenTable,
    shelves: Arc<Shelves>,
}

/// One table that is about to be folded.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) order: Order,
}

/// One table that is folded and not visible.
pub(super) struct Member {
    pub(super) plan: Plan,
    pub(super) folded: Folded,
    pub(super) guarded: Guarded,
}

impl Member {
    /// Returns whose it is.
    pub(super) fn key(&self) -> IntegrationKey {
        self.plan.key.clone()
    }
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
        (snapshots, deltas, current): (Option<OpenTable>, Option<OpenTable>, OpenTable),
        schemas: impl Iterator<Item = &'a Schema>,
        file_bytes: usize,
    ) -> Result<Self, LakeError> {
        let ours = endpoint.schema();
        let without_day: Vec<Schema> = schemas.map(without_day).collect();
        let schema = union(&ours, &without_day)?;
        let files = |table: &OpenTable| Arc::new(table.files.clone());
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

    /// Folds a group and makes it visible. What cannot be folded of it is set aside in the report; fails only when the fold was
    /// given up from outside.
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
        report.aside.extend(folded.aside);
        let now_us = lake.tables().wall_ms().saturating_mul(1_000);
        let second_look = lake.settings().guard.second_look;
        let members: Vec<Member> = folded
            .going
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
        self.publish(lake, endpoint, members, report).await;
        Ok(())
    }

    /// In this order: what a snapshot found, which is said once, whoever says it; which rows go because a person said so,
    /// for those who follow `deltas`; what is held, before any reader could see the rows it is about; the fold itself; what
    /// is held no longer.
    async fn publish(
        &self,
        lake: &Lake,
        endpoint: &Arc<Endpoint>,
        members: Vec<Member>,
        report: &mut FoldReport,
    ) {
        let (members, drift) = said::drift(lake, endpoint, members, report).await;
        let members = said::absent(lake, endpoint, members, report).await;
        let members = said::held(lake, members, report).await;
        let keys: Vec<IntegrationKey> = members.iter().map(Member::key).collect();
        let visible = match self.commit(members).await {
            Ok(visible) => visible,
            Err(error) => return report.aside.extend(all_aside(keys, &error)),
        };
        report.overtaken += (keys.len() - visible.len()) as u64;
        for member in &visible {
            lake.inner.waiting.folded(endpoint.name(), &member.plan.key);
        }
        // Whatever fails from here on: what is visible is told.
        let tables = visible.iter().map(|member| {
            let found = drift.get(member.plan.key.as_str());
            told(member, found.cloned().unwrap_or_default())
        });
        report.tables.extend(tables);
        said::ended(lake, &visible, report).await;
    }

    /// Puts one entry for all. Tables that another fold was faster with are left out: their files are named by nothing.
    async fn commit(&self, members: Vec<Member>) -> Result<Vec<Member>, LakeError> {
        let table = &self.current;
        let state = table.refreshed().await?;
        let mut folds = Folds { table, members };
        let version = table.transact(state, &mut folds).await?;
        if let Some(version) = version {
            let tables = folds.members.len();
            debug!(table = %table.path(), version, tables, "folded");
        }
        Ok(folds.members)
    }
}

/// Folds of tables, as far as nobody was faster.
struct Folds<'a> {
    table: &'a OpenTable,
    members: Vec<Member>,
}

impl Proposal for Folds<'_> {
    async fn entry(&mut self, state: Arc<LogState>) -> Result<Option<Entry>, DeltaError> {
        let live = self.table.live(&state).await?;
        let live: HashSet<&str> = live.iter().map(|file| file.path.as_str()).collect();
        self.members
            .retain(|member| is_valid(member, &state, &live));
        Ok((!self.members.is_empty()).then(|| entry(&self.members)))
    }
}

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

fn without_day(schema: &Schema) -> Schema {
    let day = crate::lake::layout::COMMIT_DATE;
    let kept = schema.fields().iter().filter(|field| field.name() != day);
    Schema::new(kept.cloned().collect::<Vec<_>>())
}
