//! How fast the requests of a window are spent.

/// How requests may use the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WindowUse {
    /// Spread over the window, and the last one when its turn comes: a notification waits.
    Urgent,
    /// Spread over the window, and the last one kept for its end.
    Even,
    /// At once, and the last one kept for the window's end.
    Ahead,
}
