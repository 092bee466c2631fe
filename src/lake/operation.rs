//! What the lake's log entries are called, for people who read a table's history.

/// An operation, as it stands in the commit info of the entries that it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Rows of fetches, or rows without a usable id, become visible.
    Append,
    /// A full fetch takes the place of the one before it.
    ReplaceSnapshot,
    /// Bases move without rows.
    AdvanceBases,
    /// `current` takes over what fetches brought.
    Fold,
    /// Integrations are written down.
    Register,
    /// What the guard holds is written down.
    Hold,
    /// What full fetches found is written down.
    Compare,
    /// Small files are merged.
    Optimize,
    /// Old rows leave.
    Retain,
    /// Rows of deleted integrations leave.
    Purge,
    /// Instants of the future are moved.
    Repair,
}

impl Operation {
    /// Returns the text that stands in the log. Other programs read it: it never changes.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Append => "APPEND",
            Self::ReplaceSnapshot => "REPLACE SNAPSHOT",
            Self::AdvanceBases => "ADVANCE BASES",
            Self::Fold => "FOLD",
            Self::Register => "REGISTER",
            Self::Hold => "HOLD",
            Self::Compare => "COMPARE",
            Self::Optimize => "OPTIMIZE",
            Self::Retain => "RETAIN",
            Self::Purge => "PURGE",
            Self::Repair => "REPAIR",
        }
    }
}
