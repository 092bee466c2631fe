use super::*;
use crate::ids::{Category, EndpointName};
use crate::lake::{Hold, TableOverview};
use crate::sink::Coverage;
use crate::status::{IntegrationNote, Notes, TableNote, WaitNote};
use crate::time::{Bases, Moment, ObservedAt, Tier};
use crate::versions::guard::{HoldCause, HoldState};

const NOW: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;

fn table(endpoint: &str, minutes: i64, verdict: Freshness) -> TableStatus {
    let base = Base::from_millis(NOW - minutes * MINUTE);
    let mut bases = Bases::default();
    bases.raise(Tier::Ordinary, base);
    TableStatus {
        endpoint: EndpointName::new(Category::Ats, endpoint),
        stored: TableOverview {
            coverage: Coverage {
                bases,
                snapshot_base: Some(Base::from_millis(NOW - 4_000 * MINUTE)),
                seen: None,
                ..Coverage::default()
            },
            snapshot_rows: 1_234,
            ..TableOverview::default()
        },
        note: TableNote::default(),
        verdict,
        completeness: None,
        hold: None,
    }
}

/// The same tables after full fetches that were compared, one of them held.
fn compared() -> Status {
    let mut status = status();
    let tables = &mut status.integrations[0].tables;
    for (table, drifted) in tables.iter_mut().zip([0, 1]) {
        table.completeness = Some(Completeness {
            compared: ObservedAt::from_micros((NOW - 60 * MINUTE) * 1000),
            rows: 5_000,
            drifted,
        });
    }
    tables[0].hold = Some(Hold {
        integration: IntegrationId::new("tool:a").expect("an id"),
        endpoint: tables[0].endpoint.clone(),
        state: HoldState::Held,
        since_us: (NOW - 30 * MINUTE) * 1000,
        until_us: NOW * 1000,
        held_rows: 600,
        removed: 600,
        nulled: 0,
        unconfirmed: 0,
        table_rows: 1_234,
        columns: Vec::new(),
        cause: HoldCause::MassDelete,
        detail: "600 of 1,234 rows would vanish".to_owned(),
        confirmable_us: Some((NOW + 1_410 * MINUTE) * 1000),
        decided_at_us: None,
        updated_at_us: NOW * 1000,
    });
    status
}

fn notes() -> Notes {
    Notes {
        written_ms: NOW - 20_000,
        instance: "a1b2".to_owned(),
        service_version: "0.1.0".to_owned(),
        heartbeat_period_secs: 21_600,
        ..Notes::default()
    }
}

fn status() -> Status {
    let objective = Duration::from_hours(12);
    let mut failing = table("jobs", 800, Freshness::Late { objective });
    failing.note.last_error = Some("the store cannot be reached".to_owned());
    failing.note.error_since_ms = Some(NOW - 90 * MINUTE);
    Status {
        now: Moment::from_millis(NOW),
        unread: Vec::new(),
        notes: Some(notes()),
        services: vec![notes()],
        known: 1,
        integrations: vec![IntegrationStatus {
            name: "tool:a".to_owned(),
            state: "active".to_owned(),
            note: IntegrationNote {
                silent: true,
                ..IntegrationNote::default()
            },
            tables: vec![table("applications", 3, Freshness::Fresh), failing],
        }],
    }
}

#[test]
fn a_person_sees_a_line_per_integration_and_what_needs_a_look() {
    let expected = "\
integration  state   tables  late         rows     base age   last snapshot   complete
tool:a       active       2     1        2,468  13 h 20 min        2 d 18 h          -
late    tool:a: 1 table, up to 13 h 20 min old: ats_jobs
failed  ats_jobs of tool:a: the store cannot be reached, for 1 h 30 min
silent  tool:a: no notification for longer than usual; polled more often; check the webhook in Kombo's dashboard
1 integration, 1 table fresh, 1 late, 2,468 rows in snapshots
service 0.1.0, a1b2: last seen 20 s ago, a heartbeat every 6 h
";
    assert_eq!(text(&status(), false, &Terminal::default()), expected);
}

#[test]
fn a_person_sees_what_waits_for_kombo_and_what_the_notes_leave_out() {
    let mut status = status();
    let notes = status.notes.as_mut().expect("there");
    (notes.candidates, notes.integrations_left_out) = (12, 1);
    notes.tables_left_out = 9;
    let shown = text(&status, false, &Terminal::default());
    let expected = "\
12 new integrations named by webhooks: waiting for Kombo's confirmation, not fetched yet
the service's notes leave out 1 integration and 9 tables: only the lake says how fresh these are
";
    assert!(shown.ends_with(expected), "{shown}");
    let service = &json(&status)["service"];
    assert_eq!(
        (&service["candidates"], &service["tables_left_out"]),
        (&12.into(), &9.into())
    );
}

#[test]
fn a_wait_of_the_service_is_shown_until_it_is_over() {
    let mut status = status();
    let notes = status.notes.as_mut().expect("a service ran");
    notes.waits = Some(WaitNote {
        reason: "Kombo's rate limit".to_owned(),
        until_ms: NOW + 57_000,
    });
    let line = "waiting for Kombo's rate limit until 08:00:57 UTC: no request leaves before\n";
    let shown = text(&status, false, &Terminal::default());
    assert!(shown.ends_with(line), "{shown}");
    let waits = &json(&status)["service"]["waits"];
    assert_eq!(waits["until_ms"], NOW + 57_000);
    status.now = Moment::from_millis(NOW + 57_000);
    assert!(!text(&status, false, &Terminal::default()).contains("waiting"));
}

#[test]
fn a_lake_without_integrations_says_how_to_get_one() {
    let mut empty = status();
    empty.integrations.clear();
    let shown = text(&empty, false, &Terminal::default());
    assert!(
        shown.contains("no integration is in the lake yet"),
        "{shown}"
    );
    assert!(
        !text(&status(), false, &Terminal::default()).contains("no integration is in the lake yet")
    );
}

#[test]
fn a_person_sees_how_complete_it_is_and_what_to_do_about_what_is_held() {
    let expected = "\
integration  state   tables  late         rows     base age   last snapshot   complete
tool:a       active       2     1        2,468  13 h 20 min        2 d 18 h    99.99 %
late    tool:a: 1 table, up to 13 h 20 min old: ats_jobs
held    ats_applications of tool:a, since 2027-01-15 07:30 UTC: 600 of 1,234 rows would vanish (mass_delete)
        a full fetch that begins at 2027-01-16 07:30 UTC or later can confirm the losses; an earlier one cannot
        to accept these changes now:
        kombo-source accept --table ats_applications --integration tool:a
failed  ats_jobs of tool:a: the store cannot be reached, for 1 h 30 min
silent  tool:a: no notification for longer than usual; polled more often; check the webhook in Kombo's dashboard
1 integration, 1 table fresh, 1 late, 1 held, 2,468 rows in snapshots, 99.99 % complete at the last full fetch
service 0.1.0, a1b2: last seen 20 s ago, a heartbeat every 6 h
";
    assert_eq!(text(&compared(), false, &Terminal::default()), expected);
}

#[test]
fn table_by_table_each_has_its_ages() {
    let text = text(&status(), true, &Terminal::default());
    let lines: Vec<&str> = text.lines().collect();
    let columns = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let expected = [
        "ats_applications",
        "fresh",
        "1,234",
        "3",
        "min",
        "2",
        "d",
        "18",
        "h",
        "-",
    ];
    assert_eq!(columns(lines[2]), expected);
    assert!(text.contains("late    ats_jobs of tool:a: 13 h 20 min old, the limit is 12 h\n"));
}

#[test]
fn the_json_says_the_same_in_numbers() {
    let document = json(&status());
    assert_eq!(document["success"], false);
    assert_eq!(document["late_tables"], 1);
    let table = &document["integrations"][0]["tables"][1];
    assert_eq!(table["table"], "ats_jobs");
    assert_eq!(table["base_age_secs"], 48_000);
    assert_eq!(table["missed_objective_secs"], 43_200);
    assert_eq!(table["last_error"], "the store cannot be reached");
    assert_eq!(table["completeness"], serde_json::Value::Null);

    let document = json(&compared());
    assert_eq!(document["held_tables"], 1);
    let tables = &document["integrations"][0]["tables"];
    assert_eq!(tables[0]["hold"]["cause"], "mass_delete");
    assert_eq!(tables[1]["hold"], serde_json::Value::Null);
    assert_eq!(tables[1]["completeness"]["drifted"], 1);
    assert_eq!(document["completeness"], 0.9999);
}

#[test]
fn a_table_that_lies_in_the_future_is_named_with_the_cure_and_nothing_is_well() {
    let mut status = status();
    let tables = &mut status.integrations[0].tables;
    tables.truncate(1);
    assert!(status.is_well());
    let year_9999 = ObservedAt::from_micros(253_402_300_799_000_001);
    status.integrations[0].tables[0]
        .stored
        .coverage
        .watermarks
        .deltas = Some(year_9999);
    assert!(!status.is_well());
    let told = text(&status, false, &Terminal::default());
    let expected = "\
future  ats_applications of tool:a: deltas reaches to 9999-12-31T23:59:59.000001Z, 7972 years ahead of this machine's clock
        check this machine's clock; if it is right, run `kombo-source repair`, which first lists what it would change
";
    assert!(told.contains(expected), "{told}");
    assert!(
        told.contains("1 table fresh, 1 in the future, 1,234 rows"),
        "{told}"
    );
    let document = json(&status);
    assert_eq!(document["success"], false);
    assert_eq!(document["future_tables"], 1);
    let part = &document["integrations"][0]["tables"][0]["future"][0];
    assert_eq!(part["part"], "deltas");
    assert_eq!(part["until"], "9999-12-31T23:59:59.000001Z");
}

#[test]
fn of_many_tables_in_the_future_a_few_are_named() {
    let mut status = status();
    let mut one = table("jobs", -1_000, Freshness::Fresh);
    one.stored.folded = Some(ObservedAt::from_micros((NOW + 900 * MINUTE) * 1000));
    status.integrations[0].tables = vec![one; 12];
    let said = ahead::said(&status);
    assert_eq!(said.len(), 11);
    let first = "ats_jobs of tool:a: current, bases reach to 2027-01-16T00:40:00.000Z, 16 h ahead of this machine's clock";
    assert_eq!((&*said[0], &*said[10]), (first, "2 tables more"));
}

#[test]
fn an_integration_the_lake_does_not_have_is_wrong_usage() {
    let refused = keep(&mut status(), &["tool:b".to_owned()]).expect_err("there is none");
    assert_eq!(refused.exit_code, USAGE);
    let mut kept = status();
    keep(&mut kept, &["tool:a".to_owned()]).expect("there");
    assert_eq!(kept.integrations.len(), 1);
}
