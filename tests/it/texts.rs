//! The texts that users read: one spelling of names, one form of advice, no terms that only this program has.

use crate::source_text::{functions, sources};

/// One text of the program, without code, comments and tests.
struct Text {
    /// File and line.
    place: String,
    /// The function that holds the text, or the code right before the text, is about advice.
    is_advice: bool,
    content: String,
}

/// Terms that readers did not understand, and the terms to use.
const RIDDLES: [(&str, &str); 16] = [
    ("a look", "a check"),
    ("look at", "check"),
    ("looks at", "checks"),
    ("told", "reported"),
    ("untold", "suppressed"),
    ("heeded", "honoured"),
    ("surfaced", "reported by updated_after"),
    ("unstated", "not stated by Kombo"),
    ("anew", "again"),
    ("stands", "is"),
    ("let go", "expired"),
    ("vanish", "disappear"),
    ("vanished", "disappeared"),
    ("from the future", "created by a newer version"),
    ("taken in", "applied"),
    (
        "gone without a trace",
        "disappeared without remote_deleted_at",
    ),
];

#[test]
fn kombo_is_written_as_a_name() {
    let is_name = |text: &str, at: usize| {
        let (before, after) = (&text[..at], &text[at + "kombo".len()..]);
        let starts = before.is_empty() || before.ends_with([' ', '(']);
        let ends = after.is_empty() || after.starts_with([' ', '\'', ',', ';', ':', ')']);
        // `type: kombo` is a value in a configuration.
        starts && ends && !before.ends_with("type: ")
    };
    let wrong = texts(|text| {
        let mut small = text.match_indices("kombo");
        let small = small.any(|(at, _)| is_name(text, at));
        let key = text.contains("api key");
        (small || key).then(|| "write Kombo, API key".to_owned())
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn texts_use_terms_that_the_field_has() {
    let wrong = texts(|text| {
        let mut riddles = RIDDLES.iter();
        let (riddle, term) = riddles.find(|(riddle, _)| has_words(text, riddle))?;
        Some(format!("{riddle:?}: write {term:?}"))
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Advice follows an error on a line of its own, stands in a field of the log, and may follow a semicolon.
#[test]
fn advice_begins_in_lower_case_and_has_no_full_stop() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for one in all_texts().into_iter().filter(|one| one.is_advice) {
        seen += 1;
        let text = one.content.as_str();
        let is_name = text.starts_with("Kombo");
        let is_sentence = text.starts_with(char::is_uppercase) && !is_name;
        if is_sentence || text.ends_with('.') || text.contains(". ") {
            wrong.push(format!("{}: {text}", one.place));
        }
    }
    assert!(seen > 60, "found {seen} texts with advice only");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Returns the places at which `judge` finds a fault.
fn texts(judge: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let texts = all_texts().into_iter();
    texts
        .filter_map(|one| {
            Some(format!(
                "{}: {}: {}",
                one.place,
                judge(&one.content)?,
                one.content
            ))
        })
        .collect()
}

/// Returns the texts of several words in `src`. Leaves out SQL.
fn all_texts() -> Vec<Text> {
    let mut found = Vec::new();
    for source in sources("src") {
        let path = &source.path;
        let is_test = path.contains("/tests/") || path.ends_with("tests.rs");
        if is_test || path.starts_with("src/cli/sql/") || path.starts_with("src/company/") {
            continue;
        }
        let code = source.text.split("#[cfg(test)]\nmod tests {").next();
        let code = code.unwrap_or_default();
        let lines: Vec<&str> = code.lines().collect();
        let about_advice: Vec<_> = functions(&lines)
            .into_iter()
            .filter(|(start, _)| lines[*start].contains("advice"))
            .collect();
        for (line, before, text) in literals(code) {
            let within =
                |(start, count): &(usize, usize)| (*start..start + count).contains(&(line - 1));
            let is_advice = path.ends_with("lake/remedy.rs")
                || about_advice.iter().any(within)
                || before.ends_with("advice =")
                || before.ends_with("advice:");
            // A name, a key or a column is one word.
            if text.trim().contains(' ') {
                found.push(Text {
                    place: format!("{path}:{line}"),
                    is_advice,
                    content: text,
                });
            }
        }
    }
    found
}

/// Returns the texts in quotes outside comments, each with its line and the code before it.
fn literals(code: &str) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let (before, tail) = rest.split_at(at);
        rest = if tail.starts_with("//") {
            tail.find('\n').map_or("", |end| &tail[end..])
        } else if let Some(after) = tail.strip_prefix("'\"'").or(tail.strip_prefix("'\\\"'")) {
            after
        } else if let Some(inside) = tail.strip_prefix('"') {
            let raw = before.ends_with("r#");
            let (text, after) = if raw {
                raw_text(inside)
            } else {
                plain_text(inside)
            };
            let start = code.len() - tail.len();
            let line = code[..start].matches('\n').count() + 1;
            let code_before = code[..start].trim_end();
            let from = code_before.len().saturating_sub(80);
            let from = (from..code_before.len()).find(|at| code_before.is_char_boundary(*at));
            let code_before = &code_before[from.unwrap_or_default()..];
            found.push((line, code_before.to_owned(), text));
            after
        } else {
            &tail[1..]
        };
    }
    found
}

fn raw_text(inside: &str) -> (String, &str) {
    let (text, after) = inside.split_once("\"#").unwrap_or((inside, ""));
    (text.to_owned(), after)
}

/// Returns the text up to its closing quote. A line that ends in a backslash goes on without its indentation.
fn plain_text(inside: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, &inside[at + 1..]),
            '\\' => match chars.next() {
                Some((at, '\n')) => {
                    let indent = inside[at..].len() - inside[at..].trim_start().len();
                    for _ in 1..indent {
                        chars.next();
                    }
                }
                Some((_, 'n')) => text.push('\n'),
                Some((_, c)) => text.push(c),
                None => {}
            },
            c => text.push(c),
        }
    }
    (text, "")
}

fn has_words(text: &str, words: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(words).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + words.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

#[test]
fn texts_are_found_without_code_and_comments() {
    let code = "let advice =\n    \"a \\\"b\\\" \\\n     c\"; // \"no\"\nf('\"', r#\"d \"e\"\"#);";
    let found = literals(code);
    let texts: Vec<_> = found
        .iter()
        .map(|(line, _, text)| (*line, text.as_str()))
        .collect();
    assert_eq!(texts, [(2, "a \"b\" c"), (4, "d \"e\"")]);
    assert!(found[0].1.ends_with("advice ="));
    assert!(has_words("it was told", "told") && !has_words("untold", "told"));
}
