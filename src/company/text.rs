//! Appends JSON texts to a page.

use std::fmt::Write;

use crate::time::{Moment, format_date};

const DAY_MS: i64 = 86_400_000;

/// Appends pieces of text one after the other.
pub(super) fn push_all<const N: usize>(out: &mut String, pieces: [&str; N]) {
    for piece in pieces {
        out.push_str(piece);
    }
}

/// Appends a timestamp in quotes, with milliseconds and `Z`.
pub(super) fn push_timestamp(out: &mut String, at: Moment) {
    push_all(out, ["\"", &at.to_string(), "\""]);
}

/// Appends the date of an instant in quotes.
pub(super) fn push_date(out: &mut String, at: Moment) {
    let days = at.as_millis().div_euclid(DAY_MS);
    let days = i32::try_from(days).expect("within a few thousand years");
    push_all(out, ["\"", &format_date(days), "\""]);
}

/// Appends the midnight at or before an instant.
pub(super) fn push_midnight(out: &mut String, at: Moment) {
    let days = at.as_millis().div_euclid(DAY_MS);
    push_timestamp(out, Moment::from_millis(days * DAY_MS));
}

/// Returns any text as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Appends a whole number.
pub(super) fn push_number(out: &mut String, number: u64) {
    write!(out, "{number}").expect("a string takes any text");
}

/// Appends a decimal as JavaScript writes it: without zeros at the end, and without a point before nothing. The number
/// is given in units of a power of ten.
pub(super) fn push_decimal(out: &mut String, units: u64, decimals: u32) {
    let scale = 10_u64.pow(decimals);
    push_number(out, units / scale);
    let (mut rest, mut width) = (units % scale, decimals as usize);
    if rest > 0 {
        while rest % 10 == 0 {
            rest /= 10;
            width -= 1;
        }
        write!(out, ".{rest:0width$}").expect("a string takes any text");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_written_as_javascript_does() {
        let written = |units, decimals| {
            let mut out = String::new();
            push_decimal(&mut out, units, decimals);
            out
        };
        assert_eq!(written(5_200_000, 2), "52000");
        assert_eq!(written(10_400_075, 2), "104000.75");
        assert_eq!(written(5, 2), "0.05");
        assert_eq!(written(375, 1), "37.5");
        assert_eq!(written(9_650_050, 2), "96500.5");
    }
}
