//! Timestamps and dates in the form that Kombo writes, and instants in the other forms of ISO 8601.
//!
//! Timestamps and dates are read strictly and written back to an equal text. A typed column can give back only one form
//! of an instant. For any other form the text has to be kept beside the column.

use std::fmt::Write as _;
use std::ops::Range;

use chrono::{Datelike, NaiveDate};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// The years 0001 to 9999, in days since the epoch.
const DAYS: Range<i64> = -719_162..2_932_897;

/// Reads `YYYY-MM-DDTHH:mm:ss.sssZ` as microseconds since the epoch. Accepts six digits of a second when the last three
/// are not all zero. Returns `None` for every other text, even for another spelling of an instant.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let fraction_digits = match bytes.len() {
        24 => 3,
        27 => 6,
        _ => return None,
    };
    let shape = bytes[10] == b'T' && bytes[13] == b':' && bytes[16] == b':' && bytes[19] == b'.';
    if !shape || bytes[bytes.len() - 1] != b'Z' {
        return None;
    }
    let days = parse_date(text.get(..10)?)?;
    let hour = digits(&bytes[11..13])?;
    let minute = digits(&bytes[14..16])?;
    let second = digits(&bytes[17..19])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = digits(&bytes[20..20 + fraction_digits])?;
    let micros = match fraction_digits {
        3 => fraction * 1000,
        // `.120000` would be written back as `.120`.
        _ if fraction % 1000 == 0 => return None,
        _ => fraction,
    };
    Some(
        i64::from(days) * MICROS_PER_DAY
            + ((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND
            + micros,
    )
}

/// Reads an instant in any of the usual forms, as microseconds since the epoch. Accepts a space in place of `T`, a
/// fraction of any length or none, and `Z` or an offset such as `+02:00`, `+0200` or `+02`.
///
/// Returns `None` for a text that is not an instant (no zone, 24:00, a leap second), for an instant outside the years
/// 0001 to 9999, and for an instant between two microseconds.
#[must_use]
pub fn parse_instant(text: &str) -> Option<i64> {
    let days = parse_date(text.get(..10)?)?;
    let (clock, rest) = text.as_bytes()[10..].split_at_checked(9)?;
    let &[b'T' | b't' | b' ', ref clock @ ..] = clock else {
        return None;
    };
    if clock[2] != b':' || clock[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (
        digits(&clock[..2])?,
        digits(&clock[3..5])?,
        digits(&clock[6..])?,
    );
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, zone) = match rest {
        [b'.', rest @ ..] => {
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (fraction, zone) = rest.split_at(length);
            (micros_of(fraction)?, zone)
        }
        zone => (0, zone),
    };
    let minutes = hour * 60 + minute - offset_minutes(zone)?;
    let micros =
        i64::from(days) * MICROS_PER_DAY + (minutes * 60 + second) * MICROS_PER_SECOND + fraction;
    DAYS.contains(&micros.div_euclid(MICROS_PER_DAY))
        .then_some(micros)
}

/// Reads `YYYY-MM-DD` as days since the epoch, for the years 0001 to 9999 of the proleptic Gregorian calendar.
#[must_use]
pub fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = i32::try_from(digits(&bytes[..4])?).ok()?;
    let month = u32::try_from(digits(&bytes[5..7])?).ok()?;
    let day = u32::try_from(digits(&bytes[8..])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, month, day).filter(|_| year > 0)?;
    Some(date.to_epoch_days())
}

/// Writes microseconds since the epoch as `YYYY-MM-DDTHH:mm:ss.sssZ`. Writes six digits of a second when milliseconds
/// are not exact enough.
#[must_use]
pub fn format_timestamp(micros: i64) -> String {
    let (days, rest) = (
        micros.div_euclid(MICROS_PER_DAY),
        micros.rem_euclid(MICROS_PER_DAY),
    );
    let (seconds, fraction) = (rest / MICROS_PER_SECOND, rest % MICROS_PER_SECOND);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = format_date(
        i32::try_from(days).expect("64 bits of microseconds span less than 300,000 years"),
    );
    let written = if fraction % 1000 == 0 {
        let millis = fraction / 1000;
        write!(text, "T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    } else {
        write!(text, "T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")
    };
    written.expect("writing to a string cannot fail");
    text
}

/// Writes days since the epoch as `YYYY-MM-DD`. A day outside the calendar, beyond the year 262,000, is written as the
/// calendar's last day.
#[must_use]
pub fn format_date(days: i32) -> String {
    let farthest = if days < 0 {
        NaiveDate::MIN
    } else {
        NaiveDate::MAX
    };
    let date = NaiveDate::from_epoch_days(days).unwrap_or(farthest);
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

/// Reads the digits after the decimal point as microseconds. Returns `None` without digits, and for a part of a
/// microsecond.
fn micros_of(fraction: &[u8]) -> Option<i64> {
    let (micros, beyond) = fraction.split_at(fraction.len().min(6));
    if micros.is_empty() || beyond.iter().any(|digit| *digit != b'0') {
        return None;
    }
    let missing = u32::try_from(6 - micros.len()).ok()?;
    Some(digits(micros)? * 10_i64.pow(missing))
}

/// Reads an offset: by how many minutes a clock is ahead of UTC.
fn offset_minutes(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *zone {
        [b'Z' | b'z'] => return Some(0),
        [sign, h, i, b':', m, n] | [sign, h, i, m, n] => (sign, [h, i], [m, n]),
        [sign, h, i] => (sign, [h, i], [b'0'; 2]),
        _ => return None,
    };
    let (hours, minutes) = (digits(&hours)?, digits(&minutes)?);
    let offset = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
    match sign {
        b'+' => Some(offset),
        b'-' => Some(-offset),
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0_i64, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + i64::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_comes_back_as_the_same_text() {
        for text in [
            "2022-08-07T14:01:29.196Z",
            "1969-12-31T23:59:59.999Z",
            "0001-01-01T00:00:00.000Z",
            "9999-12-31T23:59:59.999Z",
            "2024-02-29T00:00:00.123456Z",
        ] {
            assert_eq!(
                parse_timestamp(text).map(format_timestamp).as_deref(),
                Some(text)
            );
        }
    }

    #[test]
    fn a_text_that_would_come_back_differently_is_not_read() {
        for text in [
            "2022-08-07T14:01:29Z",
            "2022-08-07T14:01:29.196+00:00",
            "2022-08-07 14:01:29.196Z",
            "2022-02-30T00:00:00.000Z",
            "2022-08-07T24:00:00.000Z",
            "2022-08-07T23:59:60.000Z",
            "2022-08-07T14:01:29.196000Z",
            "+022-08-07T14:01:29.196Z",
            "0000-01-01T00:00:00.000Z",
            "",
            "2022-08-07T14:01:29.19éZ",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn another_spelling_of_an_instant_is_the_same_instant() {
        for (text, instant) in [
            ("2022-08-07T14:01:29.196Z", "2022-08-07T14:01:29.196Z"),
            ("2022-08-07T14:01:29.196000Z", "2022-08-07T14:01:29.196Z"),
            (
                "2022-08-07T14:01:29.1960000000Z",
                "2022-08-07T14:01:29.196Z",
            ),
            (
                "2022-08-07T14:01:29.123456000Z",
                "2022-08-07T14:01:29.123456Z",
            ),
            ("2022-08-07T14:01:29.5Z", "2022-08-07T14:01:29.500Z"),
            ("2022-08-07T14:01:00Z", "2022-08-07T14:01:00.000Z"),
            ("2022-08-07 14:01:29.196Z", "2022-08-07T14:01:29.196Z"),
            ("2022-08-07t14:01:29z", "2022-08-07T14:01:29.000Z"),
            ("2022-08-07T14:01:29.196+00:00", "2022-08-07T14:01:29.196Z"),
            ("2022-08-07T00:30:00+02:00", "2022-08-06T22:30:00.000Z"),
            ("2022-12-31T23:30:00-0100", "2023-01-01T00:30:00.000Z"),
            ("2022-08-07 14:01:29.196+05", "2022-08-07T09:01:29.196Z"),
            ("2022-08-07T14:01:29-05:45", "2022-08-07T19:46:29.000Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ] {
            let read = parse_instant(text).map(format_timestamp);
            assert_eq!(read.as_deref(), Some(instant), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_or_none_that_a_column_holds_is_not_read() {
        for text in [
            "2022-08-07T14:01:29.1234567Z",
            "2022-08-07T14:01:29",
            "2022-08-07 14:01:29.196",
            "2022-08-07",
            "2022-08-07T14:01Z",
            "2022-08-07T14:01:29.Z",
            "2022-08-07T14:01:29,196Z",
            "2022-08-07T23:59:60Z",
            "2022-08-07T24:00:00Z",
            "2022-08-07T14:61:00Z",
            "2022-02-30T00:00:00Z",
            "2022-08-07T14:01:29+24:00",
            "2022-08-07T14:01:29+02:60",
            "2022-08-07T14:01:29+2:00",
            "2022-08-07T14:01:29*02:00",
            "2022-08-07T14:01:29 +02:00",
            "2022-08-07T14:01:29ZZ",
            "2022-08-07_14:01:29Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "0000-12-31T23:59:59Z",
            "10000-01-01T00:00:00Z",
            "2022-08-0é14:01:29Z",
            "2022-08-07T14:01:é",
            "",
        ] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for days in -80_000..80_000 {
            assert_eq!(parse_date(&format_date(days)), Some(days));
        }
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2023-02-29"), None);
        assert_eq!(parse_date("1900-02-29"), None);
    }
}
