//! What follows the last row of a walk.

/// What the stand-in sends after the last row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastPage {
    /// Nothing.
    Ends,
    /// The cursor of the first page.
    PointsBack,
    /// Empty pages with new cursors.
    IsFollowedByEmptyPages,
    /// The same pages with new cursors.
    IsFollowedByTheFirst,
}

impl LastPage {
    /// Returns the cursor on the last page, which ends at `to`.
    pub(super) fn cursor_after(self, to: usize) -> Option<usize> {
        match self {
            Self::Ends => None,
            Self::PointsBack => Some(0),
            Self::IsFollowedByEmptyPages | Self::IsFollowedByTheFirst => Some(to),
        }
    }

    /// Returns the first row of the page at a cursor.
    pub(super) fn first_row(self, cursor: usize, rows: usize) -> usize {
        match self {
            Self::IsFollowedByTheFirst => cursor % rows.max(1),
            _ => cursor,
        }
    }
}
