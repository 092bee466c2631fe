//! The file that `generate` prints holds every option, with the default of the code.

use serde::de::DeserializeOwned;

use super::super::assemble::DocumentOptions;
use super::super::document::DocumentNode;
use super::super::fault::Fault;
use super::super::generate;
use crate::api::ApiSettings;
use crate::lake::{FoldSettings, LakeSettings, UpkeepSettings};
use crate::listener::{ListenerSettings, TelemetrySettings, TlsFiles};
use crate::plan::Schedule;
use crate::service::LeaseSettings;
use crate::service::SourceSettings;
use crate::versions::guard::GuardSettings;

use super::{Config, Overrides, SHORT, load};

/// Returns the printed file with every commented option switched on.
fn everything_on() -> String {
    let option = |line: &str| {
        let text = line.trim_start().strip_prefix("# ")?;
        let (key, _) = text.trim_start().split_once(':')?;
        let is_key = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        is_key.then(|| line.replacen("# ", "", 1))
    };
    let lines = generate().lines();
    let lines = lines.map(|line| option(line).unwrap_or_else(|| line.to_owned()));
    let lines = lines.filter(|line| line.trim() != "region: eu");
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_printed_file_holds_exactly_the_defaults() {
    let printed = load("kombo.yaml", generate()).expect("valid");
    let defaults = load("kombo.yaml", &SHORT.replace("./lake", "./kombo-lake")).expect("valid");
    assert_eq!(printed.data_dir, defaults.data_dir);
    assert_eq!(printed.source, defaults.source);
    assert_eq!(printed.sink, defaults.sink);
    assert_eq!(printed.telemetry, defaults.telemetry);
}

#[test]
fn every_option_of_the_structs_is_in_the_printed_file_and_says_why() {
    fn names<T: DeserializeOwned>() -> &'static [&'static str] {
        let probe = "no_such_option: 1";
        let Ok(probe) = DocumentNode::parse(probe, false) else {
            panic!("{probe} is YAML");
        };
        match T::deserialize(&probe).map(|_| ()) {
            Err(Fault::UnknownOption { valid, .. }) => valid,
            other => panic!("{other:?}"),
        }
    }
    let all = [
        names::<DocumentOptions>(),
        names::<SourceSettings>(),
        names::<ListenerSettings>(),
        names::<TlsFiles>(),
        names::<TelemetrySettings>(),
        names::<UpkeepSettings>(),
        names::<Schedule>(),
        names::<LeaseSettings>(),
        names::<ApiSettings>(),
        names::<LakeSettings>(),
        names::<FoldSettings>(),
        names::<GuardSettings>(),
        &["type", "inputs", "sources", "sinks"],
    ]
    .concat();
    let lines: Vec<_> = generate()
        .lines()
        .map(|l| l.trim_start_matches([' ', '#']))
        .collect();
    for name in &all {
        let key = format!("{name}:");
        assert!(
            lines.iter().any(|line| line.starts_with(&key)),
            "{name} is not explained"
        );
    }
    assert!(all.len() > 30, "{all:?}");
}

#[test]
fn options_that_are_off_work_when_switched_on() {
    // This file is read with the configuration, so it has to be there.
    let ids = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(ids.path(), "personio:CBNMt7dSNCzBdnRTx87dev4E\n").expect("written");
    let shown = ids.path().display().to_string();
    let text = everything_on().replace("./kombo-integrations", &shown);
    let config = load("kombo.yaml", &text).expect(&text);
    assert_eq!(config.source.integrations.len(), 1);
    assert_eq!(
        config.source.api_url().to_string(),
        "http://127.0.0.1:8484/v1"
    );
    assert!(config.source.api_key_file.is_some());
    let schedule = &config.source.schedule;
    assert!(schedule.nested_refresh.is_some() && schedule.freshness_objective.is_some());
    assert!(config.sink.lake.upkeep.vacuum_grace.is_some());
    let webhook = config.source.webhook.expect("switched on");
    let ListenerSettings {
        secret_file,
        other_secret_file,
        tls,
        ..
    } = webhook.clone();
    assert!(secret_file.is_some() && other_secret_file.is_some() && tls.is_some());
    let defaults = ListenerSettings {
        secret_file,
        other_secret_file,
        tls,
        ..ListenerSettings::default()
    };
    assert_eq!(webhook, defaults);
}

#[test]
fn the_printed_file_differs_from_flags_alone_in_nothing_but_the_lake() {
    let overrides = Overrides {
        lake_url: Some("./kombo-lake".to_owned()),
        ..Overrides::default()
    };
    let flags = Config::from_text("kombo.yaml".as_ref(), None, &overrides).expect("enough");
    let printed = load("kombo.yaml", generate()).expect("valid");
    assert_eq!(flags.source, printed.source);
    assert_eq!(flags.sink, printed.sink);
    assert_eq!(flags.telemetry, printed.telemetry);
    assert_eq!(flags.data_dir, printed.data_dir);
}
