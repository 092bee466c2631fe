//! Settings of the API client: the address, the key, the request rate and the timeouts.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use serde::Deserialize;
use url::{Host, Url};

use crate::decode::DecodeLimits;
use crate::setting::BadSetting;
use crate::trust::TrustFault;

/// Kombo's largest page for nearly every endpoint.
const KOMBO_MAX_PAGE_SIZE: u32 = 250;

/// How fast, and how patiently, to call Kombo.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiSettings {
    /// Whether the rate limit is kept. `false` only against a server of your own, such as the twin. An answer 429
    /// pauses the key in either case.
    pub rate_limit_enabled: bool,
    /// Requests per window, for the complete API key. Kombo allows 300 a minute. When Kombo's headers state a lower
    /// limit, the lower one is kept.
    pub rate_limit_num: NonZeroU32,
    /// Length of the window of `rate_limit_num`.
    ///
    /// Range: 1 to 86400.
    pub rate_limit_duration_secs: NonZeroU64,
    /// Most requests in flight at one time, for the complete API key.
    pub concurrency: NonZeroU32,
    /// Most time that one attempt may take, from connecting to the last byte.
    pub timeout_secs: NonZeroU64,
    /// Most time that connecting may take.
    pub connect_timeout_secs: NonZeroU64,
    /// Most time between two pieces of an answer.
    pub read_timeout_secs: NonZeroU64,
    /// Rows requested in one page. Kombo caps a page at 250 rows and advises to use that.
    ///
    /// Range: 1 to 250.
    pub page_size: NonZeroU32,
    /// Largest page accepted, in bytes after decompression: 64 MiB.
    pub max_page_bytes: NonZeroU64,
    /// Attempts for one request, the first included.
    pub retry_attempts: NonZeroU32,
    /// Upper bound of the wait before the first retry. The bound doubles with each further retry.
    ///
    /// Range: above 0, up to 3600.
    pub retry_initial_backoff_secs: f64,
    /// Longest wait before a retry.
    pub retry_max_duration_secs: NonZeroU64,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            rate_limit_enabled: true,
            rate_limit_num: const { NonZeroU32::new(300).expect("not zero") },
            rate_limit_duration_secs: const { NonZeroU64::new(60).expect("not zero") },
            concurrency: const { NonZeroU32::new(4).expect("not zero") },
            timeout_secs: const { NonZeroU64::new(120).expect("not zero") },
            connect_timeout_secs: const { NonZeroU64::new(5).expect("not zero") },
            read_timeout_secs: const { NonZeroU64::new(30).expect("not zero") },
            page_size: const { NonZeroU32::new(KOMBO_MAX_PAGE_SIZE).expect("not zero") },
            max_page_bytes: const { NonZeroU64::new(DecodeLimits::PAGE_BYTES as u64).expect("not zero") },
            retry_attempts: const { NonZeroU32::new(6).expect("not zero") },
            retry_initial_backoff_secs: 0.5,
            retry_max_duration_secs: const { NonZeroU64::new(60).expect("not zero") },
        }
    }
}

impl ApiSettings {
    /// Checks the ranges that the types do not express.
    pub fn check(&self) -> Result<(), BadSetting> {
        let wrong = |name, reason| Err(BadSetting::new(name, format!("is wrong: {reason}")));
        if self.page_size.get() > KOMBO_MAX_PAGE_SIZE {
            return wrong("page_size", "Kombo sends at most 250 rows per page");
        }
        let initial = self.retry_initial_backoff_secs;
        if !(initial.is_finite() && initial > 0.0 && initial <= 3600.0) {
            return wrong(
                "retry_initial_backoff_secs",
                "it must be above 0 and at most 3600",
            );
        }
        if self.rate_limit_duration_secs.get() > 86_400 {
            return wrong("rate_limit_duration_secs", "it must be at most a day");
        }
        Ok(())
    }

    /// Returns the limits on the content of a page.
    #[must_use]
    pub fn limits(&self) -> DecodeLimits {
        DecodeLimits {
            page_bytes: usize::try_from(self.max_page_bytes.get()).unwrap_or(usize::MAX),
            ..DecodeLimits::default()
        }
    }

    /// Returns the number of requests per window and the length of a window. Returns `None` when the rate limit is
    /// switched off.
    #[must_use]
    pub fn budget(&self) -> Option<(NonZeroU32, Duration)> {
        let window = Duration::from_secs(self.rate_limit_duration_secs.get());
        self.rate_limit_enabled
            .then_some((self.rate_limit_num, window))
    }

    /// Returns the upper bound of the first wait before a retry.
    #[must_use]
    pub fn initial_backoff(&self) -> Duration {
        Duration::try_from_secs_f64(self.retry_initial_backoff_secs).unwrap_or(Duration::ZERO)
    }
}

/// The region of a Kombo environment. Regions are fully separate: keys and integrations of one region do not work in
/// another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    /// European Union.
    #[default]
    Eu,
    /// United States.
    Us,
    /// Canada.
    Ca,
}

impl Region {
    /// Returns the address of the region's API.
    #[must_use]
    pub fn base_url(self) -> BaseUrl {
        let text = match self {
            Self::Eu => "https://api.kombo.dev/v1",
            Self::Us => "https://api.us.kombo.dev/v1",
            Self::Ca => "https://api.ca.kombo.dev/v1",
        };
        BaseUrl::parse(text).expect("the addresses above are valid: a test parses them")
    }
}

/// The base address of the API. The connection is encrypted, unless the address is on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Checks an address such as `https://api.kombo.dev/v1` or `http://127.0.0.1:8484/v1`.
    pub fn parse(text: &str) -> Result<Self, SetupError> {
        Self::understood(text).map_err(|reason| SetupError::Endpoint { reason })
    }

    /// Checks an address. The reason never repeats the text, because the text may hold credentials.
    fn understood(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text.trim())
            .map_err(|_| "it is not an absolute address such as https://api.kombo.dev/v1")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it must not hold a user name or password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it must end with its path, without ? and #");
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            "http" => {
                Err("the key would travel unencrypted: use https, or http to a loopback address")
            }
            _ => Err("only https is supported, and http to a loopback address"),
        }
    }

    /// Returns whether the address is on this machine. No proxy is used then.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Returns whether requests are encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Returns the address of a path below the base address. Each segment is encoded, so an id stays one segment
    /// whatever the id holds.
    #[must_use]
    pub fn join<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.0.clone();
        url.path_segments_mut()
            .expect("http and https addresses have a path")
            .pop_if_empty()
            .extend(segments);
        url
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::understood(&text)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A Kombo API key. Its text is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes the key from a text and removes the white space around it.
    pub fn new(text: &str) -> Result<Self, SetupError> {
        let key = text.trim();
        if key.is_empty() {
            return Err(SetupError::Key {
                reason: "it is empty",
            });
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SetupError::Key {
                reason: "it holds a space or a character that is not visible ASCII",
            });
        }
        Ok(Self(key.to_owned()))
    }

    /// Returns the secret, for the `Authorization` header only.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(secret)")
    }
}

/// Why no client could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The address cannot be used.
    #[error("the endpoint address cannot be used: {reason}")]
    Endpoint {
        /// The problem with the address.
        reason: &'static str,
    },
    /// The key cannot be used.
    #[error("the API key cannot be used: {reason}")]
    Key {
        /// The problem with the key. The text does not hold the key.
        reason: &'static str,
    },
    /// A setting is out of its range.
    #[error("request.{0}")]
    Setting(BadSetting),
    /// No encrypted connection could be made, whatever the server.
    #[error("no encrypted connection can be made: {fault}; {}", fault.advice())]
    Trust {
        /// What is wrong with the certificates that this machine trusts.
        fault: TrustFault,
    },
    /// The HTTP client could not be built.
    #[error("the HTTP client could not be built: {reason}")]
    Client {
        /// The reason as the library states it.
        reason: String,
    },
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests;
