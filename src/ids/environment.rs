//! Kombo's environments. An API key can read the integrations of one environment.

use std::fmt;
use std::sync::Arc;

/// The longest name of an environment that is kept, in bytes. Kombo's have 24 characters.
const MAX_BYTES: usize = 256;

/// Kombo's name of an environment. An API key belongs to one, and so does an integration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvironmentId(Arc<str>);

impl EnvironmentId {
    /// Checks the text of a name. `None` when it is empty, very long, or holds anything but visible ASCII.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_name = !text.is_empty()
            && text.len() <= MAX_BYTES
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_name.then(|| Self(text.into()))
    }

    /// Returns the exact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_visible_ascii() {
        assert!(EnvironmentId::new("ENVBwE8gNVSNVGbGJ44hXNCr").is_some());
        for text in ["", "two words", "Umgebung-ä", &"e".repeat(257)] {
            assert_eq!(EnvironmentId::new(text), None, "{text:?}");
        }
    }
}
