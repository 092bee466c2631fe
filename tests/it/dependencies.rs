//! Rules about dependencies: sources, licences, and crates that must occur once or not at all.

use std::fs;
use std::process::Command;

use serde_json::Value;

/// The beginning of Cargo's ids of registries. Ids of git repositories begin differently, and path dependencies have
/// none.
const REGISTRY: &str = "registry+";

/// Licences that demand only a notice.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates whose types occur in our signatures. A second version would not compile together, or would double the build
/// time.
const ONE_VERSION: &[&str] = &["arrow", "parquet", "object_store", "reqwest"];

/// Table crates that depend on older versions of Arrow, and the C library that rustls replaces.
const NEVER: &[&str] = &[
    "deltalake",
    "deltalake-core",
    "datafusion",
    "iceberg",
    "openssl-sys",
];

#[test]
fn every_dependency_comes_from_the_registry() {
    for package in dependencies() {
        let source = package["source"].as_str().unwrap_or_default();
        assert!(
            source.starts_with(REGISTRY),
            "{} is not from the registry",
            name(&package)
        );
    }
}

#[test]
fn every_licence_asks_for_no_more_than_a_notice() {
    for package in dependencies() {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(
            is_allowed(licence),
            "{} is under {licence:?}, which LICENCES does not allow",
            name(&package)
        );
    }
}

#[test]
fn a_licence_expression_is_read_as_spdx_means_it() {
    assert!(is_allowed("GPL-3.0 OR MIT"));
    assert!(is_allowed("GPL-3.0/MIT"));
    assert!(is_allowed("(GPL-3.0 OR MIT) AND ISC"));
    assert!(is_allowed("GPL-3.0 AND ISC OR MIT"));
    assert!(!is_allowed("GPL-3.0 AND MIT"));
    assert!(!is_allowed("MIT AND (GPL-3.0 OR LGPL-3.0)"));
    assert!(!is_allowed("Apache-2.0 WITH Other-exception"));
    assert!(!is_allowed(""));
}

#[test]
fn crates_whose_types_meet_are_there_in_one_version() {
    let dependencies = dependencies();
    for wanted in ONE_VERSION {
        let versions: Vec<_> = dependencies
            .iter()
            .filter(|package| name(package) == *wanted)
            .map(|package| &package["version"])
            .collect();
        assert_eq!(versions.len(), 1, "{wanted} is there as {versions:?}");
    }
}

#[test]
fn crates_that_pin_older_arrows_or_bring_openssl_are_not_there() {
    for package in dependencies() {
        assert!(
            !NEVER.contains(&name(&package)),
            "{} must not be a dependency",
            name(&package)
        );
    }
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let manifest =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("readable");
    let lines = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    let (mut above, mut count) = ("", 0);
    for line in lines {
        if line.contains('=') && !line.starts_with(['#', ' ']) {
            assert!(
                above.starts_with("# "),
                "Cargo.toml: no comment above `{line}` says why"
            );
            count += 1;
        }
        above = line;
    }
    assert!(count > 10, "only {count} dependencies found in Cargo.toml");
}

/// Returns whether the licence can be met with terms from the list: every side of an AND, one side of an OR (`/` in
/// older crates).
fn is_allowed(licence: &str) -> bool {
    let spaced = licence
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    any_of(&mut words.as_slice())
}

fn any_of(words: &mut &[&str]) -> bool {
    let mut allowed = all_of(words);
    while words.first() == Some(&"OR") {
        *words = &words[1..];
        // Both sides must be read, whatever the result of the first side.
        allowed |= all_of(words);
    }
    allowed
}

fn all_of(words: &mut &[&str]) -> bool {
    let mut allowed = one_of_list(words);
    while words.first() == Some(&"AND") {
        *words = &words[1..];
        allowed &= one_of_list(words);
    }
    allowed
}

fn one_of_list(words: &mut &[&str]) -> bool {
    match **words {
        ["(", ..] => {
            *words = &words[1..];
            let allowed = any_of(words);
            *words = words.get(1..).unwrap_or_default();
            allowed
        }
        [licence, "WITH", exception, ..] => {
            *words = &words[3..];
            LICENCES.contains(&format!("{licence} WITH {exception}").as_str())
        }
        [licence, ..] => {
            *words = &words[1..];
            LICENCES.contains(&licence)
        }
        [] => false,
    }
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap_or_default()
}

/// Returns every package except our own, for the machine that runs the tests. Packages for other machines may not be
/// downloaded.
fn dependencies() -> Vec<Value> {
    let filter = format!("--filter-platform={}", host());
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", &filter])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let ours = &metadata["workspace_members"];
    let dependencies: Vec<_> = packages
        .iter()
        .filter(|package| !ours.as_array().expect("a list").contains(&package["id"]))
        .cloned()
        .collect();
    assert!(
        dependencies.len() > 100,
        "only {} packages",
        dependencies.len()
    );
    dependencies
}

fn host() -> String {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.expect("rustc names its host").to_owned()
}
