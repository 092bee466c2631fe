//! Tables and objects of a lake that could not be read.

use crate::lake::LakeError;
use crate::words::with_causes;

/// A table or object that could not be read. Its content is unknown; it does not count as empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Name of the table or object.
    pub name: String,
    /// The error, which names the file.
    pub error: String,
    /// What the operator can do.
    pub advice: &'static str,
}

impl Unread {
    /// Returns what was read. An error is added to `unread` instead.
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
