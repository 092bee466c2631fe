//! Names that identify things: integrations, endpoints, tables, fetches.
//!
//! Integration ids come from webhook bodies and from the configuration. Their content is unknown, so this file is the
//! one place that checks them. An id reaches a path only as an [`IntegrationKey`].

mod environment;
mod id_text;
mod instance;

pub use environment::EnvironmentId;
pub use instance::InstanceId;

use std::fmt::{self, Write as _};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::chance::fresh_uuid;
use id_text::IdText;

/// The greatest length of an accepted integration id, in bytes. A longer id is counted and ignored.
pub const MAX_INTEGRATION_ID_BYTES: usize = 256;

/// Number of characters of the id that a key repeats, for people who read paths.
const KEY_PREFIX_CHARS: usize = 40;

/// Number of bytes of SHA-256 at the end of a key. With 128 bits nobody finds two ids with equal keys.
const KEY_DIGEST_BYTES: usize = 16;

/// Kombo's name of one customer's connection, such as `personio:CBNMt7dSNCzBdnRTx87dev4E`.
///
/// An opaque text, except for the tool before the first colon. Only visible ASCII is accepted, because the id travels
/// in the `X-Integration-Id` header.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct IntegrationId(IdText<IntegrationKey>);

impl TryFrom<String> for IntegrationId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(&text)
    }
}

impl IntegrationId {
    /// Checks the text of an id.
    ///
    /// # Errors
    /// Returns an error when the text is empty, is longer than [`MAX_INTEGRATION_ID_BYTES`], holds anything but visible
    /// ASCII, or has no tool before a colon.
    pub fn new(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if text.len() > MAX_INTEGRATION_ID_BYTES {
            return Err(IdError::TooLong { bytes: text.len() });
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(IdError::NotVisibleAscii);
        }
        match text.split_once(':') {
            Some((tool, rest)) if !tool.is_empty() && !rest.is_empty() => {
                Ok(Self(IdText::new(text, IntegrationKey::of)))
            }
            _ => Err(IdError::NoTool { text: text.into() }),
        }
    }

    /// Returns the exact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the slug of the connected tool: the part before the first colon.
    #[must_use]
    pub fn tool(&self) -> &str {
        self.as_str().split(':').next().unwrap_or_default()
    }

    /// Returns the key under which this integration's rows are stored.
    #[must_use]
    pub fn key(&self) -> IntegrationKey {
        self.0.derived().clone()
    }
}

impl fmt::Display for IntegrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for IntegrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// Why a text is not an integration id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty.
    #[error("an integration id is empty")]
    Empty,
    /// The text is longer than [`MAX_INTEGRATION_ID_BYTES`].
    #[error(
        "an integration id has {bytes} bytes, more than the limit of {MAX_INTEGRATION_ID_BYTES}"
    )]
    TooLong {
        /// Length of the text in bytes.
        bytes: usize,
    },
    /// The text holds a character that cannot travel in an HTTP header.
    #[error("an integration id holds a character that is not visible ASCII")]
    NotVisibleAscii,
    /// The text has no `tool:` in front.
    #[error(
        "{text:?} is not an integration id: an id has a tool before a colon, such as \"personio:CBNMt7dSNCzBdnRTx87dev4E\""
    )]
    NoTool {
        /// The refused text, which is visible ASCII.
        text: String,
    },
}

/// The safe, stable name of an integration in paths and partitions.
///
/// A lower-case prefix of the id for readers, then 32 hex digits of SHA-256 over the id's exact bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntegrationKey(Arc<str>);

impl IntegrationKey {
    /// Makes the key of an id.
    fn of(id: &str) -> Self {
        let plain = |c: char| match c {
            'a'..='z' | '0'..='9' => c,
            'A'..='Z' => c.to_ascii_lowercase(),
            _ => '-',
        };
        let mut key: String = id.chars().take(KEY_PREFIX_CHARS).map(plain).collect();
        key.push('-');
        for byte in Sha256::digest(id.as_bytes()).iter().take(KEY_DIGEST_BYTES) {
            write!(key, "{byte:02x}").expect("writing to a string cannot fail");
        }
        Self(key.into())
    }

    /// Reads a key that the lake holds. Returns `None` for a text that [`IntegrationId::key`] cannot make.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        let (prefix, digest) = text.rsplit_once('-')?;
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        let is_key = prefix.bytes().all(plain)
            && digest.len() == 2 * KEY_DIGEST_BYTES
            && digest.bytes().all(hex);
        is_key.then(|| Self(text.into()))
    }

    /// Returns the text, which matches `[a-z0-9-]+`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a number that belongs to this key and is equal in every process: the first half of the key's digest. The
    /// numbers of many keys are spread evenly over all `u64` values.
    #[must_use]
    pub fn number(&self) -> u64 {
        let digest = self.0.len().saturating_sub(2 * KEY_DIGEST_BYTES);
        let half = &self.0[digest..digest + KEY_DIGEST_BYTES];
        u64::from_str_radix(half, 16).expect("a key ends with hex digits")
    }
}

impl fmt::Display for IntegrationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The API family an integration belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Applicant tracking.
    Ats,
    /// Human resources.
    Hris,
    /// Learning.
    Lms,
    /// Assessments ordered by an applicant tracking system.
    Assessment,
}

impl Category {
    /// All categories, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Ats, Self::Hris, Self::Lms, Self::Assessment];

    /// Returns the lower-case name, as paths and configuration write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ats => "ats",
            Self::Hris => "hris",
            Self::Lms => "lms",
            Self::Assessment => "assessment",
        }
    }

    /// Reads the name of a category in upper or lower case: Kombo writes `ATS` in webhooks.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|category| category.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of an endpoint within the API, such as `ats/applications`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointName(IdText<String>);

impl EndpointName {
    /// Joins a category and the endpoint's own name.
    #[must_use]
    pub fn new(category: Category, endpoint: &str) -> Self {
        let name = format!("{category}/{endpoint}");
        Self(IdText::new(&name, |name| name.replace(['/', '-'], "_")))
    }

    /// Reads a name that the lake holds. Returns `None` for a text without a category or without a name.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        let (category, endpoint) = text.split_once('/')?;
        let category = Category::from_name(category)?;
        (!endpoint.is_empty()).then(|| Self::new(category, endpoint))
    }

    /// Returns `category/endpoint`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the name of the endpoint's tables in the lake, such as `ats_applications` or `hris_time_off_balances`.
    #[must_use]
    pub fn table_name(&self) -> String {
        self.0.derived().clone()
    }
}

impl fmt::Display for EndpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One endpoint of one integration: the unit that is fetched, covered by a base, and committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId {
    /// The integration whose rows the table has.
    pub integration: IntegrationId,
    /// The endpoint that the rows come from.
    pub endpoint: EndpointName,
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.endpoint, self.integration)
    }
}

/// The id of one fetch, for tracing a row back to the fetch that brought it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchId(Arc<str>);

impl FetchId {
    /// Makes an id that no other fetch has.
    #[must_use]
    pub fn fresh() -> Self {
        Self(fresh_uuid().simple().to_string().into())
    }

    /// Returns the text: 32 hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FetchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The position at which the next page starts. An opaque text that is never parsed and never kept across restarts.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cursor(Arc<str>);

impl Cursor {
    /// Wraps the `data.next` that Kombo sent. Returns `None` for a blank text: there is no next page.
    #[must_use]
    pub fn from_next(next: &str) -> Option<Self> {
        (!next.trim().is_empty()).then(|| Self(next.into()))
    }

    /// Returns the text to send with the request for the next page.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content is not shown: Kombo's cursors may carry row values.
        write!(f, "Cursor({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests;
