//! Applies retention: removes rows from `deltas` that are no longer needed, old rows from `kombo_quarantine`, and old
//! days from `kombo_drift`.
//!
//! A row of `deltas` is removed when it is older than the retention and a complete snapshot, begun after the row's
//! observation, is folded into `current`. Such a row is neither part of the present nor needed to rebuild `current`.
//! Nothing of an integration is removed while the guard holds something of the integration. While the holds cannot be
//! read, nothing is removed at all. The removal is a Delta delete: a reader that follows the table as a stream sets
//! `ignoreDeletes` or `skipChangeCommits`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::Endpoint;
use crate::delta::delta_error::DeltaError;
use crate::delta::exchange::{BATCH_FILES, Exchange};
use crate::delta::log::LogState;
use crate::delta::object_key::{ObjectKey, Partition};
use crate::ids::IntegrationKey;
use crate::lake::care::leaving::Leaving;
use crate::lake::care::upkeep_report::{Left, TableUpkeep};
use crate::lake::layout::day_of;
use crate::lake::ledgers::holds;
use crate::lake::operation::Operation;
use crate::lake::positions::Positions;
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::txn_name::{TxnName, keys_in};
use crate::lake::{LakeError, Part, SnapshotHistory};
use crate::time::Moment;
use crate::versions::guard::HoldState;

/// A file is rewritten when at least one in this many of its rows is removed.
const WORTH: u64 = 4;

/// A file that is older than its retention by this much is rewritten for a single row: the file grace later, no byte
/// of the row is left.
const LATE: Duration = Duration::from_hours(7 * 24);

const MS_PER_DAY: i64 = 86_400_000;

/// How far one integration's table is folded, by the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FoldedSoFar {
    /// Earliest observation of the live snapshot.
    since_us: i64,
    /// Last observation of the live snapshot, which identifies it.
    seen_us: i64,
    /// Last observation of the snapshot that is folded into `current`.
    snapshot_us: i64,
    /// All deltas up to this observation are folded.
    folded_us: i64,
    /// Something of the table is held, or rows are kept that a full fetch lacked.
    is_held: bool,
}

impl FoldedSoFar {
    fn read(key: &IntegrationKey, snapshots: &LogState, current: &LogState) -> Option<Self> {
        let facts = SnapshotHistory::of(key, |app| snapshots.txn(app))?;
        let positions = Positions::of(key, current);
        Some(Self {
            since_us: facts.since.as_micros(),
            seen_us: snapshots.txn(&TxnName::Seen.app_id(key))?,
            snapshot_us: positions.snapshot_us?,
            folded_us: positions.folded_us?,
            is_held: positions.held != 0,
        })
    }

    /// Returns the last observation that may be removed, at most `before_us`; `None` when nothing may be removed.
    fn until_us(self, before_us: i64) -> Option<i64> {
        let begun_later = self.since_us.saturating_sub(1);
        let is_folded = self.snapshot_us >= self.seen_us && !self.is_held;
        is_folded.then(|| begun_later.min(self.folded_us).min(before_us))
    }
}

/// Selects the rows of an endpoint's `deltas`, observed before an instant, that may be removed.
///
/// The logs of `snapshots` and `current` are read one after the other. If a snapshot is committed in between, it is not
/// folded yet, so nothing of its integration is removed. If a snapshot is folded in between, the snapshot that was read
/// looks older, which removes fewer rows.
pub(super) async fn leaving(
    tables: &Tables,
    endpoint: &Arc<Endpoint>,
    held: &HashSet<IntegrationKey>,
    before: Moment,
) -> Result<Leaving, LakeError> {
    let mut leaving = Leaving::default();
    let snapshots = tables.newest(endpoint, Part::Snapshots).await?;
    let current = tables.newest(endpoint, Part::Current).await?;
    let (Some((_, snapshots)), Some((_, current))) = (snapshots, current) else {
        return Ok(leaving);
    };
    let limit_us = before.as_millis().saturating_mul(1000);
    for key in keys_in(&current).filter(|key| !held.contains(key)) {
        let facts = FoldedSoFar::read(&key, &snapshots, &current);
        if let Some(until_us) = facts.and_then(|facts| facts.until_us(limit_us)) {
            leaving.add(&key, until_us);
        }
    }
    Ok(leaving)
}

/// Returns the keys of integrations with something held.
pub(super) async fn held(tables: &Tables) -> Result<HashSet<IntegrationKey>, LakeError> {
    let holds = holds::read(tables).await?.into_iter();
    let held = holds.filter(|hold| hold.state == HoldState::Held);
    Ok(held.map(|hold| hold.integration.key()).collect())
}

/// Removes expired rows from a table: the rows of `leaving`, or complete days when `leaving` is `None`. Skips files of
/// days that ended after `before`: no row in them is old, whatever Kombo's clock said at the observation. The files of
/// the quarantine are of no day; `leaving` alone decides about them.
pub(super) async fn let_go(
    table: &OpenTable,
    before: Moment,
    leaving: Option<&Leaving>,
    dry_run: bool,
    done: &mut TableUpkeep,
    failed: &mut Vec<DeltaError>,
) -> Result<(), DeltaError> {
    let state = table.refreshed().await?;
    let mut batch = Batch::default();
    for file in table.live(&state).await? {
        let day = day_of(&file);
        let is_young = day.is_some_and(|day| !is_before(day, before));
        if is_young || day.is_none() && file.partition() != Partition::Whole {
            continue;
        }
        let is_late = day.is_none_or(|day| is_before(day, before - LATE));
        let worth = if is_late { u64::MAX } else { WORTH };
        let inputs = vec![Arc::clone(&file)];
        let output = None;
        let gone = match leaving {
            None => Ok(Some((
                file.num_records.unwrap_or_default(),
                Exchange { inputs, output },
            ))),
            Some(leaving) if !leaving.touches(&file) => Ok(None),
            Some(leaving) => table.sifted(&file, leaving.sifting(worth), dry_run).await,
        };
        match gone {
            Ok(Some((rows, exchange))) => {
                batch.left.push(Left {
                    file: ObjectKey::Listed(table.path(), &file.path).to_string(),
                    rows,
                    of: file.num_records.unwrap_or(rows),
                });
                batch.exchanges.push(exchange);
            }
            Ok(None) => {}
            // The damaged file is unchanged; rows are removed from the other files.
            Err(error) if error.is_damage() => failed.push(error),
            Err(error) => return Err(error),
        }
        if batch.exchanges.len() >= BATCH_FILES {
            std::mem::take(&mut batch)
                .commit(table, dry_run, done)
                .await?;
        }
    }
    batch.commit(table, dry_run, done).await
}

/// Exchanges for one log entry, and the rows that each removes.
#[derive(Default)]
struct Batch {
    exchanges: Vec<Exchange>,
    left: Vec<Left>,
}

impl Batch {
    async fn commit(
        self,
        table: &OpenTable,
        dry_run: bool,
        done: &mut TableUpkeep,
    ) -> Result<(), DeltaError> {
        if dry_run {
            self.left.iter().for_each(|left| done.leave(left));
            done.leaving.extend(self.left);
        } else if !self.exchanges.is_empty() {
            let operation = Operation::Retain.as_str();
            let stood = table.exchange(operation, &self.exchanges, |_| Vec::new());
            for at in stood.await? {
                done.leave(&self.left[at]);
            }
        }
        Ok(())
    }
}

/// Returns whether a day was over at an instant.
fn is_before(day: i32, instant: Moment) -> bool {
    (i64::from(day) + 1) * MS_PER_DAY <= instant.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDED: FoldedSoFar = FoldedSoFar {
        since_us: 100,
        seen_us: 120,
        snapshot_us: 120,
        folded_us: 110,
        is_held: false,
    };

    #[test]
    fn what_is_older_than_a_folded_snapshot_may_leave() {
        assert_eq!(
            FOLDED.until_us(1_000),
            Some(99),
            "the snapshot began after it"
        );
        assert_eq!(FOLDED.until_us(50), Some(50), "old enough");
        let folding = FoldedSoFar {
            folded_us: 70,
            ..FOLDED
        };
        assert_eq!(folding.until_us(1_000), Some(70), "only folded rows");
    }

    #[test]
    fn nothing_leaves_before_the_live_snapshot_is_folded() {
        let newer = FoldedSoFar {
            seen_us: 121,
            ..FOLDED
        };
        assert_eq!(newer.until_us(1_000), None);
        let held = FoldedSoFar {
            is_held: true,
            ..FOLDED
        };
        assert_eq!(held.until_us(1_000), None);
    }

    #[test]
    fn a_day_is_over_when_the_next_one_begins() {
        assert!(!is_before(0, Moment::from_millis(MS_PER_DAY - 1)));
        assert!(is_before(0, Moment::from_millis(MS_PER_DAY)));
    }
}
