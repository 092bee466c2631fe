//! The names of the lake's log entries, for people who read a table's history.

/// An operation, as the commit info of its log entries names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Rows of fetches, or rows without a usable id, become visible.
    Append,
    /// A full fetch replaces the previous one.
    ReplaceSnapshot,
    /// Bases advance without rows.
    AdvanceBases,
    /// `current` takes in the rows of fetches.
    Fold,
    /// Integrations are stored in `kombo_integrations`.
    Register,
    /// What Kombo says of customers is stored in `kombo_coverage`.
    Describe,
    /// Issues that webhooks tell of are stored in `kombo_issues`.
    NoteIssue,
    /// Holds of the guard are stored in `kombo_holds`.
    Hold,
    /// Results of comparisons with full fetches are stored in `kombo_drift`.
    Compare,
    /// Small files are merged.
    Optimize,
    /// Old rows expire.
    Retain,
    /// Rows of deleted integrations are purged.
    Purge,
    /// Instants that lie in the future are moved.
    Repair,
}

impl Operation {
    /// Returns the operation's name in the log. Other programs read the name, so it never changes.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Append => "APPEND",
            Self::ReplaceSnapshot => "REPLACE SNAPSHOT",
            Self::AdvanceBases => "ADVANCE BASES",
            Self::Fold => "FOLD",
            Self::Register => "REGISTER",
            Self::Describe => "DESCRIBE",
            Self::NoteIssue => "NOTE ISSUE",
            Self::Hold => "HOLD",
            Self::Compare => "COMPARE",
            Self::Optimize => "OPTIMIZE",
            Self::Retain => "RETAIN",
            Self::Purge => "PURGE",
            Self::Repair => "REPAIR",
        }
    }
}
