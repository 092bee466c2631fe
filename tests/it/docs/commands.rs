//! The command lines of a page, and whether the program takes them.

use clap::error::ErrorKind;
use clap::{Arg, Command, CommandFactory};
use kombo_source::cli::args::Args;

use super::page::Page;

const PROGRAM: &str = "kombo-source";

/// Returns each command line of the program on a page: its line, its words, and whether it can be run as it stands.
///
/// A line after `$ ` in a block is complete, and so is a line of a shell block. What stands in back-ticks, or in a block
/// of another language, may leave out what the program needs.
pub(super) fn of(page: &Page) -> Vec<(usize, String, bool)> {
    let mut found = Vec::new();
    for (line, code) in page.inline_code() {
        if code.starts_with(&format!("{PROGRAM} ")) {
            found.extend(commands(&code).map(|command| (line, command, false)));
        }
    }
    for block in page.blocks() {
        let is_shell = ["sh", "bash", "shell"].contains(&block.language.as_str());
        let mut lines = block.text.lines().zip(block.line + 1..);
        while let Some((line, at)) = lines.next() {
            let mut line = line.trim().to_owned();
            while line.ends_with('\\') {
                line.pop();
                let (next, _) = lines.next().unwrap_or_default();
                line = format!("{} {}", line.trim_end(), next.trim());
            }
            let prompt = line.strip_prefix("$ ");
            let is_complete = prompt.is_some() || is_shell;
            let commands = commands(prompt.unwrap_or(&line));
            found.extend(commands.map(|command| (at, command, is_complete)));
        }
    }
    found
}

/// Returns the parts of a shell line that run the program.
fn commands(line: &str) -> impl Iterator<Item = String> {
    let line = line.replace("cargo run --release -- ", "kombo-source ");
    let mut found = Vec::new();
    let mut rest = line.as_str();
    while let Some(at) = rest.find(&format!("{PROGRAM} ")) {
        let before = rest[..at].chars().next_back();
        let command = &rest[at..];
        let end = command_end(command);
        // There the program's name is that of its unit.
        let is_unit = ["journalctl ", "systemctl "]
            .iter()
            .any(|other| rest[..at].contains(other));
        let is_word = !is_unit && before.is_none_or(|c| c.is_whitespace() || "/\"'(=`".contains(c));
        if is_word {
            found.push(command[..end].trim().to_owned());
        }
        rest = &command[end.max(PROGRAM.len())..];
    }
    found.into_iter()
}

/// Returns where a command ends: at a pipe, a redirection, a comment or another command that is not in quotes.
fn command_end(text: &str) -> usize {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '|' | '>' | ';' | '&' | ')' | '`') => return at,
            (None, '#') if before == ' ' => return at,
            // Help texts and pages put a remark two spaces or more behind a command.
            (None, ' ') if before == ' ' && at > 0 => return at,
            _ => {}
        }
        before = c;
    }
    text.len()
}

/// Checks a command line. A complete one has to be taken; of the rest each verb and flag has to exist.
pub(super) fn check(command: &str, is_complete: bool) -> Result<(), String> {
    let words = words(command);
    let verb = words.get(1).map_or("", String::as_str);
    let is_verb = verb.starts_with(|c: char| c.is_ascii_lowercase() || c == '-');
    if !is_verb || words.iter().any(|word| word == "…" || word == "...") {
        return Ok(());
    }
    if is_complete {
        return match Args::from_command_line(&words) {
            Ok(_) => Ok(()),
            Err(error) if is_asked_for(error.kind()) => Ok(()),
            Err(error) => Err(first_line(&error.to_string())),
        };
    }
    flags_exist(&words)
}

fn is_asked_for(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

fn flags_exist(words: &[String]) -> Result<(), String> {
    let program = Args::command();
    let global: Vec<Arg> = program.get_arguments().cloned().collect();
    let mut known = vec!["--help".to_owned(), "-h".to_owned()];
    let verb = words[1].as_str();
    if verb.starts_with('-') {
        known.extend(["--version", "-V"].map(str::to_owned));
    }
    known.extend(global.iter().flat_map(flags));
    match program.find_subcommand(verb) {
        Some(subcommand) => known.extend(Command::get_arguments(subcommand).flat_map(flags)),
        None if verb.starts_with('-') => {}
        // In a block of output the words after the name may be a sentence.
        None if !words.iter().any(|word| word.starts_with("--")) && words.len() > 2 => {
            return Ok(());
        }
        None => return Err(format!("no verb is called {verb:?}")),
    }
    for word in words.iter().skip(1).filter(|word| word.starts_with('-')) {
        let flag = word.split('=').next().unwrap_or(word).trim_end_matches(',');
        if !known.iter().any(|known| known == flag) {
            return Err(format!("{verb} has no {flag}"));
        }
    }
    Ok(())
}

fn flags(arg: &Arg) -> Vec<String> {
    let long = arg.get_long().map(|long| format!("--{long}"));
    let short = arg.get_short().map(|short| format!("-{short}"));
    long.into_iter().chain(short).collect()
}

/// Splits a command as a shell does, as far as pages need it.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().expect("never empty").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn commands_are_found_and_judged() {
    let text = "`kombo-source lint --table x` and `kombo-source lint --tabel x`\n\
                ```console\n$ kombo-source generate > kombo.yaml   # a remark\n$ kombo-source fold \\\n    --nothing\n```\n\
                ```text\nkombo-source stops: no more\nsee kombo-source frob --x\n```\n";
    let page = Page {
        path: "page.md".to_owned(),
        text: text.to_owned(),
    };
    let wrong: Vec<_> = of(&page)
        .into_iter()
        .filter(|(_, command, is_complete)| check(command, *is_complete).is_err())
        .map(|(_, command, _)| command)
        .collect();
    assert_eq!(
        wrong,
        [
            "kombo-source lint --tabel x",
            "kombo-source fold --nothing",
            "kombo-source frob --x"
        ]
    );
}
