//! Each dependency says why it is there. Licences, sources and duplicates are checked by cargo-deny, with
//! `.cargo/deny.toml`.

use std::fs;

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
