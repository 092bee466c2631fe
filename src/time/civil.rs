//! Timestamps and dates in the one form Kombo writes, read strictly and written back to the same text; and instants in the
//! other forms that ISO 8601 has for them.
//!
//! Strict because a typed column gives back that one form alone: of any other the text has to be kept beside it.

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Reads `YYYY-MM-DDTHH:mm:ss.sssZ` (or six digits, when the last three are not all zero) as microseconds since the
/// epoch. `None` for every other text, even another spelling of the same instant.
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

/// Reads an instant in any of its usual forms: a space in place of `T`, a fraction of any length or none, `Z` or an offset
/// such as `+02:00`, `+0200` or `+02`. Microseconds since the epoch.
///
/// `None` for what is no instant (no zone, 24:00, a leap second), for one outside the years 0001 to 9999, and for one
/// between two microseconds.
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
    let years = days_from_civil(1, 1, 1)..days_from_civil(10_000, 1, 1);
    years
        .contains(&micros.div_euclid(MICROS_PER_DAY))
        .then_some(micros)
}

/// Reads `YYYY-MM-DD` as days since the epoch, for the years 0001 to 9999 of the proleptic Gregorian calendar.
#[must_use]
pub fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (
        digits(&bytes[..4])?,
        digits(&bytes[5..7])?,
        digits(&bytes[8..])?,
    );
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    i32::try_from(days_from_civil(year, month, day)).ok()
}

/// Writes microseconds since the epoch as `YYYY-MM-DDTHH:mm:ss.sssZ`, with six digits where milliseconds do not do.
#[must_use]
pub fn format_timestamp(micros: i64) -> String {
    let (days, rest) = (
        micros.div_euclid(MICROS_PER_DAY),
        micros.rem_euclid(MICROS_PER_DAY),
    );
    let (seconds, fraction) = (rest / MICROS_PER_SECOND, rest % MICROS_PER_SECOND);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (year, month, day) = civil_from_days(days);
    if fraction % 1000 == 0 {
        let millis = fraction / 1000;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    } else {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")
    }
}

/// Writes days since the epoch as `YYYY-MM-DD`.
#[must_use]
pub fn format_date(days: i32) -> String {
    let (year, month, day) = civil_from_days(i64::from(days));
    format!("{year:04}-{month:02}-{day:02}")
}

/// Reads the digits behind a point. `None` without any, and for parts of a microsecond.
fn micros_of(fraction: &[u8]) -> Option<i64> {
    let (micros, beyond) = fraction.split_at(fraction.len().min(6));
    if micros.is_empty() || beyond.iter().any(|digit| *digit != b'0') {
        return None;
    }
    let missing = u32::try_from(6 - micros.len()).ok()?;
    Some(digits(micros)? * 10_i64.pow(missing))
}

/// Reads by how many minutes a clock is ahead of UTC.
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

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Howard Hinnant's `days_from_civil`: days since 1970-01-01.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
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
