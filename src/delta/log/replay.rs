//! Which actions a replay of a log reads, and what it keeps of them.

use crate::delta::log::action::{LogLine, Remove};
use crate::delta::log::live_file::BoundedColumns;
use crate::delta::log::live_files::LiveFiles;
use crate::delta::log::txn_map::TxnMap;

/// The actions of a log that a replay reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    /// All state except the files.
    State,
    /// The live files, with the bounds of these columns.
    Files(BoundedColumns),
    /// The files removed recently, for as long as `delta.deletedFileRetentionDuration` says.
    Removed,
}

impl Replay {
    /// Returns the columns of a checkpoint that hold the actions.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::State => &["protocol", "metaData", "txn"],
            Self::Files(_) => &["add"],
            Self::Removed => &["remove"],
        }
    }
}

/// The actions in force at a version, as far as a replay reads them. They are collected one by one, because a log may
/// have a million transactions and files.
#[derive(Default)]
pub(super) struct InForce {
    /// The protocol and the metadata, in the order in which they apply.
    pub(super) lines: Vec<LogLine>,
    /// The transactions.
    pub(super) txns: TxnMap,
    /// The live files.
    pub(super) live: LiveFiles,
    /// The files removed recently.
    pub(super) removed: Vec<Remove>,
}

impl InForce {
    /// Applies an action of the log. A file that an entry removes is not live, whatever a checkpoint says.
    pub(super) fn apply(&mut self, line: LogLine, what: Replay) {
        match what {
            Replay::State => {
                if let Some(txn) = &line.txn {
                    self.txns.set(&txn.app_id, txn.version);
                } else if line.protocol.is_some() || line.meta_data.is_some() {
                    self.lines.push(line);
                }
            }
            Replay::Files(bounded) => self.live.follow(line.remove, line.add, bounded),
            Replay::Removed => self.removed.extend(line.remove.map(|file| *file)),
        }
    }
}
