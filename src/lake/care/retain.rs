//! Rows leave `deltas` once nothing needs them, and old days leave `kombo_drift`.
//!
//! A row leaves when it is old, and when a complete snapshot that was begun after it is folded into `current`: then it is
//! in neither what is now nor in what `current` can be made of again. Nothing of an integration leaves while the guard
//! holds something of it back; while the holds cannot be read, nothing leaves at all. It is a delete, as Delta has it: who follows the table as a stream sets `ignoreDeletes`
//! or `skipChangeCommits`.

use std::collections::HashSet;
use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::delta::file::data_files::on_cpu;
use crate::delta::log::{LiveFile, LogState};
use crate::delta::object_key::ObjectKey;
use crate::ids::IntegrationKey;
use crate::lake::care::exchange::{EntryForm, Exchange, exchange};
use crate::lake::care::sift::{Leaving, Sifted, sift};
use crate::lake::care::{Left, TableUpkeep};
use crate::lake::layout::COMMIT_DATE;
use crate::lake::layout::of_day;
use crate::lake::positions::Positions;
use crate::lake::tables::OpenTable;
use crate::lake::txn_name::{TxnName, key_of};
use crate::lake::{Lake, LakeError, Part, SnapshotHistory};
use crate::time::parse_date;
use crate::versions::guard::HoldState;

/// A file is written again when at least one in so many of its rows leaves it.
const WORTH: u64 = 4;

/// Files in one log entry.
const BATCH_FILES: usize = 200;

const MS_PER_DAY: i64 = 86_400_000;

const RETAIN: EntryForm = EntryForm {
    operation: "RETAIN",
    rearranges: false,
};

/// What the logs say of one integration's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Facts {
    /// The earliest observation of the live snapshot.
    since_us: i64,
    /// The last one of it, which names it.
    seen_us: i64,
    /// The snapshot that is folded into `current`.
    snapshot_us: i64,
    /// Every delta up to this observation is, too.
    folded_us: i64,
    /// Something of it is held back, or rows stay that a full fetch lacked.
    is_held: bool,
}

impl Facts {
    fn read(key: &IntegrationKey, snapshots: &LogState, current: &LogState) -> Option<Self> {
        let history = SnapshotHistory::of(key, |app| snapshots.txn(app))?;
        let positions = Positions::of(key, current);
        Some(Self {
            since_us: history.since.as_micros(),
            seen_us: snapshots.txn(&TxnName::Seen.app_id(key))?,
            snapshot_us: positions.snapshot_us?,
            folded_us: positions.folded_us?,
            is_held: positions.held != 0,
        })
    }

    /// Returns the last observation that may leave, of those up to `before_us`; `None` when none may.
    fn until_us(self, before_us: i64) -> Option<i64> {
        let begun_later = self.since_us.saturating_sub(1);
        let is_folded = self.snapshot_us >= self.seen_us && !self.is_held;
        is_folded.then(|| begun_later.min(self.folded_us).min(before_us))
    }
}

/// Works out which rows may leave an endpoint's `deltas`, of those observed before an instant.
///
/// The two logs are read one after the other. A snapshot that is committed in between is not folded yet, so nothing of
/// its integration leaves; one that is folded in between only makes the one that was read look older.
pub(in crate::lake) async fn leaving(
    lake: &Lake,
    endpoint: &Arc<Endpoint>,
    held: &HashSet<IntegrationKey>,
    before_ms: i64,
) -> Result<Leaving, LakeError> {
    let mut leaving = Leaving::default();
    let snapshots = lake.tables().existing(endpoint, Part::Snapshots).await?;
    let current = lake.tables().existing(endpoint, Part::Current).await?;
    let (Some(snapshots), Some(current)) = (snapshots, current) else {
        return Ok(leaving);
    };
    let (snapshots, current) = (snapshots.refreshed().await?, current.refreshed().await?);
    let limit_us = before_ms.saturating_mul(1000);
    for (app, _) in current.txns() {
        let Some(key) = key_of(app).filter(|key| !held.contains(key)) else {
            continue;
        };
        let facts = Facts::read(&key, &snapshots, &current);
        if let Some(until_us) = facts.and_then(|facts| facts.until_us(limit_us)) {
            leaving.add(&key, until_us);
        }
    }
    Ok(leaving)
}

/// Returns the keys of integrations of which something is held back.
pub(in crate::lake) async fn held(lake: &Lake) -> Result<HashSet<IntegrationKey>, LakeError> {
    let holds = lake.holds().await?.into_iter();
    let held = holds.filter(|hold| hold.state == HoldState::Held);
    Ok(held.map(|hold| hold.integration.key()).collect())
}

/// Lets rows leave a table of `deltas`. Files of days that are not over since long are not looked at: no row in them is
/// old, whatever Kombo's clock said when it was observed.
pub(in crate::lake) async fn deltas(
    table: &OpenTable,
    leaving: &Leaving,
    before_ms: i64,
    dry_run: bool,
    done: &mut TableUpkeep,
    failed: &mut Vec<LakeError>,
) -> Result<(), LakeError> {
    let state = table.refreshed().await?;
    let old = table.live(&state).await?.into_iter().filter(|file| {
        let day = day_of(file);
        day.is_some_and(|day| is_before(day, before_ms)) && leaving.touches(file)
    });
    let mut batch = Batch::default();
    for file in old {
        match sifted(table, &file, leaving, dry_run, &mut batch.left).await {
            Ok(exchange) => batch.exchanges.extend(exchange),
            // It stays as it is; rows leave the others.
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

/// Lets whole days leave `kombo_drift`.
pub(in crate::lake) async fn drift(
    table: &OpenTable,
    before_ms: i64,
    dry_run: bool,
    done: &mut TableUpkeep,
) -> Result<(), LakeError> {
    let state = table.refreshed().await?;
    let live = table.live(&state).await?;
    let old = live
        .into_iter()
        .filter(|file| day_of(file).is_some_and(|day| is_before(day, before_ms)));
    let mut batch = Batch::default();
    for file in old {
        let rows = file.num_records.unwrap_or_default();
        batch.left.push(left(table, &file, rows));
        batch.exchanges.push(Exchange {
            inputs: vec![file],
            output: None,
        });
        if batch.exchanges.len() >= BATCH_FILES {
            std::mem::take(&mut batch)
                .commit(table, dry_run, done)
                .await?;
        }
    }
    batch.commit(table, dry_run, done).await
}

/// Exchanges for one log entry, and what leaves with each.
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
    ) -> Result<(), LakeError> {
        if dry_run {
            for left in &self.left {
                done.leave(left);
            }
            done.leaving.extend(self.left);
            return Ok(());
        }
        if self.exchanges.is_empty() {
            return Ok(());
        }
        for at in exchange(table, RETAIN, &self.exchanges, |_| Vec::new()).await? {
            done.leave(&self.left[at]);
        }
        Ok(())
    }
}

/// Sifts one file and tells what leaves it. `None` when it stays.
async fn sifted(
    table: &OpenTable,
    file: &Arc<LiveFile>,
    leaving: &Leaving,
    dry_run: bool,
    told: &mut Vec<Left>,
) -> Result<Option<Exchange>, LakeError> {
    let bytes = table.files.read(&file.path).await?;
    let (leaving, form) = (
        leaving.clone(),
        (!dry_run).then(|| table.files.form.clone()),
    );
    let sifted = on_cpu(move || sift(bytes, &leaving, WORTH, form.as_ref())).await?;
    let (rows, written) = match sifted.map_err(|error| table.files.named(&file.path, error))? {
        Sifted::Stays => return Ok(None),
        Sifted::Empty(rows) => (rows, None),
        Sifted::Smaller(rows, written) => (rows, written),
    };
    let partition = of_day(day_of(file).unwrap_or_default());
    let written = table.files.put(written, partition).await?;
    told.push(left(table, file, rows));
    Ok(Some(Exchange {
        inputs: vec![Arc::clone(file)],
        output: written.map(|written| written.add),
    }))
}

fn left(table: &OpenTable, file: &LiveFile, rows: u64) -> Left {
    Left {
        file: ObjectKey::Listed(table.path(), &file.path).to_string(),
        rows,
        of: file.num_records.unwrap_or(rows),
    }
}

fn day_of(file: &LiveFile) -> Option<i32> {
    let day = file.partition_values.get(COMMIT_DATE)?;
    parse_date(day.as_deref()?)
}

/// Returns whether a day was over at an instant.
fn is_before(day: i32, before_ms: i64) -> bool {
    (i64::from(day) + 1) * MS_PER_DAY <= before_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDED: Facts = Facts {
        since_us: 100,
        seen_us: 120,
        snapshot_us: 120,
        folded_us: 110,
        is_held: false,
    };

    #[test]
    fn what_is_older_than_a_folded_snapshot_may_leave() {
        assert_eq!(FOLDED.until_us(1_000), Some(99), "begun after it");
        assert_eq!(FOLDED.until_us(50), Some(50), "old enough");
        let folding = Facts {
            folded_us: 70,
            ..FOLDED
        };
        assert_eq!(folding.until_us(1_000), Some(70), "folded itself");
    }

    #[test]
    fn nothing_leaves_before_the_live_snapshot_is_folded() {
        let newer = Facts {
            seen_us: 121,
            ..FOLDED
        };
        assert_eq!(newer.until_us(1_000), None);
        let held = Facts {
            is_held: true,
            ..FOLDED
        };
        assert_eq!(held.until_us(1_000), None);
    }

    #[test]
    fn a_day_is_over_when_the_next_one_begins() {
        assert!(!is_before(0, MS_PER_DAY - 1));
        assert!(is_before(0, MS_PER_DAY));
    }
}
