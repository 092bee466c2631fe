//! `docs/errors.md`: every code of Kombo is there, and every text that is shown as printed can be printed.

use std::fs;

use super::assert_none;
use super::page::Page;
use crate::source_text::{root, sources};

const PAGE: &str = "docs/errors.md";
const CODES: &str = "src/api/error/codes.rs";

/// The shortest text, without its values, that a line has to share with the source.
const LEAST: usize = 12;

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

/// A line is a text of the source in which values took the place of `{…}`.
#[test]
fn docs_errors_are_texts_that_the_program_prints() {
    let literals = literals();
    let mut wrong = Vec::new();
    for block in page().blocks() {
        if block.language != "text" {
            continue;
        }
        for (line, at) in block.text.lines().zip(block.line + 1..) {
            if !literals.iter().any(|literal| prints(literal, line)) {
                wrong.push(format!("{PAGE}:{at}: {line}"));
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
    for source in sources("src") {
        // A line that ends in a backslash goes on without its indentation.
        let mut text = String::new();
        for line in source.text.lines() {
            if !text.ends_with('\\') {
                text.push('\n');
                text.push_str(line);
            } else {
                text.pop();
                text.push_str(line.trim_start());
            }
        }
        let text = text.replace("\\\"", "\u{1}");
        for line in text.lines() {
            let quoted = line.split('"').skip(1).step_by(2);
            found.extend(quoted.map(|literal| parts(&literal.replace('\u{1}', "\""))));
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

/// Returns whether the parts stand in the line one after the other.
fn prints(parts: &[String], line: &str) -> bool {
    let mut rest = line;
    parts.iter().all(|part| match rest.split_once(part.trim()) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[test]
fn a_text_is_found_with_its_values() {
    let text = parts("the log of {table} is damaged: {what}");
    assert_eq!(text, ["the log of ", " is damaged: "]);
    assert!(prints(
        &text,
        "failed: the log of ats_tags/deltas is damaged: no line"
    ));
    assert!(!prints(
        &text,
        "the log of ats_tags/deltas is broken: no line"
    ));
}
