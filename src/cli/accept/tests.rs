use std::sync::Arc;

use super::super::args::{Args, LakeVerb, Verb};
use super::*;
use crate::catalog::Catalog;
use crate::ids::{Category, EndpointName, IntegrationId};
use crate::lake::LakeSettings;
use crate::time::SystemClock;
use crate::versions::guard::HoldCause;

const NOW: i64 = 1_800_000_000_000;

fn hold() -> Hold {
    Hold {
        integration: IntegrationId::new("tool:a").expect("an id"),
        endpoint: EndpointName::new(Category::Ats, "jobs"),
        state: HoldState::Held,
        since_us: (NOW - 7_200_000) * 1000,
        until_us: NOW * 1000,
        held_rows: 700,
        removed: 600,
        nulled: 100,
        unconfirmed: 0,
        table_rows: 2_000,
        columns: vec!["name".to_owned()],
        cause: HoldCause::MassDelete,
        detail: "600 of 2,000 rows would vanish.".to_owned(),
        confirmable_us: Some((NOW + 79_200_000) * 1000 + 1),
        decided_at_us: None,
        updated_at_us: NOW * 1000,
    }
}

#[test]
fn a_held_table_is_listed_with_its_cause_and_what_to_do() {
    let expected = "\
held    ats_jobs of tool:a, since 2027-01-15 06:00 UTC: 600 of 2,000 rows would vanish (mass_delete)
        700 changes held, 600 rows would be removed, 100 rows would lose values (in name); the table has 2,000 rows
        a full fetch that begins at 2027-01-16 06:01 UTC or later can confirm the losses; an earlier one cannot
        kombo-source accept --table ats_jobs --integration tool:a
";
    assert_eq!(list(&[hold()], 0), expected);
    assert_eq!(list(&[], 0), "nothing is held\n");
    assert!(list(&[], 2).contains("2 other tables"));
    let forgotten = Hold {
        confirmable_us: None,
        ..hold()
    };
    let text = list(&[forgotten], 0);
    assert!(
        text.contains("no full fetch can confirm the losses"),
        "{text}"
    );
}

#[test]
fn what_came_meanwhile_is_not_accepted_unseen() {
    let asked = accepted(&hold(), Moment::from_millis(NOW));
    assert_eq!(asked.state, HoldState::Accepted);
    assert_eq!(asked.until_us, hold().until_us, "as it was seen");
    let expected = "accepted  ats_jobs of tool:a: the next fold applies it\n";
    let asked = [asked];
    assert_eq!(outcome(&asked, &asked), expected);
    let text = outcome(&asked, &[hold()]);
    assert!(
        text.starts_with("held      ats_jobs of tool:a: more changes were held"),
        "{text}"
    );
    let decided = Hold {
        state: HoldState::Confirmed,
        ..hold()
    };
    let text = outcome(&asked, &[decided]);
    assert_eq!(
        text,
        "confirmed ats_jobs of tool:a: another process decided this meanwhile\n"
    );
}

/// Types a command and returns what it says and whether all of it was done.
async fn typed(lake: &Lake, line: &str) -> (String, bool) {
    let args = Args::from_command_line(line.split(' ')).expect("understood");
    let Verb::Lake(LakeVerb::Accept(args)) = args.verb else {
        panic!("{:?}", args.verb)
    };
    let (ids, tables) = (&args.chosen.integrations, &args.chosen.tables);
    let chosen = Named::of(Catalog::embedded(), ids, tables).expect("understood");
    let now = Moment::from_millis(NOW);
    let decision = decide(&args, lake, &chosen, now).await.expect("done");
    let json = decision.json();
    assert_eq!(json["success"], decision.is_seen(), "{json}");
    (decision.text(), decision.is_seen())
}

#[tokio::test]
async fn what_is_named_is_accepted_and_the_rest_stays_held() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = url::Url::from_directory_path(folder.path()).expect("a URL");
    let settings = LakeSettings {
        url: url.to_string(),
        ..LakeSettings::default()
    };
    let lake = Lake::open(&settings, Arc::new(SystemClock)).await;
    let lake = lake.expect("opens");
    let nothing = ("nothing is held\n".to_owned(), true);
    assert_eq!(typed(&lake, "kombo-source accept --all").await, nothing);
    assert!(!folder.path().join("kombo_holds").exists());

    let tags = Hold {
        endpoint: EndpointName::new(Category::Ats, "tags"),
        ..hold()
    };
    let both = [hold(), tags.clone()];
    lake.put_holds(&both).await.expect("put");
    for line in [
        "kombo-source accept",
        "kombo-source accept --all --dry-run",
        "kombo-source accept --table ats_offers",
    ] {
        let (text, done) = typed(&lake, line).await;
        assert!(done && !text.contains("accepted  "), "{line}: {text}");
        assert_eq!(lake.holds().await.expect("read"), both, "{line}");
    }
    let line = "kombo-source accept --table ats_jobs --integration tool:a";
    let (text, done) = typed(&lake, line).await;
    assert!(
        done && text.ends_with("the next fold applies it\n"),
        "{text}"
    );
    let expected = [accepted(&hold(), Moment::from_millis(NOW)), tags];
    assert_eq!(lake.holds().await.expect("read"), expected);
}
