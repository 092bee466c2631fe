//! Decides which JSON numbers a column can hold: those that the column gives back exactly.
//!
//! Numbers are compared as decimals, by their texts. `1e2` is 100, and `5.0` is 5. But 2^53 + 1 has no exact double,
//! and `1e400` fits no column.

/// Returns the whole number that a text stands for.
pub(super) fn as_int(text: &str) -> Option<i64> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let decimal = Decimal::of(text)?;
    if decimal.digits.is_empty() {
        return Some(0);
    }
    // An `i64` has at most 19 digits. More digits cannot fit and would only cost time.
    let zeros = usize::try_from(decimal.exponent)
        .ok()
        .filter(|zeros| decimal.digits.len() + zeros <= 19)?;
    let magnitude = decimal
        .digits
        .iter()
        .chain(std::iter::repeat_n(&b'0', zeros))
        .fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    i64::try_from(if decimal.negative {
        -magnitude
    } else {
        magnitude
    })
    .ok()
}

/// Returns the double that a text stands for, if the shortest text of that double is the same number.
pub(super) fn as_float(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    // A double holds any 15 digits exactly. With so few digits and no exponent the number can neither overflow nor
    // underflow.
    if text.len() <= 16 && !text.bytes().any(|byte| matches!(byte, b'e' | b'E')) {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if digits <= 15 {
            return Some(value);
        }
    }
    (value.is_finite() && Decimal::of(text)? == Decimal::of(&float_text(value))?).then_some(value)
}

/// Writes a double as the shortest JSON number that reads as the same double.
pub(super) fn float_text(value: f64) -> String {
    let mut text = format!("{value:?}");
    if text.ends_with(".0") {
        text.truncate(text.len() - 2);
    }
    text
}

/// A decimal in its only normal form: digits without zeros at either end, times ten to the exponent. Zero has no
/// digits, no exponent and no sign.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Reads a JSON number. Returns `None` when the exponent does not fit 64 bits.
    fn of(text: &str) -> Option<Self> {
        let (negative, text) = text
            .strip_prefix('-')
            .map_or((false, text), |text| (true, text));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let significant = digits
            .iter()
            .rposition(|digit| *digit != b'0')
            .map_or(0, |last| last + 1);
        let zeros = digits.len() - significant;
        digits.truncate(significant);
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..leading);
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits,
                exponent: 0,
            });
        }
        let exponent = exponent
            .parse::<i64>()
            .ok()?
            .checked_sub(i64::try_from(fraction.len()).ok()?)?
            .checked_add(i64::try_from(zeros).ok()?)?;
        Some(Self {
            negative,
            digits,
            exponent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_int_column_takes_every_spelling_of_a_whole_number() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("-0.0e99999999999999999999", 0),
            ("5.0", 5),
            ("1e2", 100),
            ("1200e-2", 12),
            ("-0.5e1", -5),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-9223372036854775808.000", i64::MIN),
            ("92233720368547758070e-1", i64::MAX),
        ] {
            assert_eq!(as_int(text), Some(value), "{text}");
        }
    }

    #[test]
    fn an_int_column_refuses_what_it_would_round() {
        for text in [
            "0.5",
            "9223372036854775808",
            "-9223372036854775809",
            "1e19",
            "1e400",
            "1e-1",
            "1e99999999999999999999",
        ] {
            assert_eq!(as_int(text), None, "{text}");
        }
    }

    #[test]
    fn a_float_column_takes_what_it_gives_back() {
        for (text, value) in [
            ("4.5", 4.5),
            ("0.1", 0.1),
            ("1e2", 100.0),
            ("1.50", 1.5),
            ("9007199254740992", 9_007_199_254_740_992.0),
            ("1.7976931348623157e308", f64::MAX),
            ("5e-324", 5e-324),
        ] {
            assert_eq!(
                as_float(text).map(f64::to_bits),
                Some(value.to_bits()),
                "{text}"
            );
        }
        assert!(as_float("-0").is_some_and(f64::is_sign_negative));
    }

    #[test]
    fn a_float_column_refuses_what_it_would_round() {
        for text in [
            "9007199254740993",
            "1e400",
            "-1e400",
            "1e-400",
            "0.1000000000000000055511151231257827",
            "123456789012345678e-3",
            "1e99999999999999999999",
        ] {
            assert_eq!(as_float(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_the_same_whatever_their_spelling() {
        for (a, b) in [("1e2", "100.0"), ("-0", "0e7"), ("10e-1", "1E+0")] {
            assert_eq!(Decimal::of(a), Decimal::of(b), "{a} {b}");
        }
        for (a, b) in [("1", "-1"), ("1e400", "1e401"), ("10", "1")] {
            assert_ne!(Decimal::of(a), Decimal::of(b), "{a} {b}");
        }
    }
}
