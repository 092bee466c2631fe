//! What a full fetch found that the lake did not know, and why it did not.

/// What was wrong with a row of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriftKind {
    /// Kombo had a row that the lake had not.
    Insert,
    /// The row had other values.
    Update,
    /// The lake had a row that was gone.
    Delete,
    /// Only values within structs and lists differed: copies of other records.
    Nested,
    /// The row had lost its values, 14 days after its deletion.
    Anonymised,
}

/// Why it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriftCause {
    /// The change was younger than the last delta, and no notification asked for another.
    NoNotification,
    /// The change does not move the row's `changed_at`, so that no delta brings it.
    NotSurfaced,
    /// The change was older than the last delta, which did not bring it.
    SeenLate,
    /// The guard held it back.
    Guard,
}

impl DriftKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::Nested,
        Self::Anonymised,
    ];

    /// Returns the word in `kombo_drift`.
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
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::NoNotification,
        Self::NotSurfaced,
        Self::SeenLate,
        Self::Guard,
    ];

    /// Returns the word in `kombo_drift`.
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
