use super::super::args::{Args, Verb};
use super::*;

const NOW: i64 = 1_800_000_000_000;

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
found    table             integration  id            kind    cause            wrong for  columns
2 h ago  ats_applications  tool:a       1\\u{1b}[31m  update  no_notification  30 min     a, b, c, d and 1 more
2 h ago  ats_applications  tool:a       2             update  no_notification  -          -
";
    assert_eq!(text(&[row(), unknown], NOW), expected);
}

#[test]
fn programs_read_instants_and_every_column() {
    let value = json(&row());
    assert_eq!(value["table"], "ats_applications");
    assert_eq!(value["columns"].as_array().map(Vec::len), Some(5));
    assert_eq!(value["fetched_at"], "2027-01-15T06:00:00.000Z");
    assert_eq!(value["known_fetched_at"], Value::Null);
}

#[test]
fn what_is_asked_for_is_what_was_typed() {
    let line =
        "kombo-source drift -t ats_jobs -i tool:a --kind delete --cause guard --since 1h --limit 3";
    let args = Args::from_command_line(line.split(' ')).expect("understood");
    let Verb::Drift(args) = args.verb else {
        panic!("{:?}", args.verb)
    };
    let filter = filter(&args, Catalog::embedded(), NOW).expect("a table");
    assert_eq!(filter.endpoint.expect("a table").as_str(), "ats/jobs");
    assert_eq!(filter.integration.expect("one").as_str(), "tool:a");
    assert_eq!(filter.kind.expect("one").as_str(), "delete");
    assert_eq!(filter.cause.expect("one").as_str(), "guard");
    assert_eq!(filter.since_us, Some((NOW - 3_600_000) * 1000));
    assert_eq!(filter.limit, 3);
}
