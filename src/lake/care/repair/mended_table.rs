//! What a repair did, or would do, with one damaged table.

use crate::lake::care::repair::surveyed_table::SurveyedTable;
use crate::lake::layout::LakeTable;
use crate::words::counted;

/// A damaged table, and its repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MendedTable {
    /// The table's folder.
    pub table: String,
    /// What is damaged, with the file.
    pub damage: Vec<String>,
    /// What the repair does.
    pub does: String,
    /// What cannot be brought back.
    pub lost: String,
}

impl MendedTable {
    /// Describes the repair of a damaged table.
    pub(super) fn of(surveyed: &SurveyedTable) -> Self {
        let (mut does, lacks) = (Vec::new(), surveyed.lacks_entries() || surveyed.is_absent());
        if lacks {
            does.push("makes the log readable".to_owned());
        }
        if !surveyed.lost.is_empty() {
            let files = counted(surveyed.lost.len() as u64, "file");
            does.push(format!("takes {files} out of the table"));
        }
        let only_hints = does.is_empty();
        if only_hints {
            does.push("writes a new checkpoint".to_owned());
        } else {
            does.push(then(&surveyed.name).to_owned());
        }
        let rows = match surveyed.lost_rows() {
            0 => String::new(),
            rows => format!(" ({} in the lost files)", counted(rows, "row")),
        };
        Self {
            table: surveyed.name.to_string(),
            damage: surveyed.findings(),
            does: does.join("; "),
            lost: if only_hints {
                "nothing".to_owned()
            } else {
                format!("{}{rows}", lost(&surveyed.name))
            },
        }
    }
}

fn then(table: &LakeTable) -> &'static str {
    match table {
        LakeTable::Snapshots(_) => "has the integrations concerned fetched again in full",
        LakeTable::Deltas(_) => {
            "takes in data files that no entry names; has the integrations concerned fetched again in full"
        }
        LakeTable::Current(_) => "folds snapshots and deltas again",
        LakeTable::Integrations => "lists the integrations that have rows",
        LakeTable::Holds => "begins an empty table; the next fold judges again what is held",
        LakeTable::Coverage => "begins an empty table; the service asks Kombo again within a day",
        LakeTable::Drift | LakeTable::Quarantine | LakeTable::Issues => "keeps what is left",
    }
}

fn lost(table: &LakeTable) -> &'static str {
    match table {
        LakeTable::Snapshots(_) => "nothing that Kombo still has",
        LakeTable::Deltas(_) => "earlier observations that only the lost files held",
        LakeTable::Current(_) => "held rows that are in no other table",
        LakeTable::Integrations => "the states of deleted integrations",
        LakeTable::Holds => "decisions that are not folded yet",
        LakeTable::Drift => "findings of earlier full fetches",
        LakeTable::Coverage => "since when each model could not be read",
        LakeTable::Issues => "issues that Kombo does not tell of again",
        LakeTable::Quarantine => "rows without an id",
    }
}
