//! How values of flags are written, and the error for a value that is not.

use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::api::Region;
use crate::plan::{Kind, PlanMode};
use crate::time::{Moment, parse_date, parse_timestamp};
use crate::twin::{TargetError, WebhookTarget};

/// Reads a number with a unit: `90s`, `30m`, `12h`, `7d`, `2w`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const FORMS: &str = "a duration is a number and a unit, such as 90s, 30m, 12h, 7d or 2w";
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = &text[..text.len() - unit.len()];
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => 0,
    };
    if number.is_empty() || seconds == 0 {
        return Err(FORMS.to_owned());
    }
    let number: Option<u64> = number.parse().ok();
    let seconds = number.and_then(|number| number.checked_mul(seconds));
    let span = seconds.map(Duration::from_secs);
    span.ok_or_else(|| "the duration is too long".to_owned())
}

/// Reads one of a few names.
pub(super) fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [T; N],
    word: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.map(word)).map(move |said| {
        let named = all.into_iter().find(|one| word(*one) == said);
        named.expect("clap accepts only names of the list")
    })
}

/// Reads which endpoints a webhook makes us fetch: `changed` or `all`.
pub(super) fn plan_mode() -> impl TypedValueParser<Value = PlanMode> {
    one_of([PlanMode::Changed, PlanMode::All], |mode| match mode {
        PlanMode::Changed => "changed",
        PlanMode::All => "all",
    })
}

/// Reads the name of a region.
pub(super) fn region() -> impl TypedValueParser<Value = Region> {
    one_of(
        [Region::Eu, Region::Us, Region::Ca],
        |region| match region {
            Region::Eu => "eu",
            Region::Us => "us",
            Region::Ca => "ca",
        },
    )
}

/// Reads the mode of a backfill: `full` or `delta`.
pub(super) fn wanted() -> impl TypedValueParser<Value = Kind> {
    let full = PossibleValue::new("full").help("Every row: a snapshot of each table");
    let delta = "Changes since the last committed fetch; a snapshot of a table without one";
    let delta = PossibleValue::new("delta").help(delta);
    PossibleValuesParser::new([full, delta]).map(|text| match text.as_str() {
        "delta" => Kind::Delta,
        _ => Kind::Snapshot,
    })
}

/// An instant, as a flag gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// This long ago.
    Ago(Duration),
    /// At this time, in microseconds since the epoch.
    At(i64),
}

impl Since {
    /// Returns the instant, in microseconds since the epoch.
    #[must_use]
    pub fn micros(self, now: Moment) -> i64 {
        match self {
            Self::Ago(ago) => (now - ago).as_millis().saturating_mul(1000),
            Self::At(micros) => micros,
        }
    }
}

/// Reads a duration before now, a day, or an instant.
pub(super) fn since(text: &str) -> Result<Since, String> {
    if let Ok(ago) = duration(text) {
        return Ok(Since::Ago(ago));
    }
    if let Some(days) = parse_date(text) {
        return Ok(Since::At(i64::from(days) * MICROS_PER_DAY));
    }
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(instant) => Ok(Since::At(instant.timestamp_micros())),
        Err(_) => Err("it is a duration such as 12h or 7d, a day such as 2026-01-05, or an instant such as 2026-01-05T08:00:00Z".to_owned()),
    }
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Reads an instant in the format of Kombo.
pub(super) fn instant(text: &str) -> Result<Moment, String> {
    let instant = parse_timestamp(text);
    let instant = instant.map(|micros| Moment::from_millis(micros.div_euclid(1000)));
    instant.ok_or_else(|| "an instant is written as 2026-01-05T08:00:00.000Z".to_owned())
}

/// Reads a whole number of at least 1.
pub(super) fn positive(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .map_err(|_| format!("it must be a whole number from 1 to {}", u32::MAX))
}

/// Reads a share in percent.
pub(super) fn percent(text: &str) -> Result<NonZeroU8, String> {
    let percent = text.parse().ok();
    let percent = percent.filter(|percent: &NonZeroU8| percent.get() <= 100);
    percent.ok_or_else(|| "it must be a whole number from 1 to 100".to_owned())
}

/// Reads an address to listen on.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "it must be an address with a port, such as 127.0.0.1:8484".to_owned())
}

/// Reads where webhooks go.
pub(super) fn webhook_url(text: &str) -> Result<WebhookTarget, String> {
    text.parse().map_err(|error: TargetError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_while_ago_a_day_or_an_instant() {
        let micros = |text| since(text).map(|since| since.micros(Moment::from_millis(NOW_MS)));
        assert_eq!(micros("7d"), Ok(NOW_MS * 1000 - 7 * MICROS_PER_DAY));
        assert_eq!(micros("1970-01-02"), Ok(MICROS_PER_DAY));
        assert_eq!(micros("1970-01-02T00:00:00Z"), Ok(MICROS_PER_DAY));
        assert_eq!(
            micros("1970-01-02T01:00:00.5+01:00"),
            Ok(MICROS_PER_DAY + 500_000)
        );
        for text in ["", "yesterday", "2026-02-30", "2026-01-05T08:00:00", "-7d"] {
            let error = since(text).expect_err(text);
            assert!(error.starts_with("it is a duration"), "{text}: {error}");
        }
    }

    const NOW_MS: i64 = 1_800_000_000_000;

    #[test]
    fn durations_have_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1_800),
            ("12h", 43_200),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "12", "h", "12 h", "1.5h", "-1h", "12H", "1h30m", "12é"] {
            let error = duration(text).expect_err(text);
            assert!(
                error.starts_with("a duration is a number and a unit"),
                "{text}: {error}"
            );
        }
        for text in ["18446744073709551615w", "99999999999999999999s"] {
            assert_eq!(duration(text), Err("the duration is too long".to_owned()));
        }
    }

    #[test]
    fn instants_are_written_as_kombo_writes_them() {
        let told = instant("1970-01-02T00:00:00.250Z");
        assert_eq!(told, Ok(Moment::from_millis(86_400_250)));
        for text in ["", "2026-01-05", "2026-01-05T08:00:00Z", "1767600000000"] {
            instant(text).expect_err(text);
        }
    }
}
