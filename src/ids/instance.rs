//! The name of one service among those that share a lake.

use std::fmt;
use std::sync::Arc;

use crate::chance::fresh_uuid;

/// The greatest length of a name.
const MOST_CHARS: usize = 40;

/// The name of one service. It stays the same for as long as the service keeps its data directory.
///
/// Letters, digits and `-`, so that it may be a part of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    /// Returns a name that nobody else has.
    #[must_use]
    pub fn fresh() -> Self {
        Self(fresh_uuid().simple().to_string()[..16].into())
    }

    /// Checks a stored name. Returns `None` when it is empty, too long, or has other characters.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_good = (1..=MOST_CHARS).contains(&text.len()) && text.bytes().all(is_plain);
        is_good.then(|| Self(text.into()))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_name_is_a_good_one_and_what_could_leave_a_folder_is_not() {
        let fresh = InstanceId::fresh();
        assert_eq!(InstanceId::new(fresh.as_str()), Some(fresh.clone()));
        assert_ne!(InstanceId::fresh(), fresh);
        for bad in ["", "..", "a/b", "a\n", &"x".repeat(41)] {
            assert_eq!(InstanceId::new(bad), None, "{bad:?}");
        }
    }
}
