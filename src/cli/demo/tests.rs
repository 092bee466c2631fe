//! What the live demo says of a change on its way.

use std::time::Duration;

use super::changes::change;
use super::lines::query_lines;
use super::story::Story;
use super::watched::{LakeStep, WalkCount};
use crate::cli::queries::one_row;
use crate::company::{Change, ChangeKind, World, WorldSettings};
use crate::ids::{Category, EndpointName, IntegrationId, TableId};
use crate::lake::{Part, Sighting};
use crate::time::Moment;
use crate::twin::{Delivery, Fate};

const AT_MS: i64 = 1_767_600_000_000;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn table() -> TableId {
    TableId {
        integration: IntegrationId::new("lever:a").expect("an id"),
        endpoint: EndpointName::new(Category::Ats, "jobs"),
    }
}

fn edit() -> Change {
    Change {
        at: Moment::from_millis(AT_MS),
        integration: table().integration,
        endpoint: Some(table().endpoint),
        models: vec!["ats_jobs".to_owned()],
        record: Some("row1".to_owned()),
        index: Some(1),
        kind: ChangeKind::Edit,
    }
}

fn delivery(fate: Fate) -> Delivery {
    Delivery {
        id: "w".to_owned(),
        kind: "data-changed",
        integration: "lever:a".to_owned(),
        models: vec!["ats_jobs".to_owned(), "ats_users".to_owned()],
        at: Moment::from_millis(AT_MS + 3),
        fate,
    }
}

fn sighting(changed_at_ms: i64) -> Sighting {
    Sighting {
        part: Part::Deltas,
        is_deleted: false,
        fetched_at_us: 0,
        changed_at_us: Some(changed_at_ms * 1_000),
    }
}

fn committed(version: u64) -> LakeStep {
    LakeStep::Committed {
        part: Part::Deltas,
        version,
        rows: 1,
    }
}

#[test]
fn a_change_is_told_from_the_twin_to_the_row() {
    let mut story = Story::default();
    let mut told = vec![story.changed(edit(), 2, ms(3_000)).to_string()];
    assert!(!story.is_told());
    let answered = delivery(Fate::Answered(200));
    told.push(story.delivered(&answered, 13, ms(3_021)).to_string());
    let walk = LakeStep::Fetched(WalkCount {
        pages: 1,
        rows: 3,
        new: 1,
    });
    told.push(story.step(&table(), &walk, ms(3_044)).to_string());
    told.push(story.step(&table(), &committed(7), ms(3_061)).to_string());
    assert_eq!(story.awaited(&table()), [0]);
    let visible = story.sighted(0, &sighting(AT_MS), ms(4_070));
    told.push(visible.expect("it is the change").to_string());
    told.push(query_lines("SELECT 1\nFROM jobs;"));
    assert_eq!(
        told,
        [
            "  3.00 s            change       edit in ats/jobs of lever, 2 rows with it",
            "  3.02 s    +21 ms  webhook      ats_jobs, ats_users: answered 200",
            "  3.04 s    +44 ms  fetched      ats/jobs: 1 page, 3 rows, 1 new",
            "  3.06 s    +61 ms  committed    ats_jobs/deltas v7, 1 row",
            "  4.07 s +1,070 ms  row visible  upsert, changed_at 2026-01-05T08:00:00.000Z",
            "  SELECT 1\n  FROM jobs;",
        ]
    );
    assert!(story.is_told());
    assert!(story.awaited(&table()).is_empty());
    assert_eq!(
        story.totals(4).to_string(),
        "\
1 change, 1 of them in the lake; 1 webhook.
4 requests to Kombo for them. All endpoints on each webhook: at least 13.

from the change                 median   longest
to the answered webhook          21 ms     21 ms
to the committed row             61 ms     61 ms
to the row read back          1,070 ms  1,070 ms
"
    );
}

#[test]
fn a_row_as_it_was_before_the_change_is_not_taken_for_it() {
    let mut story = Story::default();
    story.changed(edit(), 0, ms(0));
    story.step(&table(), &committed(1), ms(10));
    assert_eq!(story.sighted(0, &sighting(AT_MS - 1), ms(12)), None);
    assert!(!story.is_told());
    assert!(story.last_visible().is_none());
    let totals = story.totals(1);
    assert_eq!((totals.committed.len(), totals.visible.len()), (0, 0));
    // The commit that brought it is the later one.
    story.step(&table(), &committed(2), ms(30));
    story.sighted(0, &sighting(AT_MS), ms(31));
    assert_eq!(story.totals(1).committed, [ms(30)]);
}

#[test]
fn a_webhook_that_was_lost_or_is_about_others_counts_for_nothing() {
    let mut story = Story::default();
    story.changed(edit(), 0, ms(0));
    let lost = story
        .delivered(&delivery(Fate::Lost), 13, ms(1))
        .to_string();
    assert!(
        lost.ends_with("webhook      ats_jobs, ats_users: lost"),
        "{lost}"
    );
    let refused = delivery(Fate::Unanswered("connection refused".to_owned()));
    story.delivered(&refused, 13, ms(2));
    story.delivered(&delivery(Fate::Answered(503)), 13, ms(3));
    assert_eq!(
        (story.totals(0).webhooks, story.totals(0).everything),
        (0, 0)
    );
    let mut earlier = delivery(Fate::Answered(200));
    earlier.at = Moment::from_millis(AT_MS - 1);
    let mut elsewhere = delivery(Fate::Answered(200));
    elsewhere.integration = "lever:b".to_owned();
    for other in [earlier, elsewhere] {
        story.delivered(&other, 13, ms(4));
    }
    assert_eq!(story.totals(0).webhook, []);
    story.delivered(&delivery(Fate::Answered(200)), 13, ms(5));
    assert_eq!(story.totals(0).webhook, [ms(5)]);
}

#[test]
fn the_median_is_the_middle_one_and_no_table_is_shown_without_times() {
    let mut story = Story::default();
    for (place, took) in [90, 10, 50].into_iter().enumerate() {
        story.changed(edit(), 0, ms(0));
        story.step(&table(), &committed(place as u64), ms(took));
        story.sighted(place, &sighting(AT_MS), ms(took + 1));
    }
    let text = story.totals(3).to_string();
    let row = "to the committed row             50 ms     90 ms\n";
    assert!(text.contains(row), "{text}");
    assert!(!text.contains("webhook  "), "none came: {text}");
    let nothing = Story::default().totals(0).to_string();
    assert_eq!(nothing, "0 changes, 0 of them in the lake; 0 webhooks.\n");
}

#[test]
fn changes_go_round_the_customers_and_the_kinds() {
    let settings = WorldSettings {
        integrations: 4,
        rows: 40,
        ..WorldSettings::default()
    };
    let mut world = World::new(settings);
    let made: Vec<_> = (0..12)
        .map(|nth| change(&mut world, nth).expect("something can change").0)
        .collect();
    let first: Vec<_> = made.iter().take(4).map(|change| change.kind).collect();
    assert_eq!(
        first,
        [
            ChangeKind::Edit,
            ChangeKind::Hire,
            ChangeKind::Delete,
            ChangeKind::Rename
        ]
    );
    let tables: std::collections::HashSet<_> = made
        .iter()
        .map(|change| (&change.integration, &change.endpoint))
        .collect();
    assert_eq!(tables.len(), 12, "each is in another table");
    assert!(
        made.iter()
            .all(|change| change.record.is_some() && !change.models.is_empty())
    );
    assert!(
        change(
            &mut World::new(WorldSettings {
                integrations: 0,
                ..WorldSettings::default()
            }),
            0
        )
        .is_none()
    );
}

#[test]
fn a_query_survives_quotes_in_a_path() {
    let query = one_row("/tmp/o'neill", "ats_jobs", "a'b");
    assert_eq!(
        query,
        "SELECT id, _op, changed_at, _fetched_at\n\
         FROM delta_scan('/tmp/o''neill/ats_jobs/deltas')\n\
         WHERE id = 'a''b' ORDER BY _fetched_at DESC LIMIT 1;"
    );
}
