//! What the guard holds back, and why.

/// How it stands with what was held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldState {
    /// It is not folded: readers of `current` see the rows as they were.
    Held,
    /// Somebody has said that it is right: the next fold takes it in.
    Accepted,
    /// A later snapshot agreed with it.
    Confirmed,
    /// The rows came back.
    Resolved,
}

/// Why it was held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldCause {
    /// Many rows would vanish at once.
    MassDelete,
    /// Columns would turn null in many rows at once.
    ColumnsNulled,
    /// Rows are missing from a full fetch, and Kombo has not confirmed that they are gone.
    Unconfirmed,
    /// The integration is not allowed to read them any more.
    ScopeOff,
    /// The integration's data has expired at Kombo.
    DataExpired,
}

impl HoldState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Held, Self::Accepted, Self::Confirmed, Self::Resolved];

    /// Returns the word in `kombo_holds`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Accepted => "accepted",
            Self::Confirmed => "confirmed",
            Self::Resolved => "resolved",
        }
    }

    /// Reads the word; `None` for one of a newer build.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

impl HoldCause {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::MassDelete,
        Self::ColumnsNulled,
        Self::Unconfirmed,
        Self::ScopeOff,
        Self::DataExpired,
    ];

    /// Returns the word in `kombo_holds`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MassDelete => "mass_delete",
            Self::ColumnsNulled => "columns_nulled",
            Self::Unconfirmed => "unconfirmed",
            Self::ScopeOff => "scope_off",
            Self::DataExpired => "data_expired",
        }
    }

    /// Reads the word; `None` for one of a newer build.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_again_and_no_other() {
        for state in HoldState::ALL {
            assert_eq!(HoldState::from_name(state.as_str()), Some(state));
        }
        for cause in HoldCause::ALL {
            assert_eq!(HoldCause::from_name(cause.as_str()), Some(cause));
        }
        assert_eq!(HoldState::from_name("Held"), None);
        assert_eq!(HoldCause::from_name(""), None);
    }
}
