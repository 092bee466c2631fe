//! One thing that goes wrong at one request to the store.

/// What goes wrong, and at which request of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mishap {
    /// Counts the requests of the process from 0.
    pub(crate) at: u64,
    pub(crate) what: Mischief,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mischief {
    /// The process ends before the request has an effect.
    CrashBefore,
    /// The process ends when the request has had its effect.
    CrashAfter,
    /// The request fails and has no effect.
    FailBefore,
    /// The request has its effect, and its answer is an error.
    FailAfter,
    /// A create is answered "exists", and nothing was there. Other requests fail without an effect.
    ConflictBefore,
    /// A create is answered "exists", and it was this very create. Other requests fail with their effect.
    ConflictAfter,
}

impl Mischief {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::FailBefore,
        Self::FailAfter,
        Self::ConflictBefore,
        Self::ConflictAfter,
    ];

    /// Returns whether the request has its effect.
    pub(crate) fn has_effect(self) -> bool {
        matches!(
            self,
            Self::CrashAfter | Self::FailAfter | Self::ConflictAfter
        )
    }

    /// Returns whether the process ends.
    pub(crate) fn is_crash(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter)
    }

    /// Returns whether a create gets the answer that the object exists.
    pub(crate) fn is_conflict(self) -> bool {
        matches!(self, Self::ConflictBefore | Self::ConflictAfter)
    }
}
