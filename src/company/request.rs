//! The requests that a world takes, and the answers that it returns.

use super::refusal::Refusal;
use crate::time::{parse_date, parse_timestamp};

/// One GET request.
#[derive(Clone, Copy)]
pub struct TwinRequest<'a> {
    /// Path below the API's base URL, such as `/ats/applications`.
    pub path: &'a str,
    /// The query string without the question mark.
    pub query: &'a str,
    /// The bearer token.
    pub bearer: Option<&'a str>,
    /// The header `X-Integration-Id`.
    pub integration: Option<&'a str>,
}

/// The answer to a [`TwinRequest`].
#[derive(Clone, PartialEq, Eq)]
pub struct TwinAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Header names, in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl TwinAnswer {
    /// Returns a header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for TwinAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TwinAnswer({}, {} bytes)", self.status, self.body.len())
    }
}

/// The parameters of a list endpoint. Their form is checked; whether the endpoint takes them is checked later.
#[derive(Debug, Default)]
pub(super) struct ListQuery {
    pub cursor: Option<String>,
    pub page_size: Option<u32>,
    /// Microseconds since the epoch.
    pub updated_after: Option<i64>,
    pub include_deleted: Option<bool>,
    pub ids: Option<Vec<String>>,
    pub remote_ids: Option<Vec<String>>,
    pub ignore_unsupported_filters: Option<bool>,
}

impl ListQuery {
    /// Reads a query string. An unknown parameter is refused instead of ignored, because an ignored filter would look as if
    /// it had worked. Filters of single endpoints are unknown as well: the program sends none of them.
    pub(super) fn parse(query: &str) -> Result<Self, Refusal> {
        let mut parsed = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "cursor" => parsed.cursor = Some(value.into_owned()),
                "page_size" => parsed.page_size = Some(number(&value)?),
                "updated_after" => parsed.updated_after = Some(instant(&value)?),
                "include_deleted" => parsed.include_deleted = Some(flag(&value)?),
                "ignore_unsupported_filters" => {
                    parsed.ignore_unsupported_filters = Some(flag(&value)?);
                }
                "ids" => parsed.ids = Some(list(&value)),
                "remote_ids" => parsed.remote_ids = Some(list(&value)),
                _ => return Err(Refusal::input_invalid("Unknown query parameter.")),
            }
        }
        Ok(parsed)
    }
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::to_owned).collect()
}

fn number(value: &str) -> Result<u32, Refusal> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| value.parse().ok()).flatten();
    number.ok_or_else(|| Refusal::input_invalid("page_size is not a number."))
}

fn flag(value: &str) -> Result<bool, Refusal> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Refusal::input_invalid("A boolean is true or false.")),
    }
}

/// Reads an instant of the declared pattern `^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?)?Z?$`. Offsets are refused.
fn instant(value: &str) -> Result<i64, Refusal> {
    let refused = || Refusal::input_invalid("updated_after is not a date or timestamp in UTC.");
    let text = value.strip_suffix('Z').unwrap_or(value);
    let Some((date, time)) = text.split_once('T') else {
        let days = parse_date(text).ok_or_else(refused)?;
        return Ok(i64::from(days) * 86_400_000_000);
    };
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    let whole = parse_timestamp(&format!("{date}T{seconds}.000Z")).ok_or_else(refused)?;
    let micros: i64 = format!("{fraction:0<6}")[..6]
        .parse()
        .map_err(|_| refused())?;
    Ok(whole + micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updated_after_is_read_as_the_declared_pattern_has_it() {
        for (text, micros) in [
            ("1970-01-02", 86_400_000_000),
            ("1970-01-01Z", 0),
            ("1970-01-01T00:00:01Z", 1_000_000),
            ("1970-01-01T00:00:01.5", 1_500_000),
            ("1970-01-01T00:00:00.1234567Z", 123_456),
        ] {
            assert_eq!(instant(text).ok(), Some(micros), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "1970-01-01T00:00:00.000+00:00",
            "1970-13-01",
            "1970-01-01T00:00:00.Z",
            "1970-01-01 00:00:00",
            "0",
        ] {
            assert!(instant(text).is_err(), "{text}");
        }
    }
}
