//! Invalid values and unknown options, with the exact messages.

use super::super::Config;
use super::{Overrides, SHORT, load, load_over, message};
use crate::api::Region;

/// Loads a file with options of the source. They begin at line 4.
pub(super) fn source(options: &str) -> String {
    let options = indented(options);
    let text = format!(
        "sources:\n  kombo:\n    type: kombo\n{options}sinks:\n  lake: {{type: delta_lake, inputs: [kombo], url: ./lake}}\n"
    );
    message(load("kombo.yaml", &text))
}

fn indented(options: &str) -> String {
    options
        .lines()
        .fold(String::new(), |text, line| text + "    " + line + "\n")
}

/// Loads a file with options of the sink. They begin at line 5.
pub(super) fn sink(options: &str) -> String {
    let options = indented(options);
    let text = format!(
        "sources:\n  kombo: {{type: kombo}}\nsinks:\n  lake:\n{options}    type: delta_lake\n"
    );
    message(load("kombo.yaml", &text))
}

pub(super) fn document(text: &str) -> String {
    message(load("kombo.yaml", text))
}

#[test]
fn unknown_options_get_the_nearest_name_or_all() {
    let cases = [
        (
            source("\nregion: eu\nintergrations: []"),
            "kombo.yaml:6: unknown option \"intergrations\" in sources.kombo; did you mean \"integrations\"?",
        ),
        (
            source("request:\n  rate_limit: 5"),
            "kombo.yaml:5: unknown option \"rate_limit\" in sources.kombo.request; did you mean \"rate_limit_num\"?",
        ),
        (
            source("webhook:\n  adress: x"),
            "kombo.yaml:5: unknown option \"adress\" in sources.kombo.webhook; did you mean \"address\"?",
        ),
        (
            source("schedule: {xyz: 1}"),
            "kombo.yaml:4: unknown option \"xyz\" in sources.kombo.schedule; valid are full_interval_secs, heartbeat_interval_secs, nested_refresh_secs, freshness_objective_secs",
        ),
        (
            sink("input: [kombo]\nurl: ./lake"),
            "kombo.yaml:5: unknown option \"input\" in sinks.lake; did you mean \"inputs\"?",
        ),
        (
            sink("inputs: [kombo]\nURL: ./lake"),
            "kombo.yaml:6: unknown option \"URL\" in sinks.lake; did you mean \"url\"?",
        ),
        (
            document(&format!("source: {{}}\n{SHORT}")),
            "kombo.yaml:1: unknown option \"source\" in the document; did you mean \"sources\"?",
        ),
    ];
    for (said, expected) in cases {
        assert_eq!(said, expected);
    }
}

#[test]
fn wrong_types_say_what_is_there_and_what_must_be() {
    let cases = [
        (
            source("integrations: personio:1"),
            "kombo.yaml:4: sources.kombo.integrations is text, but must be a list",
        ),
        (
            source("endpoints:\n  - ats/*\n  - 5"),
            "kombo.yaml:6: sources.kombo.endpoints[1] is a number, but must be text",
        ),
        (
            source("request: {concurrency: many}"),
            "kombo.yaml:4: sources.kombo.request.concurrency is text, but must be a whole number of at least 1",
        ),
        (
            source("request: {concurrency: 2.5}"),
            "kombo.yaml:4: sources.kombo.request.concurrency is a number, but must be a whole number of at least 1",
        ),
        (
            source("request: {rate_limit_enabled: yes}"),
            "kombo.yaml:4: sources.kombo.request.rate_limit_enabled is text, but must be true or false",
        ),
        (
            source("request: [4]"),
            "kombo.yaml:4: sources.kombo.request is a list, but must be a map of options",
        ),
        (
            source("api_key_file: {file: x}"),
            "kombo.yaml:4: sources.kombo.api_key_file is a map, but must be text",
        ),
        (
            source("plan: true"),
            "kombo.yaml:4: sources.kombo.plan is true or false, but must be text",
        ),
        (
            sink("inputs: kombo\nurl: ./lake"),
            "kombo.yaml:5: sinks.lake.inputs is text, but must be a list",
        ),
        (
            sink("inputs: [kombo]\nurl: ./lake\noptions: {a: [1]}"),
            "kombo.yaml:7: sinks.lake.options.a is a list, but must be text",
        ),
        (
            document("- a"),
            "kombo.yaml:1: the document is a list, but must be a map of options",
        ),
    ];
    for (said, expected) in cases {
        assert_eq!(said, expected);
    }
}

#[test]
fn numbers_out_of_range_are_shown_with_the_range() {
    let cases = [
        (
            source("request: {rate_limit_num: 0}"),
            "kombo.yaml:4: sources.kombo.request.rate_limit_num is 0, but must be a whole number of at least 1",
        ),
        (
            source("request: {concurrency: -1}"),
            "kombo.yaml:4: sources.kombo.request.concurrency is -1, but must be a whole number of at least 1",
        ),
        (
            source("request: {concurrency: 4294967296}"),
            "kombo.yaml:4: sources.kombo.request.concurrency is 4294967296, which is too large",
        ),
        (
            source("request: {timeout_secs: 99999999999999999999}"),
            "kombo.yaml:4: sources.kombo.request.timeout_secs is a number, but must be a whole number of at least 1",
        ),
        (
            source("request:\n\n  page_size: 251"),
            "kombo.yaml:6: sources.kombo.request.page_size is wrong: Kombo sends at most 250 rows per page",
        ),
        (
            source("schedule: {full_interval_secs: 0}"),
            "kombo.yaml:4: sources.kombo.schedule.full_interval_secs is 0, but must be a whole number of at least 1",
        ),
        (
            sink("inputs: [kombo]\nurl: ./lake\nrun_bytes: 0"),
            "kombo.yaml:7: sinks.lake.run_bytes is 0, but must be a whole number of at least 1",
        ),
        (
            sink("inputs: [kombo]\nurl: ./lake\ncommit_window_secs: -5"),
            "kombo.yaml:7: sinks.lake.commit_window_secs is -5, but must be a whole number",
        ),
    ];
    for (said, expected) in cases {
        assert_eq!(said, expected);
    }
}

#[test]
fn values_that_cannot_be_used_say_what_could() {
    let cases = [
        (
            source("region: europe"),
            "kombo.yaml:4: sources.kombo.region is not one of eu, us, ca; did you mean \"eu\"?",
        ),
        (
            source("plan: chnged"),
            "kombo.yaml:4: sources.kombo.plan is not one of changed, all; did you mean \"changed\"?",
        ),
        (
            source("endpoint: ats/applications"),
            "kombo.yaml:4: sources.kombo.endpoint is wrong: it is not an absolute address such as https://api.kombo.dev/v1",
        ),
        (
            source("endpoint: http://api.kombo.dev/v1"),
            "kombo.yaml:4: sources.kombo.endpoint is wrong: the key would travel unencrypted: use https, or http to a loopback address",
        ),
        (
            source("region: eu\nendpoint: https://api.kombo.dev/v1"),
            "kombo.yaml:5: sources.kombo.endpoint and region exclude each other: remove one of them",
        ),
        (
            source("integrations:\n  - personio:1\n  - ../../x"),
            "kombo.yaml:6: sources.kombo.integrations[1] is wrong: \"../../x\" is not an integration id: an id has a tool before a colon, such as \"personio:CBNMt7dSNCzBdnRTx87dev4E\"",
        ),
        (
            source("integrations: [\"\"]"),
            "kombo.yaml:4: sources.kombo.integrations[0] is wrong: an integration id is empty",
        ),
        (
            source("integrations: [\"a b:1\"]"),
            "kombo.yaml:4: sources.kombo.integrations[0] is wrong: an integration id holds a character that is not visible ASCII",
        ),
    ];
    for (said, expected) in cases {
        assert_eq!(said, expected);
    }
}

#[test]
fn values_that_are_missing_or_malformed_say_what_belongs_there() {
    let cases = [
        (
            source("webhook: {address: localhost}"),
            "kombo.yaml:4: sources.kombo.webhook.address is wrong: it must be an address with a port, such as 127.0.0.1:8080",
        ),
        (
            source("webhook: {path: hooks}"),
            "kombo.yaml:4: sources.kombo.webhook.path is wrong: it must begin with /, such as /webhooks/kombo",
        ),
        (
            source("plan:"),
            "kombo.yaml:4: sources.kombo.plan has no value; give it one or remove the line",
        ),
        (
            source("api_key_file: ~"),
            "kombo.yaml:4: sources.kombo.api_key_file has no value; give it one or remove the line",
        ),
        (
            source("api_key_file: ${HOME}/key"),
            "kombo.yaml:4: sources.kombo.api_key_file holds ${...}, but variables are not replaced in this file; write the value itself, or use the flag or environment variable for it",
        ),
        (
            document(&format!("{SHORT}data_dir: ''")),
            "kombo.yaml:3: data_dir is empty, but must be a folder",
        ),
    ];
    for (said, expected) in cases {
        assert_eq!(said, expected);
    }
}

#[test]
fn a_lake_that_cannot_be_says_what_could() {
    let forms = "kombo.yaml:6: sinks.lake.url must be the address of a lake: ./folder, file:///folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or memory:";
    let lake = |url: &str| sink(&format!("inputs: [kombo]\nurl: '{url}'"));
    for url in ["", "http://host/x", "s3:// bucket", "ftp://host/x"] {
        assert_eq!(lake(url), forms, "{url}");
    }
    assert_eq!(
        lake("s3:///lake"),
        "kombo.yaml:6: sinks.lake.url must name a bucket after ://, such as s3://bucket/prefix"
    );
    assert_eq!(
        lake("file://lake"),
        "kombo.yaml:6: sinks.lake.url must name a folder of this machine with three slashes, file:///folder; a relative folder needs no file://"
    );
    assert_eq!(
        lake("s3://user:word@bucket/x"),
        "kombo.yaml:6: sinks.lake.url must not contain a user name or password; put them into `options` or the environment"
    );
    assert_eq!(
        lake("az://bucket/x?sig=1"),
        "kombo.yaml:6: sinks.lake.url must not contain a query or a part after #, which may be a token; put it into `options` or the environment"
    );
}

#[test]
fn every_form_of_a_lake_is_taken() {
    for url in [
        "lake",
        "./a b/lake",
        "/var/lake",
        "file:///var/lake",
        "memory:",
        "s3://bucket",
        "gs://bucket/x",
        "az://container/x",
        "abfss://container@account.dfs.core.windows.net/x",
    ] {
        let text = SHORT.replace("./lake", &format!("'{url}'"));
        assert_eq!(load("kombo.yaml", &text).expect(url).sink.lake.url, url);
    }
}

#[test]
fn the_extension_must_tell_the_format() {
    for file in ["kombo.ini", "kombo", ".yaml"] {
        let error = load(file, SHORT).expect_err(file);
        assert_eq!(
            error.to_string(),
            format!("{file}: the name of a configuration ends in .yaml, .yml or .json")
        );
        assert_eq!(error.exit_code(), 78);
    }
}

#[test]
fn toml_is_refused_and_yaml_proposed() {
    let error = load("etc/kombo.toml", "a = 1").expect_err("TOML");
    assert_eq!(
        error.to_string(),
        "etc/kombo.toml: TOML is not read any more; write the same options as YAML, into a file whose name ends in .yaml (`kombo-source generate` prints one)"
    );
    assert_eq!(error.exit_code(), 78);
}

#[test]
fn bad_flags_name_the_flag_and_are_usage_errors() {
    let over = |overrides: Overrides| {
        let error = load_over(SHORT, overrides).expect_err("a bad flag");
        assert_eq!(error.exit_code(), 64);
        error.to_string()
    };
    let texts = |text: &str| vec![text.to_owned()];
    assert_eq!(
        over(Overrides {
            integrations: texts("x"),
            ..Overrides::default()
        }),
        "--integration cannot be used: \"x\" is not an integration id: an id has a tool before a colon, such as \"personio:CBNMt7dSNCzBdnRTx87dev4E\""
    );
    assert_eq!(
        over(Overrides {
            lake_url: Some("http://x".to_owned()),
            ..Overrides::default()
        }),
        "--lake-url must be the address of a lake: ./folder, file:///folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or memory:"
    );
    assert_eq!(
        over(Overrides {
            api_url: Some("x".to_owned()),
            ..Overrides::default()
        }),
        "--api-url cannot be used: it is not an absolute address such as https://api.kombo.dev/v1"
    );
    assert_eq!(
        over(Overrides {
            api_url: Some("https://x/v1".to_owned()),
            region: Some(Region::Eu),
            ..Overrides::default()
        }),
        "--region and --api-url exclude each other: give one of them"
    );
    let nothing =
        Config::from_text("kombo.yaml".as_ref(), None, &Overrides::default()).expect_err("no lake");
    assert_eq!(
        nothing.to_string(),
        "nothing says where the lake is: there is no kombo.yaml here and no --lake-url; give --lake-url ./kombo-lake, or write a file with `kombo-source generate > kombo.yaml`"
    );
    assert_eq!(nothing.exit_code(), 64);
}
