//! Tests of the configuration: YAML and JSON, overrides, errors with their exact messages, secrets, and the printed file.

mod bad;
mod integrations_file;
mod secrets;
mod service;
mod shape;
mod template;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::Region;
use crate::catalog::Catalog;
use crate::ids::IntegrationId;
use crate::plan::PlanMode;

use super::{Config, ConfigError, Overrides};

/// A configuration with an option of each section.
const YAML: &str = r#"
data_dir: ./data
api: {address: "127.0.0.1:9001"}
sources:
  kombo:
    type: kombo
    region: us
    plan: all
    integrations: ["personio:CBNMt7dSNCzBdnRTx87dev4E"]
    endpoints: ["ats/*", "hris/employees"]
    webhook: {address: "127.0.0.1:9000", path: /hook}
    schedule: {full_interval_secs: 3600, nested_refresh_secs: 60}
    request: {rate_limit_num: 30, retry_initial_backoff_secs: 2, concurrency: 8}
sinks:
  lake:
    type: delta_lake
    inputs: [kombo]
    url: s3://bucket/lake
    options: {aws_allow_http: true, aws_endpoint: "http://127.0.0.1:9000"}
    run_bytes: 1048576
    upkeep: {enabled: false}
"#;

const JSON: &str = r#"{
	"data_dir": "./data", "api": {"address": "127.0.0.1:9001"},
	"sources": {"kombo": {"type": "kombo", "region": "us", "plan": "all",
		"integrations": ["personio:CBNMt7dSNCzBdnRTx87dev4E"],
		"endpoints": ["ats/*", "hris\/employees"],
		"webhook": {"address": "127.0.0.1:9000", "path": "/hook"},
		"schedule": {"full_interval_secs": 3600, "nested_refresh_secs": 60},
		"request": {"rate_limit_num": 30, "retry_initial_backoff_secs": 2, "concurrency": 8}}},
	"sinks": {"lake": {"type": "delta_lake", "inputs": ["kombo"], "url": "s3://bucket/lake",
		"options": {"aws_allow_http": true, "aws_endpoint": "http://127.0.0.1:9000"},
		"run_bytes": 1048576, "upkeep": {"enabled": false}}}
}"#;

/// The shortest valid file.
const SHORT: &str = "\
sources: {kombo: {type: kombo}}
sinks: {lake: {type: delta_lake, inputs: [kombo], url: ./lake}}
";

fn load(file: &str, text: &str) -> Result<Config, ConfigError> {
    Config::from_text(Path::new(file), Some(text), &Overrides::default())
}

#[expect(clippy::needless_pass_by_value, reason = "each test makes its own")]
fn load_over(text: &str, overrides: Overrides) -> Result<Config, ConfigError> {
    Config::from_text(Path::new("kombo.yaml"), Some(text), &overrides)
}

/// Returns the message of an error.
fn message(result: Result<Config, ConfigError>) -> String {
    result.expect_err("this must not load").to_string()
}

#[test]
fn yaml_and_json_say_the_same() {
    let yaml = load("kombo.yaml", YAML).expect("valid YAML");
    for (file, text) in [("a/b.JSON", JSON), ("kombo.yml", YAML)] {
        let other = load(file, text).expect(file);
        assert_eq!(other.data_dir, yaml.data_dir, "{file}");
        assert_eq!(other.source, yaml.source, "{file}");
        assert_eq!(other.sink, yaml.sink, "{file}");
        assert_eq!(other.telemetry, yaml.telemetry, "{file}");
    }
}

#[test]
fn what_the_file_says_arrives() {
    let config = load("kombo.yaml", YAML).expect("valid");
    let source = &config.source;
    assert_eq!(config.data_dir, PathBuf::from("./data"));
    assert_eq!(source.name, "kombo");
    assert_eq!(source.api_url(), Region::Us.base_url());
    assert_eq!(source.plan, PlanMode::All);
    let id = IntegrationId::new("personio:CBNMt7dSNCzBdnRTx87dev4E").expect("id");
    assert_eq!(source.integrations, [id]);
    assert_eq!(source.endpoints, ["ats/*", "hris/employees"]);
    let webhook = source.webhook.as_ref().expect("given");
    assert_eq!(webhook.address.to_string(), "127.0.0.1:9000");
    assert_eq!(webhook.path, "/hook");
    assert_eq!(source.schedule.full_interval.as_secs(), 3600);
    assert_eq!(source.schedule.heartbeat_interval.as_secs(), 21600);
    assert_eq!(source.schedule.nested_refresh, Some(Duration::from_mins(1)));
    assert_eq!(source.request.rate_limit_num.get(), 30);
    assert_eq!(source.request.concurrency.get(), 8);
    let lake = &config.sink.lake;
    assert_eq!(lake.url, "s3://bucket/lake");
    assert_eq!(lake.options["aws_allow_http"], "true");
    assert_eq!(lake.run_bytes.get(), 1 << 20);
    assert_eq!(lake.checkpoint_interval.get(), 100);
    assert!(!lake.upkeep.enabled);
    assert_eq!(config.telemetry.address.to_string(), "127.0.0.1:9001");
}

#[test]
fn an_integration_named_twice_is_there_once() {
    let text = SHORT.replace("type: kombo", "type: kombo, integrations: [a:1, b:1, a:1]");
    let config = load("kombo.yaml", &text).expect("valid");
    let ids: Vec<_> = config
        .source
        .integrations
        .iter()
        .map(IntegrationId::as_str)
        .collect();
    assert_eq!(ids, ["a:1", "b:1"]);
}

#[test]
fn an_endpoint_takes_the_place_of_a_region() {
    let text = SHORT.replace(
        "type: kombo",
        "type: kombo, endpoint: 'http://127.0.0.1:8484/v1'",
    );
    let config = load("kombo.yaml", &text).expect("valid");
    assert_eq!(
        config.source.api_url().to_string(),
        "http://127.0.0.1:8484/v1"
    );
}

#[test]
fn flags_win_over_the_file() {
    let overrides = Overrides {
        integrations: vec!["workday:1".to_owned()],
        endpoints: vec!["hris/*".to_owned()],
        lake_url: Some("./elsewhere".to_owned()),
        api_url: Some("http://127.0.0.1:8484/v1".to_owned()),
        concurrency: NonZeroU32::new(2),
        no_rate_limit: true,
        data_dir: Some(PathBuf::from("/tmp/d")),
        ..Overrides::default()
    };
    let config = load_over(YAML, overrides).expect("valid");
    let id = IntegrationId::new("workday:1").expect("id");
    assert_eq!(config.source.integrations, [id]);
    assert_eq!(config.source.endpoints, ["hris/*"]);
    assert_eq!(
        config.source.api_url().to_string(),
        "http://127.0.0.1:8484/v1"
    );
    assert_eq!(config.source.request.concurrency.get(), 2);
    assert!(!config.source.request.rate_limit_enabled);
    assert_eq!(config.sink.lake.url, "./elsewhere");
    assert_eq!(config.sink.lake.run_bytes.get(), 1 << 20);
    assert_eq!(config.data_dir, PathBuf::from("/tmp/d"));
}

#[test]
fn a_rate_limit_flag_means_requests_a_minute() {
    let text = YAML.replace(
        "rate_limit_num: 30",
        "rate_limit_enabled: false, rate_limit_duration_secs: 1",
    );
    let overrides = Overrides {
        rate_limit: NonZeroU32::new(100),
        region: Some(Region::Ca),
        ..Overrides::default()
    };
    let config = load_over(&text, overrides).expect("valid");
    let request = &config.source.request;
    assert!(request.rate_limit_enabled);
    assert_eq!(
        (
            request.rate_limit_num.get(),
            request.rate_limit_duration_secs.get()
        ),
        (100, 60)
    );
    assert_eq!(config.source.api_url(), Region::Ca.base_url());
}

#[test]
fn a_lake_flag_is_enough_for_a_sink_without_url() {
    let text = SHORT.replace(", url: ./lake", "");
    let overrides = Overrides {
        lake_url: Some("memory:".to_owned()),
        ..Overrides::default()
    };
    assert_eq!(
        load_over(&text, overrides).expect("valid").sink.lake.url,
        "memory:"
    );
}

#[test]
fn a_folder_that_a_flag_names_takes_no_options_of_a_bucket() {
    let bucket = "url: 's3://bucket/lake', options: {aws_region: eu-central-1}";
    let text = SHORT.replace("url: ./lake", bucket);
    for (url, options) in [
        ("./backup", 0),
        ("file:///backup", 0),
        ("s3://bucket/other", 1),
    ] {
        let overrides = Overrides {
            lake_url: Some(url.to_owned()),
            ..Overrides::default()
        };
        let lake = load_over(&text, overrides).expect("valid").sink.lake;
        assert_eq!((lake.url.as_str(), lake.options.len()), (url, options));
    }
}

#[test]
fn without_a_file_flags_are_enough() {
    let overrides = Overrides {
        integrations: vec!["workday:1".to_owned()],
        lake_url: Some("./lake".to_owned()),
        ..Overrides::default()
    };
    let config = Config::from_text(Path::new("kombo.yaml"), None, &overrides).expect("enough");
    assert_eq!(
        (config.source.name.as_str(), config.sink.name.as_str()),
        ("kombo", "lake")
    );
    assert_eq!(config.source.api_url(), Region::Eu.base_url());
    assert_eq!(config.sink.lake.url, "./lake");
}

#[test]
fn only_the_default_file_may_be_absent() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kombo.yaml");
    let overrides = Overrides {
        lake_url: Some("./lake".to_owned()),
        ..Overrides::default()
    };
    let (_, text) = super::default_file(&file).expect("absent is no error");
    assert_eq!(text, None);
    let error = Config::load(Some(&file), &overrides).expect_err("named, so it must be there");
    let message = error.to_string();
    assert_eq!(
        message,
        format!("cannot read the configuration {}", file.display())
    );
    assert_eq!(error.exit_code(), 78);
    std::fs::write(&file, SHORT).expect("written");
    assert!(Config::load(Some(&file), &Overrides::default()).is_ok());
    assert_eq!(
        super::default_file(&file).expect("there").1.as_deref(),
        Some(SHORT)
    );
}

#[test]
fn patterns_select_from_the_catalog_and_know_where_they_came_from() {
    let config = load("kombo.yaml", YAML).expect("valid");
    let selection = config.select(Catalog::embedded()).expect("all match");
    assert_eq!(selection.len(), 14);

    let text = YAML.replace("hris/employees", "hris/employes");
    let config = load("kombo.yaml", &text).expect("well-formed");
    let error = config
        .select(Catalog::embedded())
        .expect_err("one matches nothing");
    assert_eq!(
        error.to_string(),
        "kombo.yaml:10: sources.kombo.endpoints[1] \"hris/employes\" matches no endpoint; did you mean \"hris/employees\"?"
    );
    assert_eq!(error.exit_code(), 78);

    let overrides = Overrides {
        endpoints: vec!["ats/jbs".to_owned()],
        ..Overrides::default()
    };
    let config = load_over(YAML, overrides).expect("well-formed");
    let error = config
        .select(Catalog::embedded())
        .expect_err("it matches nothing");
    assert_eq!(
        error.to_string(),
        "--endpoint \"ats/jbs\" matches no endpoint; did you mean \"ats/jobs\"?"
    );
    assert_eq!(error.exit_code(), 64);
}
