use std::sync::Arc;

use super::super::args::{Args, LakeVerb, Verb};
use super::*;
use crate::ids::IntegrationId;
use crate::lake::LakeSettings;
use crate::time::SystemClock;

const NOW: i64 = 1_800_000_000_000;

fn now() -> Moment {
    Moment::from_millis(NOW)
}

fn row() -> FoundDrift {
    FoundDrift {
        integration: "tool:a".to_owned(),
        endpoint: "ats/applications".to_owned(),
        id: "1\u{1b}[31m".to_owned(),
        kind: "update".to_owned(),
        cause: "no_notification".to_owned(),
        columns: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(),
        fetched_at_us: (NOW - 7_200_000) * 1000,
        known_fetched_at_us: None,
        changed_at_us: Some((NOW - 9_000_000) * 1000),
        wrong_since_us: None,
        wrong_secs: Some(1_800),
        fetch_id: "f1".to_owned(),
    }
}

#[test]
fn people_read_what_was_wrong_why_and_for_how_long() {
    let unknown = FoundDrift {
        wrong_secs: None,
        columns: Vec::new(),
        id: "2".to_owned(),
        ..row()
    };
    let expected = "\
found    table             integration  id           kind    cause            wrong for  columns
2 h ago  ats_applications  tool:a       1\\u{1b}[31m  update  no_notification  30 min     a, b, c, d and 1 more
2 h ago  ats_applications  tool:a       2            update  no_notification  -          -
";
    assert_eq!(
        text(&[row(), unknown], now(), &Terminal::default()),
        expected
    );
}

#[test]
fn a_narrow_terminal_shows_each_row_on_lines_of_its_own() {
    let terminal = Terminal::of_width(60);
    let shown = terminal.shown(&text(&[row()], now(), &terminal));
    let expected = "\
ats_applications of tool:a
    id 1\\u{1b}[31m
    update, no_notification, found 2 h ago, wrong for 30
    min, columns: a, b, c, d and 1 more
";
    assert_eq!(shown, expected);
}

#[test]
fn programs_read_instants_and_every_column() {
    let value = json(&row());
    assert_eq!(value["table"], "ats_applications");
    assert_eq!(value["columns"].as_array().map(Vec::len), Some(5));
    assert_eq!(value["fetched_at"], "2027-01-15T06:00:00.000Z");
    assert_eq!(value["known_fetched_at"], Value::Null);
}

fn typed(line: &str) -> DriftArgs {
    let args = Args::from_command_line(line.split(' ')).expect("understood");
    match args.verb {
        Verb::Lake(LakeVerb::Drift(args)) => args,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lake_without_drift_says_so_and_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = url::Url::from_directory_path(folder.path()).expect("a URL");
    let settings = LakeSettings {
        url: url.to_string(),
        ..LakeSettings::default()
    };
    let lake = Lake::open(&settings, Arc::new(SystemClock)).await;
    let lake = lake.expect("opens");
    let said = async |line| {
        let args = typed(line);
        let filter = filter(&args, Catalog::embedded(), now()).expect("understood");
        let (text, aside) = report(&args, &lake, filter, now()).await.expect("read");
        assert!(aside.is_empty(), "{aside:?}");
        text
    };
    let expected = "no drift is known: no full fetch was compared with the lake yet\n";
    assert_eq!(said("kombo-source drift").await, expected);
    assert_eq!(said("kombo-source drift --json").await, "");
    assert!(
        said("kombo-source drift --summary")
            .await
            .starts_with("no drift\n")
    );
    assert!(!folder.path().join("kombo_drift").exists());
}

#[test]
fn what_is_asked_for_is_what_was_typed() {
    let args = typed(
        "kombo-source drift -t ats_jobs -i tool:a --kind delete --cause guard --since 1h --limit 3",
    );
    let filter = filter(&args, Catalog::embedded(), now()).expect("a table");
    let jobs = EndpointName::from_stored("ats/jobs").expect("a name");
    let id = IntegrationId::new("tool:a").expect("an id");
    assert_eq!(filter.endpoints, Some([jobs].into()));
    assert_eq!(filter.integrations, Some([id].into()));
    assert_eq!(filter.kind.expect("one").as_str(), "delete");
    assert_eq!(filter.cause.expect("one").as_str(), "guard");
    assert_eq!(filter.since_us, Some((NOW - 3_600_000) * 1000));
    assert_eq!(filter.limit, 3);
}
