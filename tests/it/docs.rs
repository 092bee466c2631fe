//! The Markdown files of the repository: their links, anchors, commands, file names and configurations.
//!
//! A page is checked as text. Commands are parsed by the program's own command line, and configurations are loaded by
//! the program's own reader, so a page cannot name a flag or an option that does not exist.

mod commands;
mod configuration;
mod errors;
mod metrics;
mod oncall;
mod options;
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use kombo_source::config::{Config, Overrides};

use crate::source_text::root;
use page::Page;

/// The most bytes that README may have.
const README_BYTES: usize = 9_216;

/// The sections that a configuration may begin with.
const CONFIGURATION_KEYS: &[&str] = &["data_dir:", "api:", "sources:", "sinks:"];

/// The smallest sections that complete a block of a page that holds one of the two only.
const SOURCES: &str = "sources: {kombo: {type: kombo}}";
const SINKS: &str = "sinks: {lake: {type: delta_lake, inputs: [kombo], url: ./kombo-lake}}";

#[test]
fn docs_links_and_anchors_exist() {
    let pages = Page::all();
    let anchors: BTreeMap<&str, _> = pages
        .iter()
        .map(|page| (page.path.as_str(), page.anchors()))
        .collect();
    let mut wrong = Vec::new();
    for page in &pages {
        for (line, target) in page.links() {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let Some(path) = page.resolve(path) else {
                wrong.push(format!(
                    "{}:{line}: {target} leaves the repository",
                    page.path
                ));
                continue;
            };
            if !root().join(&path).exists() {
                wrong.push(format!("{}:{line}: {target}: no such file", page.path));
            } else if !anchor.is_empty() {
                let known = anchors.get(path.as_str());
                if !known.is_some_and(|known| known.contains(anchor)) {
                    wrong.push(format!("{}:{line}: {target}: no such heading", page.path));
                }
            }
        }
    }
    assert_none("links lead nowhere", &wrong);
}

/// A page that no other page links to is found by nobody.
#[test]
fn docs_pages_are_linked_from_another_page() {
    let pages = Page::all();
    let links = pages.iter().flat_map(|page| {
        let links = page.links().into_iter();
        links.filter_map(|(_, target)| {
            let target = target.split('#').next().unwrap_or_default();
            page.resolve(target).filter(|path| *path != page.path)
        })
    });
    let linked: BTreeSet<String> = links.collect();
    let lonely = pages.iter().map(|page| page.path.clone());
    let lonely: Vec<String> = lonely
        .filter(|path| path.starts_with("docs/") && !linked.contains(path))
        .collect();
    assert_none("pages that no page links to", &lonely);
}

#[test]
fn docs_commands_are_taken_by_the_program() {
    let mut wrong = Vec::new();
    for page in Page::all() {
        for (line, command, is_complete) in commands::of(&page) {
            if let Err(reason) = commands::check(&command, is_complete) {
                wrong.push(format!("{}:{line}: `{command}`: {reason}", page.path));
            }
        }
    }
    assert_none("commands that the program does not take", &wrong);
}

/// A name such as `tests/it/docs.rs` or `tests/it/docs.rs::name_of_a_test` in back-ticks is a promise.
#[test]
fn docs_files_that_are_named_exist() {
    const FOLDERS: &[&str] = &[
        "tests/",
        "src/",
        "docs/",
        "benches/",
        "examples/",
        "fixtures/",
        "schemas/",
        ".ci/",
    ];
    let mut wrong = Vec::new();
    for page in Page::all() {
        for (line, code) in page.inline_code() {
            let is_path = code
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"/_.-:".contains(&b));
            if !is_path || !FOLDERS.iter().any(|folder| code.starts_with(folder)) {
                continue;
            }
            let (path, test) = code.split_once("::").unwrap_or((&code, ""));
            let path = root().join(path);
            if !path.exists() {
                wrong.push(format!("{}:{line}: `{code}`: no such file", page.path));
            } else if !test.is_empty() && !names_function(&path, test) {
                wrong.push(format!("{}:{line}: `{code}`: no such function", page.path));
            }
        }
    }
    assert_none("files that are named and do not exist", &wrong);
}

#[test]
fn docs_configurations_load() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut wrong = Vec::new();
    for page in Page::all() {
        for block in page.blocks() {
            let mut lines = block.text.lines();
            let first = lines.find(|line| !line.trim().is_empty() && !line.starts_with('#'));
            let begins = |line: &str| CONFIGURATION_KEYS.iter().any(|key| line.starts_with(key));
            if block.language != "yaml" || !first.is_some_and(begins) {
                continue;
            }
            let file = folder.path().join("kombo.yaml");
            fs::write(&file, completed(&block.text)).expect("written");
            if let Err(error) = Config::load(Some(&file), &Overrides::default()) {
                wrong.push(format!("{}:{}: {error}", page.path, block.line));
            }
        }
    }
    assert_none("configurations that do not load", &wrong);
}

#[test]
fn docs_readme_is_short() {
    let bytes = fs::read(root().join("README.md")).expect("readable").len();
    assert!(
        bytes <= README_BYTES,
        "README.md has {bytes} bytes, {README_BYTES} at most: move what only some readers need into docs/"
    );
}

/// Adds the section that a block leaves out.
fn completed(block: &str) -> String {
    let has = |key: &str| block.lines().any(|line| line.starts_with(key));
    let mut text = block.to_owned();
    for (key, section) in [("sources:", SOURCES), ("sinks:", SINKS)] {
        if !has(key) {
            text = format!("{text}\n{section}\n");
        }
    }
    text
}

/// Compares a file, from a line on, with what it has to say; writes it when `KOMBO_RENEW_DOCS` is set.
fn renewed(path: &str, line: &str, text: &str) {
    let file = root().join(path);
    let old = fs::read_to_string(&file).expect("readable");
    let (head, _) = old
        .split_once(line)
        .unwrap_or_else(|| panic!("{path} lacks the line {line}"));
    let new = if line.is_empty() {
        text.to_owned()
    } else {
        format!("{head}{line}{text}")
    };
    if old == new {
        return;
    }
    assert!(
        std::env::var_os("KOMBO_RENEW_DOCS").is_some(),
        "{path} is not what the code says; run: KOMBO_RENEW_DOCS=1 cargo test --test it docs"
    );
    fs::write(&file, new).expect("written");
}

fn names_function(file: &Path, name: &str) -> bool {
    let name = name.rsplit("::").next().unwrap_or(name);
    let text = fs::read_to_string(file).unwrap_or_default();
    ["fn ", "def "]
        .iter()
        .any(|word| text.contains(&format!("{word}{name}(")))
}

fn assert_none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}
