//! The changes of a world, in order. Tests compare a lake with them, and the webhooks are made of them.

use std::collections::VecDeque;

use crate::ids::{EndpointName, IntegrationId};
use crate::time::Moment;

/// Most entries of the journal. The oldest entries are dropped beyond it.
const MOST_ENTRIES: usize = 100_000;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Time of the world at the change.
    pub at: Moment,
    /// The integration that changed.
    pub integration: IntegrationId,
    /// The endpoint that shows the changed records; `None` when the change concerns the complete integration.
    pub endpoint: Option<EndpointName>,
    /// The models whose own rows changed, as webhooks name them.
    pub models: Vec<String>,
    /// The id of the record; `None` when more than one record changed.
    pub record: Option<String>,
    /// The position of the record in its table.
    pub index: Option<u64>,
    /// What happened.
    pub kind: ChangeKind,
}

/// What can happen in a living world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// A record appears.
    Hire,
    /// A record gets new values.
    Edit,
    /// A record gets another name and keeps all other values.
    Rename,
    /// A record is marked deleted.
    Delete,
    /// A record loses its values, 14 days after its deletion. No webhook is sent.
    Anonymise,
    /// A model may no longer be read: all its rows are marked deleted.
    ScopeOff,
    /// A minute after [`ChangeKind::ScopeOff`] the endpoints of the model are refused. No webhook is sent.
    ScopeRefused,
    /// A model may be read again: its rows are back.
    ScopeOn,
    /// An integration is switched off.
    IntegrationPaused,
    /// An integration is switched on again.
    IntegrationWoken,
    /// A customer connects a tool; its first sync is pending.
    IntegrationCreated,
    /// The first sync is done.
    IntegrationReady,
    /// An integration is gone, with all its rows.
    IntegrationDeleted,
}

impl ChangeKind {
    #[rustfmt::skip]
    const NAMES: [(Self, &str); 13] = [
        (Self::Hire, "hire"), (Self::Edit, "edit"), (Self::Rename, "rename"), (Self::Delete, "delete"),
        (Self::Anonymise, "anonymise"),
        (Self::ScopeOff, "scope_off"), (Self::ScopeRefused, "scope_refused"), (Self::ScopeOn, "scope_on"),
        (Self::IntegrationPaused, "integration_paused"), (Self::IntegrationWoken, "integration_woken"),
        (Self::IntegrationCreated, "integration_created"), (Self::IntegrationReady, "integration_ready"),
        (Self::IntegrationDeleted, "integration_deleted"),
    ];

    /// Returns its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let mut all = Self::NAMES.into_iter();
        let own = all.find(|(kind, _)| *kind == self);
        own.expect("every kind has a name").1
    }

    /// Finds a kind by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::NAMES.into_iter();
        all.find(|(_, own)| *own == name).map(|(kind, _)| kind)
    }
}

/// The latest changes.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// The changes that are remembered, the oldest first.
    pub entries: VecDeque<Change>,
    /// How many changes there were, forgotten ones included.
    pub written: u64,
}

impl Journal {
    pub(super) fn push(&mut self, change: Change) {
        if self.entries.len() == MOST_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(change);
        self.written += 1;
    }

    /// Returns the changes that were written after the first so many.
    pub(super) fn since(&self, written: u64) -> Vec<Change> {
        let new = usize::try_from(self.written - written).unwrap_or(usize::MAX);
        let skipped = self.entries.len().saturating_sub(new);
        self.entries.iter().skip(skipped).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for (kind, _) in ChangeKind::NAMES {
            assert_eq!(ChangeKind::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(ChangeKind::from_name("explode"), None);
    }

    #[test]
    fn the_journal_forgets_its_oldest_entries_and_counts_all() {
        let mut journal = Journal::default();
        let change = |at_ms| Change {
            at: Moment::from_millis(at_ms),
            integration: IntegrationId::new("lever:a").expect("an id"),
            endpoint: None,
            models: Vec::new(),
            record: None,
            index: None,
            kind: ChangeKind::IntegrationPaused,
        };
        for at_ms in 0..=MOST_ENTRIES {
            journal.push(change(i64::try_from(at_ms).expect("small")));
        }
        assert_eq!(journal.written, 100_001);
        assert_eq!(journal.entries.len(), MOST_ENTRIES);
        let first = journal.entries.front();
        assert_eq!(first.map(|first| first.at.as_millis()), Some(1));
        let last = journal.since(100_000);
        assert_eq!(
            last.iter()
                .map(|one| one.at.as_millis())
                .collect::<Vec<_>>(),
            [100_000]
        );
    }
}
