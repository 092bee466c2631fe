//! Help texts: their examples are right and can be copied, and verbs share their flags.

use std::collections::BTreeSet;

use clap::{ArgAction, CommandFactory};

use super::parse;
use crate::cli::args::Args;

#[test]
fn every_example_of_the_help_is_understood() {
    let mut command = Args::command();
    let mut helps = vec![command.render_help().to_string()];
    for verb in command.get_subcommands_mut() {
        helps.extend(verb.get_after_help().map(ToString::to_string));
    }
    // A backslash joins a line with the next one, as in a shell.
    let helps = helps.iter().map(|help| help.replace("\\\n", " "));
    let helps: Vec<String> = helps.collect();
    let mut seen = 0;
    for line in helps.iter().flat_map(|help| help.lines()) {
        let Some(line) = line.strip_prefix("  kombo-source") else {
            continue;
        };
        // The shell writes to the file behind >.
        let line = line.split('>').next().unwrap_or_default();
        parse(&format!("kombo-source{line}")).expect(line);
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn examples_fit_80_columns_and_paragraphs_are_wrapped_by_clap_alone() {
    let command = Args::command();
    let verbs = command.get_subcommands();
    let helps = verbs.filter_map(clap::Command::get_after_help);
    let own = command.get_after_help();
    for help in helps.chain(own).map(ToString::to_string) {
        let mut before = "";
        for line in help.lines() {
            let is_example = line.starts_with("  ");
            assert!(!is_example || line.len() <= 78, "too long: {line}");
            let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
            assert!(
                !is_prose(before) || !is_prose(line),
                "wrapped by hand: {line}"
            );
            before = line;
        }
    }
}

#[test]
fn verbs_share_their_flags() {
    let command = Args::command();
    let with = |flag: &str| -> BTreeSet<&str> {
        let has = |verb: &&clap::Command| {
            let mut flags = verb.get_arguments().filter_map(clap::Arg::get_long);
            flags.any(|long| long == flag)
        };
        let verbs = command.get_subcommands().filter(has);
        verbs.map(clap::Command::get_name).collect()
    };
    let lake = [
        "accept", "backfill", "check", "coverage", "drift", "files", "fold", "lint", "purge",
        "repair", "run", "sql", "status", "upkeep", "validate",
    ];
    assert_eq!(with("lake-url"), BTreeSet::from(lake));
    assert_eq!(with("data-dir"), BTreeSet::from(lake));
    let tables = [
        "accept", "coverage", "drift", "files", "fold", "lint", "sql", "status",
    ];
    assert_eq!(with("table"), BTreeSet::from(tables));
    let integrations = [
        "accept", "backfill", "check", "coverage", "drift", "files", "fold", "purge", "run", "sql",
        "status", "validate",
    ];
    let json = [
        "accept", "backfill", "coverage", "drift", "explain", "files", "fold", "lint", "purge",
        "repair", "status", "upkeep",
    ];
    assert_eq!(with("json"), BTreeSet::from(json));
    // `twin --integrations` is a number.
    assert_eq!(with("integration"), BTreeSet::from(integrations));
    for verb in command.get_subcommands() {
        for arg in verb.get_arguments() {
            let several = ["table", "integration", "endpoint"];
            if arg.get_long().is_some_and(|long| several.contains(&long)) {
                let name = verb.get_name();
                let action = matches!(arg.get_action(), ArgAction::Append);
                assert!(action, "{name}: {} is not repeatable", arg.get_id());
                assert_eq!(
                    arg.get_value_delimiter(),
                    Some(','),
                    "{name}: {}",
                    arg.get_id()
                );
            }
            if arg.get_long() == Some("dry-run") {
                assert_eq!(arg.get_short(), Some('n'), "{}", verb.get_name());
            }
        }
    }
}
