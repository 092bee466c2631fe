//! Tables and objects of a lake that could not be read.

use crate::lake::{LakeError, TableDamage};
use crate::words::{counted, with_causes};

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
    /// Adds damaged tables, one by one. Returns whether there are any.
    pub(super) fn of_damage(unread: &mut Vec<Self>, damage: Vec<TableDamage>) -> bool {
        let before = unread.len();
        unread.extend(damage.into_iter().filter_map(|damage| {
            let (first, more) = damage.errors.split_first()?;
            let more = match more.len() as u64 {
                0 => String::new(),
                more => format!("; and {} more", counted(more, "file")),
            };
            Some(Self {
                name: damage.table,
                error: format!("{}{more}", with_causes(first)),
                advice: first.advice(),
            })
        }));
        unread.len() > before
    }

    /// Returns what was read. An error is added to `unread` instead.
    pub(crate) fn or<T>(
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
