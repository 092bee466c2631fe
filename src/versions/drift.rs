//! Kinds and causes of drift: rows that a full fetch shows differently than the lake knew them.

/// What was wrong with a row of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriftKind {
    /// Kombo had a row that the lake lacked.
    Insert,
    /// The row had different values.
    Update,
    /// The lake had a row that no longer exists.
    Delete,
    /// Only values within structs and lists differed. Such values are copies of other records.
    Nested,
    /// The row had lost its values, which Kombo clears 14 days after a deletion.
    Anonymised,
}

/// Why the row was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriftCause {
    /// The change happened after the last delta, and no notification asked for another delta.
    NoNotification,
    /// The change does not update the row's `changed_at`, so no delta returns the row.
    NotSurfaced,
    /// The change happened before the last delta, but that delta did not return the row.
    SeenLate,
    /// The guard held the change.
    Guard,
}

impl DriftKind {
    /// All values.
    pub const ALL: [Self; 5] = [
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::Nested,
        Self::Anonymised,
    ];

    /// Returns the name in `kombo_drift`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Nested => "nested",
            Self::Anonymised => "anonymised",
        }
    }
}

impl DriftCause {
    /// All values.
    pub const ALL: [Self; 4] = [
        Self::NoNotification,
        Self::NotSurfaced,
        Self::SeenLate,
        Self::Guard,
    ];

    /// Returns the name in `kombo_drift`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoNotification => "no_notification",
            Self::NotSurfaced => "not_surfaced",
            Self::SeenLate => "seen_late",
            Self::Guard => "guard",
        }
    }
}
