//! Who the customer is: an organisation, never a person.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::plain_text::{exact, on_one_line};

/// The most characters of a name that are kept.
const NAME_CHARS: usize = 200;

/// The most bytes of an id that is kept. A longer id is left out, because a part of it may be the id of another customer.
const ID_BYTES: usize = 512;

/// The `end_user` of an integration. Kombo also names the person who connected the tool; that part is not read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EndUser {
    /// The name of the organisation, on one line.
    pub organization_name: Option<String>,
    /// The id that the caller gave to the customer at Kombo.
    pub origin_id: Option<String>,
}

impl EndUser {
    /// Returns the end user with both texts bounded.
    #[must_use]
    pub fn new(organization_name: Option<&str>, origin_id: Option<&str>) -> Self {
        Self {
            organization_name: organization_name.and_then(|name| on_one_line(name, NAME_CHARS)),
            origin_id: origin_id.and_then(|id| exact(id, ID_BYTES)),
        }
    }

    /// Returns whether nothing is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.organization_name.is_none() && self.origin_id.is_none()
    }
}

impl<'de> Deserialize<'de> for EndUser {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A name in a form that this version does not know is no reason to refuse the answer about the integration.
        let said = Value::deserialize(deserializer)?;
        let text = |name| said.get(name).and_then(Value::as_str);
        Ok(Self::new(text("organization_name"), text("origin_id")))
    }
}

impl fmt::Debug for EndUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndUser").finish_non_exhaustive()
    }
}
