//! What of a lake could not be read.

use crate::lake::LakeError;
use crate::words::with_causes;

/// A table that could not be read: what it holds is not known, which is not the same as nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The table, or the object.
    pub name: String,
    /// Why, with the file that it is about.
    pub error: String,
    /// What to do.
    pub advice: &'static str,
}

impl Unread {
    /// Returns what was read, or notes that it could not be.
    pub(super) fn or<T>(
        unread: &mut Vec<Self>,
        name: &str,
        read: Result<T, LakeError>,
    ) -> Option<T> {
        let noted = read.map_err(|error| {
            unread.push(Self {
                name: name.to_owned(),
                error: with_causes(&error),
                advice: error.advice(),
            });
        });
        noted.ok()
    }
}
