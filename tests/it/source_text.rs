//! Rust files as text: the modules and crates that they name, and the length of their functions.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One Rust file.
pub(crate) struct Source {
    /// The path below the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// Returns the path below `src/`.
    pub(crate) fn below_src(&self) -> Option<&str> {
        self.path.strip_prefix("src/")
    }

    /// Returns the top-level module of a file. Returns `None` for `lib.rs` and for tests.
    pub(crate) fn module(&self) -> Option<&str> {
        let first = self.below_src()?.split('/').next()?;
        let name = first.strip_suffix(".rs").unwrap_or(first);
        (name != "lib").then_some(name)
    }

    /// Returns the lines outside comments and tests, with their numbers.
    pub(crate) fn code(&self) -> Vec<(usize, &str)> {
        if self.path.ends_with("/tests.rs") || self.path.contains("/tests/") {
            return Vec::new();
        }
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines
            .windows(2)
            .position(|pair| pair[0] == "#[cfg(test)]" && pair[1] == "mod tests {")
            .unwrap_or(lines.len());
        lines
            .into_iter()
            .take(tests)
            .enumerate()
            .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
            .collect()
    }
}

/// Returns the top-level modules that a file names as `crate::x`, `crate::{x, y}` or, in the binary, `kombo_source::x`.
pub(crate) fn named_modules(source: &Source) -> BTreeSet<String> {
    let code: Vec<&str> = source.code().into_iter().map(|(_, line)| line).collect();
    let code = code.join("\n");
    let mut names = BTreeSet::new();
    for root in ["crate::", "kombo_source::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(is_identifier) {
                names.extend(first_names(&code[at + root.len()..]));
            }
        }
    }
    // Items of the crate's root begin with a capital letter, or are macros.
    names.retain(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    names
}

/// Returns the first identifier, or the first identifier of each member of a `{...}` group.
fn first_names(rest: &str) -> Vec<String> {
    let identifier =
        |text: &str| -> String { text.chars().take_while(|c| is_identifier(*c)).collect() };
    let Some(group) = rest.strip_prefix('{') else {
        return vec![identifier(rest)];
    };
    let mut names = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(identifier(group[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

/// Returns the types that a file defines outside functions and tests.
pub(crate) fn type_names(source: &Source) -> Vec<String> {
    let kinds = ["struct ", "enum ", "union ", "trait ", "type "];
    let name = |line: &str| {
        let code = line.strip_prefix("pub").map_or(line, |rest| {
            let rest = rest.trim_start_matches(|c| c != ' ');
            rest.trim_start()
        });
        let rest = kinds.iter().find_map(|kind| code.strip_prefix(kind))?;
        let end = rest.find(|c: char| !is_identifier(c))?;
        Some(rest[..end].to_owned())
    };
    let code = source.code();
    code.into_iter()
        .filter_map(|(_, line)| name(line))
        .collect()
}

pub(crate) fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        // `crate::lake::parquet::x` is a path of this crate.
        !before.is_some_and(|c| is_identifier(c) || c == ':')
            && (after.starts_with("::") || (line.contains("use ") && after.starts_with(';')))
    })
}

pub(crate) fn is_identifier(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Returns the first line and the number of lines of each function. Relies on rustfmt: a body ends with a `}` below its
/// `fn`.
pub(crate) fn functions(lines: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let is_function = code.starts_with("fn ")
            || (code.starts_with("pub") || code.starts_with("async") || code.starts_with("const"))
                && code.contains(" fn ");
        if !is_function || code.ends_with(['}', ';']) {
            continue;
        }
        let indent = &line[..line.len() - code.len()];
        let end = lines[start..].iter().position(|line| {
            line.strip_prefix(indent)
                .is_some_and(|rest| rest == "}" || rest.starts_with(')') && rest.ends_with(';'))
        });
        if let Some(end) = end {
            found.push((start, end + 1));
        }
    }
    found
}

pub(crate) fn sources(folder: &str) -> Vec<Source> {
    files(&root().join(folder), "rs")
        .into_iter()
        .map(|path| Source {
            text: fs::read_to_string(&path).expect("readable"),
            path: relative(&path),
        })
        .collect()
}

pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("listable").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|other| other == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn relative(path: &Path) -> String {
    let below = path.strip_prefix(root()).expect("below the repository");
    below.to_string_lossy().replace('\\', "/")
}

#[test]
fn the_scanner_sees_every_way_to_name_a_module() {
    let source = Source {
        path: "src/plan/mod.rs".to_owned(),
        text: "use crate::ids::TableId;\nuse crate::{api::{Page, http}, time, Thing};\n// crate::lake\n\
               fn f() { crate::sink::g(); other_crate::x(); }\n#[cfg(test)]\nmod tests {\n use crate::twin;\n}\n"
            .to_owned(),
    };
    let names: Vec<_> = named_modules(&source).into_iter().collect();
    assert_eq!(names, ["api", "ids", "sink", "time"]);
    assert_eq!(source.module(), Some("plan"));
    assert!(names_crate("use parquet::file;", "parquet") && names_crate("use reqwest;", "reqwest"));
    assert!(
        !names_crate("crate::lake::parquet::x", "parquet")
            && !names_crate("my_parquet::x", "parquet")
    );
}

#[test]
fn the_scanner_measures_functions_from_signature_to_closing_brace() {
    let text = "impl A {\n    pub fn a(\n        x: u8,\n    ) -> u8 {\n        if x > 1 {\n        }\n    }\n    fn b() {}\n    \
                fn c(\n        x: u8,\n    );\n}\npub(crate) async fn d() {\n}\n";
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(functions(&lines), [(1, 6), (8, 3), (12, 2)]);
}
