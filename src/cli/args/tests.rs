//! Every verb as people type it, and what they are told when they mistype.

mod helps;
mod kept;

use std::collections::BTreeSet;

use clap::CommandFactory;

use crate::api::Region;
use crate::config::Overrides;

use super::*;

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::from_command_line(words(line))
}

/// Splits a line of an example as a shell would, as far as the examples go.
fn words(line: &str) -> Vec<String> {
    let words = line.split_whitespace();
    words
        .map(|word| word.trim_matches('\'').to_owned())
        .collect()
}

fn backfill(flags: &str) -> BackfillArgs {
    match parse(&format!("kombo-source backfill {flags}"))
        .expect(flags)
        .verb
    {
        Verb::Backfill(args) => args,
        other => panic!("{other:?}"),
    }
}

/// The first line of what the person reads, and the exit code.
fn refused(line: &str) -> (String, u8) {
    let error = parse(line).expect_err(line);
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    (first.to_owned(), exit_code(&error))
}

#[test]
fn the_definitions_hold_together() {
    Args::command().debug_assert();
}

#[test]
fn every_verb_is_there_and_says_what_it_does() {
    let command = Args::command();
    let verbs: Vec<_> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    assert_eq!(
        verbs,
        [
            "demo",
            "generate",
            "validate",
            "check",
            "backfill",
            "run",
            "explain",
            "files",
            "sql",
            "status",
            "fold",
            "drift",
            "coverage",
            "accept",
            "upkeep",
            "lint",
            "purge",
            "repair",
            "dashboard",
            "alerts",
            "completions",
            "man",
            "twin",
        ]
    );
    for verb in command.get_subcommands() {
        assert!(verb.get_about().is_some(), "{}", verb.get_name());
        assert!(
            verb.get_after_help().is_some(),
            "{} has no example",
            verb.get_name()
        );
        for arg in verb.get_arguments() {
            assert!(
                arg.get_help().is_some(),
                "{} {}",
                verb.get_name(),
                arg.get_id()
            );
        }
    }
}

#[test]
fn a_backfill_takes_all_its_settings() {
    let args = backfill(
        "--mode delta --integration a:1 --integration b:2,c:3 --endpoint ats/* --endpoint hris/employees \
         --skip-newer-than 12h --plan --json --confirm --lake-url ./lake --region us --concurrency 8 --rate-limit 100 --data-dir d",
    );
    assert_eq!(args.mode, Kind::Delta);
    assert_eq!(args.skip_newer_than, Some(Duration::from_hours(12)));
    assert!(args.plan && args.json && args.confirm);
    let overrides = args.settings.overrides();
    assert_eq!(overrides.integrations, ["a:1", "b:2", "c:3"]);
    assert_eq!(overrides.endpoints, ["ats/*", "hris/employees"]);
    assert_eq!(overrides.lake_url.as_deref(), Some("./lake"));
    assert_eq!(overrides.region, Some(Region::Us));
    assert_eq!(overrides.concurrency.map(NonZeroU32::get), Some(8));
    assert_eq!(overrides.rate_limit.map(NonZeroU32::get), Some(100));
    assert_eq!(overrides.data_dir, Some(PathBuf::from("d")));
    assert!(!overrides.no_rate_limit);

    let args = backfill("--no-rate-limit --api-url http://127.0.0.1:8484/v1");
    assert!(args.settings.overrides().no_rate_limit);
    assert_eq!(
        args.settings.overrides().api_url.as_deref(),
        Some("http://127.0.0.1:8484/v1")
    );
}

#[test]
fn a_bare_backfill_is_full_and_leaves_all_to_the_file() {
    let args = backfill("");
    assert_eq!(args.mode, Kind::Snapshot);
    assert_eq!(args.skip_newer_than, None);
    assert!(!args.plan && !args.json && !args.confirm);
    assert_eq!(
        format!("{:?}", args.settings.overrides()),
        format!("{:?}", Overrides::default())
    );
}

#[test]
fn what_holds_for_every_verb_may_stand_before_or_after_it() {
    for line in [
        "kombo-source --config k.yaml --log-format json -vv --schemas s validate",
        "kombo-source validate --config k.yaml --log-format json -v -v --schemas s",
    ] {
        let global = parse(line).expect(line).global;
        assert_eq!(global.config, Some(PathBuf::from("k.yaml")));
        assert_eq!(global.log_format, LogFormat::Json);
        assert_eq!(global.verbosity(), 2);
        assert_eq!(global.schemas, Some(PathBuf::from("s")));
    }
    assert_eq!(
        parse("kombo-source -qq validate")
            .expect("valid")
            .global
            .verbosity(),
        -2
    );
    assert_eq!(
        parse("kombo-source validate")
            .expect("valid")
            .global
            .verbosity(),
        0
    );
}

#[test]
fn files_demo_and_twin_have_their_defaults() {
    let Verb::Lake(LakeVerb::Files(files)) =
        parse("kombo-source files --table ats_jobs --part deltas")
            .expect("valid")
            .verb
    else {
        panic!("not files");
    };
    assert_eq!(
        (files.tables, files.part, files.json),
        (vec!["ats_jobs".to_owned()], Some(FilesPart::Deltas), false)
    );
    let Verb::Demo(demo) = parse("kombo-source demo").expect("valid").verb else {
        panic!("not demo");
    };
    assert_eq!(
        (demo.lake, demo.rows, demo.seed),
        (PathBuf::from("./demo-lake"), 50_000, 1)
    );
    assert!(!demo.live);
    let Verb::Twin(twin) = parse("kombo-source twin").expect("valid").verb else {
        panic!("not twin");
    };
    assert_eq!(twin.address.to_string(), "127.0.0.1:8484");
    assert_eq!(
        (
            twin.integrations.get(),
            twin.rows,
            twin.seed,
            twin.latency_ms
        ),
        (3, 10_000, 1, 0)
    );
    assert_eq!(
        (twin.rate_limit.get(), twin.no_rate_limit, twin.truth),
        (300, false, None)
    );
    assert!(
        !twin.oddities,
        "the vendor's own client reads the twin's rows unless asked otherwise"
    );
}

#[test]
fn the_live_demo_is_small_and_has_a_lake_of_its_own() {
    let demo = |words: &str| match parse(words).expect("valid").verb {
        Verb::Demo(demo) => (demo.lake, demo.rows, demo.changes.get()),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        demo("kombo-source demo --live"),
        (PathBuf::from("./demo-live-lake"), 2_000, 5)
    );
    assert_eq!(
        demo("kombo-source demo --live --lake x --rows 7 --changes 1"),
        (PathBuf::from("x"), 7, 1)
    );
    for wrong in [
        "kombo-source demo --changes 3",
        "kombo-source demo --live --changes 0",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_twin_stands_still_and_tells_nobody_unless_asked_to() {
    let life = |words: &str| match parse(words).expect("valid").verb {
        Verb::Twin(twin) => twin.life,
        other => panic!("{other:?}"),
    };
    let still = life("kombo-source twin");
    assert_eq!((still.webhook_url, still.changes_per_minute), (None, None));
    assert!(!still.turnover && !still.control);
    assert_eq!((still.debounce_ms, still.lose_webhooks), (30_000, 0));
    assert_eq!((still.now, still.start), (false, None));
    let dated = life("kombo-source twin --start 1970-01-02T00:00:00.000Z");
    let day_two = crate::time::Moment::from_millis(86_400_000);
    assert_eq!(dated.start, Some(day_two));
    let lively = life(
        "kombo-source twin --changes-per-minute 60 --turnover --control --lose-webhooks 30 --debounce-ms 5 \
         --webhook-url http://127.0.0.1:8080/webhooks/kombo",
    );
    let target = "http://127.0.0.1:8080/webhooks/kombo".parse();
    assert_eq!(lively.webhook_url, target.ok());
    assert_eq!(
        lively.changes_per_minute.map(std::num::NonZeroU32::get),
        Some(60)
    );
    assert!(lively.turnover && lively.control);
    assert_eq!((lively.debounce_ms, lively.lose_webhooks), (5, 30));
    for wrong in [
        "kombo-source twin --turnover",
        "kombo-source twin --changes-per-minute 0",
        "kombo-source twin --lose-webhooks 101",
        "kombo-source twin --start yesterday",
        "kombo-source twin --now --start 2026-01-05T08:00:00.000Z",
        "kombo-source twin --webhook-url http://example.com/x",
    ] {
        let error = parse(wrong).expect_err(wrong);
        assert_eq!(exit_code(&error), 64, "{wrong}");
    }
}

#[test]
fn wrong_usage_is_told_in_one_line_and_exits_64() {
    let cases = [
        (
            "kombo-source backfil",
            "error: unrecognized subcommand 'backfil'",
        ),
        (
            "kombo-source backfill --integrations a:1",
            "error: unexpected argument '--integrations' found",
        ),
        (
            "kombo-source backfill --mode some",
            "error: invalid value 'some' for '--mode <MODE>'",
        ),
        (
            "kombo-source backfill --skip-newer-than 12",
            "error: invalid value '12' for '--skip-newer-than <DURATION>': a duration is a number and a unit, such as 90s, 30m, 12h, 7d or 2w",
        ),
        (
            "kombo-source backfill --region mars",
            "error: invalid value 'mars' for '--region <REGION>'",
        ),
        (
            "kombo-source backfill --concurrency 0",
            "error: invalid value '0' for '--concurrency <N>': it must be a whole number from 1 to 4294967295",
        ),
        (
            "kombo-source backfill --rate-limit 5 --no-rate-limit",
            "error: the argument '--rate-limit <N>' cannot be used with '--no-rate-limit'",
        ),
        (
            "kombo-source backfill --region eu --api-url https://x/v1",
            "error: the argument '--region <REGION>' cannot be used with '--api-url <URL>'",
        ),
        (
            "kombo-source files",
            "error: the following required arguments were not provided:",
        ),
        (
            "kombo-source twin --address localhost",
            "error: invalid value 'localhost' for '--address <ADDRESS>': it must be an address with a port, such as 127.0.0.1:8484",
        ),
        (
            "kombo-source -q -v validate",
            "error: the argument '--quiet...' cannot be used with '--verbose...'",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(refused(line), (expected.to_owned(), 64), "{line}");
    }
}

#[test]
fn help_that_was_asked_for_is_no_error() {
    for line in [
        "kombo-source --help",
        "kombo-source -h",
        "kombo-source backfill --help",
        "kombo-source --version",
    ] {
        assert_eq!(refused(line).1, 0, "{line}");
    }
    assert_eq!(refused("kombo-source").1, 64);
}

#[test]
fn the_api_key_is_no_flag_and_every_setting_has_its_variable() {
    let command = Args::command();
    let verb = command.find_subcommand("backfill").expect("a verb");
    let variables: BTreeSet<_> = verb
        .get_arguments()
        .filter_map(|arg| arg.get_env()?.to_str())
        .collect();
    let expected = [
        "KOMBO_API_URL",
        "KOMBO_CONCURRENCY",
        "KOMBO_DATA_DIR",
        "KOMBO_ENDPOINTS",
        "KOMBO_INTEGRATIONS",
        "KOMBO_INTEGRATIONS_FILE",
        "KOMBO_LAKE_URL",
        "KOMBO_RATE_LIMIT",
        "KOMBO_REGION",
    ];
    assert_eq!(variables, BTreeSet::from(expected));
    assert!(
        refused("kombo-source backfill --api-key x")
            .0
            .contains("unexpected argument")
    );
}
