//! Numbers, durations and errors as text for readers.

use std::time::Duration;

use crate::time::format_timestamp;

/// Writes `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a number and its noun: `1 row`, `1,234 rows`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    counted_as(number, what, &format!("{what}s"))
}

/// Returns a number and what it counts, for nouns with a plural of their own: `1 entry`, `1,234 entries`.
pub(crate) fn counted_as(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Writes a duration in a suitable unit: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    match whole {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// Writes an age, rounded down: `12 s`, `3 min`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn age(duration: Duration) -> String {
    let whole = duration.as_secs();
    let two = |large: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {part}"),
    };
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min", whole / 60),
        3600..86_400 => two(whole / 3600, "h", whole / 60 % 60, "min"),
        _ => two(whole / 86_400, "d", whole / 3600 % 24, "h"),
    }
}

/// Writes an instant in microseconds since the epoch as `2026-11-30 22:17 UTC`, rounded down to the minute.
pub(crate) fn minute(us: i64) -> String {
    let text = format_timestamp(us).replace('T', " ");
    let (minute, _) = text.rsplit_once(':').unwrap_or((&text, ""));
    format!("{minute} UTC")
}

/// Writes the time of day of an instant in microseconds since the epoch as `22:17:05 UTC`, rounded down to the second.
pub(crate) fn second(us: i64) -> String {
    let text = format_timestamp(us);
    let (_, time) = text.split_once('T').unwrap_or(("", &text));
    let time = time.split(['.', 'Z']).next().unwrap_or(time);
    format!("{time} UTC")
}

/// Writes a share: `100 %`, `99.98 %`. Only a complete share is written as `100 %`.
pub(crate) fn percent(share: f64) -> String {
    if share >= 1.0 {
        return "100 %".to_owned();
    }
    format!("{:.2} %", (share * 10_000.0).floor() / 100.0)
}

/// Writes bytes in a suitable unit: `812 B`, `4.2 MB`.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if number < 1000 {
        return format!("{number} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let mut value = number as f64 / 1000.0;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Writes an error and its causes on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(
            [count(7), count(1_000), count(1_234_567)],
            ["7", "1,000", "1,234,567"]
        );
        assert_eq!(
            [counted(1, "row"), counted(0, "page")],
            ["1 row", "0 pages"]
        );
        assert_eq!(counted_as(1, "entry", "entries"), "1 entry");
        assert_eq!(counted_as(2_000, "entry", "entries"), "2,000 entries");
        assert_eq!([bytes(999), bytes(4_230_000)], ["999 B", "4.2 MB"]);
        let shares = [percent(1.0), percent(0.999_999), percent(0.5), percent(0.0)];
        assert_eq!(shares, ["100 %", "99.99 %", "50.00 %", "0.00 %"]);
        let durations =
            [400, 12_000, 200_000, 7_500_000].map(|ms| seconds(Duration::from_millis(ms)));
        assert_eq!(durations, ["0.4 s", "12 s", "3 min 20 s", "2 h 5 min"]);
        let minutes = [0, 59_999_999, 1_796_250_123_000_001].map(minute);
        let expected = [
            "1970-01-01 00:00 UTC",
            "1970-01-01 00:00 UTC",
            "2026-12-02 22:22 UTC",
        ];
        assert_eq!(minutes, expected);
        let ages = [9, 200, 7_500, 43_200, 273_600].map(|secs| age(Duration::from_secs(secs)));
        assert_eq!(ages, ["9 s", "3 min", "2 h 5 min", "12 h", "3 d 4 h"]);
    }

    /// A number that is written before a plural is wrong for 1. `counted` knows both forms. A total behind "of" is not counted.
    #[test]
    fn reports_and_logs_count_with_a_singular() {
        const NOUNS: [&str; 9] = [
            "rows",
            "tables",
            "files",
            "integrations",
            "requests",
            "records",
            "pages",
            "entries",
            "lines",
        ];
        let rooms = ["backfill", "cli", "ingest", "lake", "service"];
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut paths: Vec<_> = rooms.map(|room| root.join(room)).into();
        let mut wrong = Vec::new();
        while let Some(path) = paths.pop() {
            if path.is_dir() {
                let entries = std::fs::read_dir(&path).expect("a folder");
                paths.extend(entries.map(|entry| entry.expect("an entry").path()));
                continue;
            }
            if path
                .components()
                .any(|part| part.as_os_str().to_string_lossy().starts_with("tests"))
            {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            for (number, line) in text.lines().enumerate() {
                let counts = |noun: &&str| {
                    let wanted = format!("}} {noun}");
                    let mut places = line.match_indices(&wanted);
                    places.any(|(at, found)| {
                        let before = line[..at].rsplit_once('{').map_or("", |(before, _)| before);
                        let behind = &line[at + found.len()..];
                        !before.ends_with("of ") && !behind.starts_with('/')
                    })
                };
                if NOUNS.iter().any(counts) {
                    wrong.push(format!("{}:{}: {line}", path.display(), number + 1));
                }
            }
        }
        assert!(
            wrong.is_empty(),
            "count with `counted`:\n{}",
            wrong.join("\n")
        );
    }
}
