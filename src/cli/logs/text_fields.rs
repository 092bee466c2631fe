//! A log line as text: the message, the error, what to do, and those fields that the message does not say.
//!
//! The fields of a line are for machines, and the JSON format writes all of them. A person reads the message. A field whose
//! value stands in the message would only say the same again, so the text format leaves it out.

use std::fmt;
use std::time::Duration;

use tracing::Event;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

use crate::words::{age, bytes, count, seconds, with_causes};

/// Fields that follow the message after a colon: why it happened.
const REASONS: [&str; 2] = ["error", "reason"];

/// The field that follows after a semicolon: what to do.
const ADVICE: &str = "advice";

/// Numbers whose name is no noun. A sentence says them with the noun that they count, such as `3 rows`.
const WITHOUT_NOUN: [&str; 6] = ["count", "found", "gone", "left", "shown", "unconfirmed"];

/// Writes the fields of an event as one sentence for people.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextFields;

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut line = TextLine::default();
        fields.record(&mut line);
        write_visible(&mut writer, &line.sentence())
    }
}

/// The fields of one event.
#[derive(Debug, Default)]
pub(super) struct TextLine {
    message: String,
    fields: Vec<(&'static str, FieldValue)>,
}

/// The value of a field, as far as the text format distinguishes values.
#[derive(Debug)]
enum FieldValue {
    Number(u64),
    Text(String),
}

impl TextLine {
    /// Reads the fields of an event.
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut line = Self::default();
        event.record(&mut line);
        line
    }

    /// Takes the text of a field out of the line.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.fields.iter().position(|(field, _)| *field == name)?;
        match self.fields.swap_remove(at).1 {
            FieldValue::Text(text) => Some(text),
            FieldValue::Number(_) => None,
        }
    }

    fn add(&mut self, field: &Field, value: FieldValue) {
        match value {
            FieldValue::Text(text) if field.name() == "message" => self.message = text,
            value => self.fields.push((field.name(), value)),
        }
    }

    /// Returns the message, the reason, the advice, and then each field that none of them says.
    pub(super) fn sentence(&self) -> String {
        let mut sentence = self.message.clone();
        let reasons = REASONS.map(|name| (name, ": "));
        for (wanted, before) in reasons.into_iter().chain([(ADVICE, "; ")]) {
            let named = self.fields.iter().filter(|(name, _)| *name == wanted);
            for (_, value) in named {
                if let FieldValue::Text(text) = value
                    && !text.is_empty()
                    && !is_said(&sentence, wanted, value)
                {
                    sentence.push_str(before);
                    sentence.push_str(text);
                }
            }
        }
        let unsaid = self.fields.iter().filter(|(name, value)| {
            let has_place = *name == ADVICE || REASONS.contains(name);
            !has_place && !is_said(&sentence, name, value)
        });
        let unsaid: Vec<_> = unsaid
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if unsaid.is_empty() {
            return sentence;
        }
        format!("{sentence} ({})", unsaid.join(", "))
    }
}

impl Visit for TextLine {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, FieldValue::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, FieldValue::Text(value.to_owned()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, FieldValue::Number(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, FieldValue::Text(with_causes(value)));
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) if text.contains([' ', ',', '(', ')', '"']) => write!(f, "{text:?}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Returns whether a sentence says a field's value. Nothing has to be said of zero and of an empty text.
fn is_said(sentence: &str, name: &'static str, value: &FieldValue) -> bool {
    match value {
        FieldValue::Text(text) => text.is_empty() || after(sentence, text).next().is_some(),
        FieldValue::Number(0) => true,
        FieldValue::Number(number) => is_number_said(sentence, name, *number),
    }
}

/// Returns whether a sentence says a number in the unit that the field's name ends with, or else with a noun of that name.
fn is_number_said(sentence: &str, name: &'static str, number: u64) -> bool {
    let said = |text: String| after(sentence, &text).next().is_some();
    match name.rsplit(['_', '.']).next() {
        Some("ms") => said(seconds(Duration::from_millis(number))),
        Some("secs") => {
            let duration = Duration::from_secs(number);
            said(seconds(duration)) || said(age(duration))
        }
        Some("bytes") => said(bytes(number)),
        _ if WITHOUT_NOUN.contains(&name) => said(count(number)),
        _ => {
            let singular = |noun: &'static str| {
                let stem = noun.strip_suffix("ies").or(noun.strip_suffix('s'));
                stem.unwrap_or(noun)
            };
            let nouns = || name.split(['_', '.']).map(singular);
            after(sentence, &count(number)).any(|rest| {
                let ends = |c: char| c.is_ascii_digit() || ",;:()".contains(c);
                let rest = rest.split(ends).next().unwrap_or_default();
                nouns().any(|noun| rest.contains(noun))
            })
        }
    }
}

/// Returns what follows each place where `text` stands in a sentence as a whole word.
fn after<'a>(sentence: &'a str, text: &'a str) -> impl Iterator<Item = &'a str> {
    let ends_before = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric());
    let begins_after = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric());
    let places = sentence.match_indices(text);
    let places = places.map(move |(at, _)| (&sentence[..at], &sentence[at + text.len()..]));
    let whole = places.filter(move |(before, rest)| ends_before(before) && begins_after(rest));
    whole.map(|(_, rest)| rest)
}

/// Writes a text on one line. A character that would start a line, or that a terminal would obey, is written as an escape.
fn write_visible(writer: &mut impl fmt::Write, text: &str) -> fmt::Result {
    text.chars().try_for_each(|c| match c {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            write!(writer, "{}", c.escape_unicode())
        }
        c if c.is_control() => write!(writer, "{}", c.escape_default()),
        c => writer.write_char(c),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> FieldValue {
        FieldValue::Text(text.to_owned())
    }

    fn sentence(message: &str, fields: Vec<(&'static str, FieldValue)>) -> String {
        let message = message.to_owned();
        TextLine { message, fields }.sentence()
    }

    #[test]
    fn a_text_line_says_a_thing_once() {
        let line = sentence(
            "snapshot of ats/jobs of greenhouse:a: 1,200 rows of 3 pages committed in 0.2 s",
            vec![
                ("integration.id", text("greenhouse:a")),
                ("endpoint", text("ats/jobs")),
                ("mode", text("snapshot")),
                ("rows", FieldValue::Number(1200)),
                ("pages", FieldValue::Number(3)),
                ("elapsed_ms", FieldValue::Number(223)),
            ],
        );
        let said = "snapshot of ats/jobs of greenhouse:a: 1,200 rows of 3 pages committed in 0.2 s";
        assert_eq!(line, said);
    }

    #[test]
    fn a_text_line_ends_with_reason_and_advice_and_with_what_it_has_not_said() {
        let fields = vec![
            ("advice", text("free space on the lake's disk")),
            ("table", text("ats_jobs/deltas")),
            ("error", text("there is no space left on the disk")),
            ("attempts", FieldValue::Number(3)),
            ("state", text("paused, twice")),
            ("left", FieldValue::Number(0)),
        ];
        let line = sentence("writing ats_jobs failed", fields);
        let said = "writing ats_jobs failed: there is no space left on the disk; free space on the lake's disk (table=ats_jobs/deltas, attempts=3, state=\"paused, twice\")";
        assert_eq!(line, said);
    }

    #[test]
    fn a_number_is_said_by_its_noun_or_unit_and_not_by_any_equal_number() {
        let number = |sentence: &str, name, value| is_number_said(sentence, name, value);
        assert!(number("2 tables are late", "late_tables", 2));
        assert!(number("3 small files merged, 4 rows", "merged_files", 3));
        assert!(!number("2 tables with 7 rows", "rows", 2));
        assert!(!number("12 rows", "rows", 2), "another number");
        assert!(number(
            "the oldest base is 2 h old",
            "oldest_base_secs",
            7200
        ));
        assert!(number("4.2 MB deleted", "deleted_bytes", 4_200_000));
        assert!(!number("ended in 0.3 s", "elapsed_ms", 900));
        assert!(number("1 log entry deleted", "entries", 1));
        assert!(number("marked 3 rows as absent", "gone", 3));
    }

    #[test]
    fn a_value_inside_another_word_is_not_said() {
        assert!(!is_said(
            "fetching ats/jobs2",
            "endpoint",
            &text("ats/jobs")
        ));
        assert!(is_said(
            "fetching (ats/jobs)",
            "endpoint",
            &text("ats/jobs")
        ));
    }

    #[test]
    fn nothing_in_a_line_begins_another_line_or_moves_the_cursor() {
        let mut written = String::new();
        write_visible(&mut written, "a\nb\u{1b}[2J\u{202e}é").expect("a String takes every text");
        assert_eq!(written, "a\\nb\\u{1b}[2J\\u{202e}é");
    }
}
