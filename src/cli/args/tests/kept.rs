//! How long things are kept: what flags may say of it, and what helps say.

use std::time::Duration;

use clap::CommandFactory;

use super::super::{Args, LakeVerb, Verb};
use crate::config::{Config, ConfigError};
use crate::lake::{PurgeSettings, UpkeepSettings};

/// What the verb upkeep does its work with.
fn upkeep(flags: &[&str]) -> Result<UpkeepSettings, ConfigError> {
    let words = ["kombo-source", "upkeep", "--lake-url", "./lake"];
    let args = Args::from_command_line(words.iter().chain(flags)).expect("words");
    let Verb::Lake(LakeVerb::Upkeep(args)) = args.verb else {
        panic!("not upkeep");
    };
    Config::from_overrides(&args.overrides()).map(|config| config.upkeep())
}

#[test]
fn figures_in_helps_are_those_of_the_code() {
    let mut command = Args::command();
    let mut help = |verb: &str| {
        let verb = command.find_subcommand_mut(verb).expect("a verb");
        let help = verb.render_help().to_string();
        help.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let days = |span: Duration| format!("{}d", span.as_secs() / 86_400);
    let (grace, longest) = (
        days(UpkeepSettings::SHORTEST_GRACE),
        days(UpkeepSettings::LONGEST_GRACE),
    );
    assert!(help("upkeep").contains(&format!("{grace} to {longest}")));
    let deltas = days(UpkeepSettings::SHORTEST_DELTA_RETENTION);
    assert!(help("upkeep").contains(&format!("{deltas} or more")));
    let after = days(PurgeSettings::AFTER);
    assert!(help("purge").contains(&format!("default: {after}")));
}

#[test]
fn files_that_nothing_names_are_kept_for_14_to_30_days() {
    for (grace, taken) in [("13d", false), ("14d", true), ("30d", true), ("31d", false)] {
        assert_eq!(upkeep(&["--grace", grace]).is_ok(), taken, "{grace}");
    }
    let refused = upkeep(&["--grace", "13d"]).expect_err("too short");
    assert_eq!(
        (refused.to_string().as_str(), refused.exit_code()),
        (
            "--grace is 1123200, but must be at least 1209600: two weeks and twice schedule.full_interval_secs, so that no reader of a snapshot loses its files",
            64
        )
    );
}

#[test]
fn changes_are_kept_for_35_days_at_least() {
    for (retention, taken) in [("34d", false), ("35d", true), ("900d", true)] {
        let drift = ["--drift-retention", "900d"];
        let words = [&["--delta-retention", retention], &drift[..]].concat();
        assert_eq!(upkeep(&words).is_ok(), taken, "{retention}");
    }
}
