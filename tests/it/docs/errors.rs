//! `docs/errors.md`: every code of Kombo is there, and every text that is shown as printed can be printed.

use std::fs;
use std::ops::Range;

use super::assert_none;
use super::page::Page;
use crate::source_text::{root, sources};

const PAGE: &str = "docs/errors.md";
const CODES: &str = "src/api/error/codes.rs";

/// The shortest text, without its values, that a line has to share with the source.
const LEAST: usize = 5;

fn page() -> Page {
    Page::read(&root().join(PAGE))
}

#[test]
fn docs_errors_have_every_code_of_kombo_with_an_anchor() {
    let text = fs::read_to_string(root().join(CODES)).expect("readable");
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let is_code = |text: &&str| {
        text.split_once('.')
            .is_some_and(|(area, name)| is_word(area) && is_word(name))
    };
    let codes: Vec<&str> = text.split('"').filter(is_code).collect();
    assert!(codes.len() >= 28, "{CODES} has {} codes", codes.len());
    let page = page();
    let anchors = page.anchors();
    let lacks = |code: &&&str| {
        let anchor = code.to_lowercase().replace('.', "");
        !page.text.contains(&format!("`{code}`")) || !anchors.contains(&anchor)
    };
    let lacking: Vec<_> = codes.iter().filter(lacks).collect();
    assert!(
        lacking.is_empty(),
        "{PAGE} lacks {lacking:?}, or their anchors"
    );
}

/// A line consists of texts of the source in which values took the place of `{…}`. Each plain word of a line has to stand
/// in such a text, but for the first, which says what kind of line it is.
#[test]
fn docs_errors_are_texts_that_the_program_prints() {
    let literals = literals();
    let mut wrong = Vec::new();
    for block in page().blocks() {
        if block.language != "text" {
            continue;
        }
        for (line, at) in block.text.lines().zip(block.line + 1..) {
            let unknown = unknown_words(&literals, line);
            if !unknown.is_empty() {
                wrong.push(format!("{PAGE}:{at}: {unknown:?} of: {line}"));
            }
        }
    }
    assert_none("texts that the source does not have", &wrong);
}

/// The answers in the table of refused webhooks are texts of the listener.
#[test]
fn docs_errors_have_the_listener_s_refusals() {
    let texts: Vec<String> = sources("src/listener")
        .into_iter()
        .map(|source| source.text)
        .collect();
    let page = page();
    let (_, table) = page
        .text
        .split_once("## Refused webhooks")
        .expect("the page has the section");
    let rows = table.lines().filter(|line| {
        line.starts_with("| ") && line[2..].starts_with(|c: char| c.is_ascii_digit())
    });
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let answers: Vec<&str> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let unknown: Vec<_> = answers
        .iter()
        .filter(|answer| {
            !texts
                .iter()
                .any(|text| text.contains(&format!("\"{answer}\\n\"")))
        })
        .collect();
    assert!(
        answers.len() > 8 && unknown.is_empty(),
        "{PAGE}: {unknown:?}"
    );
}

/// Returns the texts in quotes of `src`, each split at its `{…}`.
fn literals() -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
    for source in sources("src")
        .iter()
        .filter(|source| !is_test(&source.path))
    {
        let code = source.text.split("#[cfg(test)]\nmod tests {").next();
        // A line that ends in a backslash goes on without its indentation.
        let mut text = String::new();
        for line in code.unwrap_or_default().lines() {
            if text.ends_with('\\') {
                text.pop();
                text.push_str(line.trim_start());
            } else {
                text.push('\n');
                text.push_str(line);
            }
        }
        let text = text.replace("\\\"", "\u{1}");
        for line in text.lines() {
            let quoted = line.split('"').skip(1).step_by(2);
            // Each printed line is judged by itself.
            let lines = quoted.flat_map(|literal| literal.split("\\n"));
            found.extend(lines.map(|literal| parts(&literal.replace('\u{1}', "\""))));
        }
    }
    found.retain(|parts| parts.iter().map(String::len).sum::<usize>() >= LEAST);
    found
}

/// Splits a format text at its values.
fn parts(literal: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in literal.chars() {
        match c {
            '{' => {
                depth += 1;
                parts.push(String::new());
            }
            '}' => depth = 0,
            _ if depth == 0 => parts.last_mut().expect("never empty").push(c),
            _ => {}
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Returns where the parts stand in the line, one after the other; none when one of them does not.
fn places(parts: &[String], line: &str) -> Option<Vec<Range<usize>>> {
    let mut from = 0;
    let places = parts.iter().map(|part| {
        let part = part.trim();
        let start = from + line[from..].find(part)?;
        from = start + part.len();
        Some(start..from)
    });
    places.collect()
}

/// Returns the plain words of a line that stand in no text of the source.
fn unknown_words<'a>(literals: &[Vec<String>], line: &'a str) -> Vec<&'a str> {
    let found = literals.iter().filter_map(|literal| places(literal, line));
    let known: Vec<Range<usize>> = found.flatten().collect();
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    // What follows `…` is up to the operating system or a library.
    let words = words.by_ref().skip(1).take_while(|word| *word != "…");
    let is_unknown = |word: &&str| {
        let plain = word.trim_matches(|c: char| c.is_ascii_punctuation());
        let is_plain =
            !word.contains('"') && plain.len() > 2 && plain.bytes().all(|b| b.is_ascii_lowercase());
        let start = plain.as_ptr() as usize - line.as_ptr() as usize;
        let end = start + plain.len();
        is_plain
            && !known
                .iter()
                .any(|range| range.start <= start && end <= range.end)
    };
    words.filter(is_unknown).collect()
}

#[test]
fn a_text_is_found_with_its_values() {
    let text = parts("the log of {table} is damaged: {what}");
    assert_eq!(text, ["the log of ", " is damaged: "]);
    let known = |line| unknown_words(std::slice::from_ref(&text), line);
    assert!(known("failed the log of ats_tags/deltas is damaged: … no line").is_empty());
    assert_eq!(
        known("failed the log of ats_tags/deltas is broken: … no line"),
        ["the", "log", "broken:"]
    );
}
