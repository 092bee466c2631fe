//! Which actions a replay of a log reads.

use crate::delta::log::action::LogLine;

/// The actions of a log that a replay reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    /// All state except the files.
    State,
    /// The live files.
    Files,
    /// The files removed recently, for as long as `delta.deletedFileRetentionDuration` says.
    Removed,
}

impl Replay {
    /// Returns the columns of a checkpoint that hold the actions.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::State => &["protocol", "metaData", "txn"],
            Self::Files => &["add"],
            Self::Removed => &["remove"],
        }
    }

    /// Returns the actions of an entry that count. A file that an entry removes is not live, whatever a checkpoint
    /// says.
    pub(super) fn of(self, entry: Vec<LogLine>) -> Vec<LogLine> {
        let kept = entry.into_iter().map(|line| match self {
            Self::State => LogLine {
                protocol: line.protocol,
                meta_data: line.meta_data,
                txn: line.txn,
                ..LogLine::default()
            },
            Self::Files => LogLine {
                add: line.add,
                remove: line.remove,
                ..LogLine::default()
            },
            Self::Removed => LogLine {
                remove: line.remove,
                ..LogLine::default()
            },
        });
        kept.filter(|line| !line.is_empty()).collect()
    }
}
