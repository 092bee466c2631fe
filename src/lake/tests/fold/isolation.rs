//! A table that cannot be folded is reported and stays unchanged, and all other tables are folded.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::lake::tests::damage::{delete_file, garble_file, truncate_newest_entry};
use crate::lake::tests::fold::*;
use crate::versions::guard::HoldState;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// The place of `b` among [`NAMES`], less one.
const NAMES_BEFORE_B: usize = 0;

/// Commits a full fetch of one row for each of three integrations.
async fn three(store: &TableStore) -> Lake {
    let lake = lake(store, &settings()).await;
    for name in NAMES {
        bring(&lake, &snapshot(name), &[seen("1", 10, "one")], 10).await;
    }
    lake
}

/// Commits a change of the row, each in its own file.
async fn change(lake: &Lake, names: &[&str], at: i64) {
    for name in names {
        bring(lake, &delta(name), &[seen("1", at, "changed")], at).await;
    }
}

fn key(name: &str) -> String {
    integration(name).key().to_string()
}

fn folded(report: &FoldReport) -> Vec<String> {
    let mut keys: Vec<_> = report
        .tables
        .iter()
        .map(|one| one.key.to_string())
        .collect();
    keys.sort();
    keys
}

/// Returns the keys of the tables that were set aside. Each error has to name the file.
fn aside(report: &FoldReport, file: &str) -> Vec<String> {
    let mut keys = Vec::new();
    for one in &report.aside {
        let (told, advice) = (one.error.to_string(), one.error.advice());
        assert!(told.contains(file), "{file} is not named: {told}");
        assert!(advice.contains("from a backup"), "{advice}");
        keys.push(one.member.to_string());
    }
    keys.sort();
    keys
}

fn keys_of(names: &[&str]) -> Vec<String> {
    let mut keys: Vec<String> = names.iter().map(|name| key(name)).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_missing_file_of_a_snapshot_keeps_one_table_of_the_group_as_it_was() {
    let store = TableStore::memory();
    let lake = three(&store).await;
    let gone = delete_file(&store, "ats_tags/snapshots", &key("b")).await;
    let report = fold(&lake).await;
    assert_eq!(folded(&report), keys_of(&["a", "c"]));
    assert_eq!(aside(&report, &gone), keys_of(&["b"]));
    assert_eq!(named(&current(&store, "a").await), [("1", "one")]);
    let again = fold(&lake).await;
    assert!(again.tables.is_empty(), "{again:?}");
    assert_eq!(aside(&again, &gone), keys_of(&["b"]), "it is tried again");
}

#[tokio::test]
async fn a_missing_or_damaged_file_of_current_keeps_one_table_as_it_was() {
    for damaged in [false, true] {
        let store = TableStore::memory();
        let lake = three(&store).await;
        let mut files = Vec::new();
        for name in NAMES {
            // Each table has a file of its own.
            let only = BTreeSet::from([integration(name).key()]);
            let folded = lake.fold(&tags(), Some(&only), &small_files()).await;
            assert_eq!(folded.expect("folded").tables.len(), 1);
            files.push(live_files(&store, Part::Current).await);
        }
        let is_new = |file: &&(String, Bytes)| !files[NAMES_BEFORE_B].contains(file);
        let (file, _) = files[NAMES_BEFORE_B + 1].iter().find(is_new).expect("of b");
        let file = if damaged {
            garble_file(&store, "ats_tags/current", file).await
        } else {
            delete_file(&store, "ats_tags/current", file).await
        };
        change(&lake, &NAMES, 20).await;
        let report = fold(&lake).await;
        assert_eq!(folded(&report), keys_of(&["a", "c"]));
        assert_eq!(aside(&report, &file), keys_of(&["b"]));
        let made_anew = FoldSettings {
            rebuild: true,
            ..small_files()
        };
        let rebuilt = lake.fold(&tags(), None, &made_anew).await.expect("folded");
        assert_eq!(folded(&rebuilt), keys_of(&NAMES));
        assert_eq!(named(&current(&store, "b").await), [("1", "changed")]);
    }
}

#[tokio::test]
async fn a_damaged_file_that_tables_share_keeps_them_as_they_were_until_all_are_rebuilt() {
    let store = TableStore::memory();
    let lake = three(&store).await;
    fold(&lake).await;
    let [(file, _)] = &live_files(&store, Part::Current).await[..] else {
        panic!("the tables share one file");
    };
    let file = garble_file(&store, "ats_tags/current", file).await;
    change(&lake, &["b"], 20).await;
    let report = fold(&lake).await;
    assert_eq!(aside(&report, &file), keys_of(&["b"]));
    let made_anew = FoldSettings {
        rebuild: true,
        ..small_files()
    };
    let only = BTreeSet::from([integration("b").key()]);
    let alone = lake
        .fold(&tags(), Some(&only), &made_anew)
        .await
        .expect("tried");
    assert_eq!(
        aside(&alone, &file),
        keys_of(&["b"]),
        "its neighbours would be lost"
    );
    let rebuilt = lake.fold(&tags(), None, &made_anew).await.expect("folded");
    assert_eq!(folded(&rebuilt), keys_of(&NAMES));
    assert_eq!(named(&current(&store, "a").await), [("1", "one")]);
    assert_eq!(named(&current(&store, "b").await), [("1", "changed")]);
}

#[tokio::test]
async fn a_missing_or_damaged_file_of_deltas_keeps_only_those_as_they_were_whose_rows_it_may_hold()
{
    for damaged in [false, true] {
        let store = TableStore::memory();
        let lake = three(&store).await;
        fold(&lake).await;
        change(&lake, &["b"], 20).await;
        let file = if damaged {
            garble_file(&store, "ats_tags/deltas", "part-").await
        } else {
            delete_file(&store, "ats_tags/deltas", "part-").await
        };
        change(&lake, &["a", "c"], 21).await;
        let report = fold(&lake).await;
        assert_eq!(folded(&report), keys_of(&["a", "c"]));
        assert_eq!(aside(&report, &file), keys_of(&["b"]));
        assert_eq!(named(&current(&store, "a").await), [("1", "changed")]);
        assert_eq!(named(&current(&store, "b").await), [("1", "one")]);
    }
}

#[tokio::test]
async fn a_damaged_log_names_its_entry_and_fails_its_endpoint_alone() {
    let store = TableStore::memory();
    three(&store).await;
    let entry = truncate_newest_entry(&store, "ats_tags/deltas").await;
    let lake = lake(&store, &settings()).await;
    let error = lake
        .fold(&tags(), None, &small_files())
        .await
        .expect_err("the log cannot be read");
    let told = crate::words::with_causes(&error);
    assert!(told.contains(&entry), "{entry} is not named: {told}");
    assert!(error.is_damage() && error.advice().contains("`kombo-source repair`"));
}

/// Makes a table of `a` that is large enough for the loss of half its rows to be held.
async fn held_one(store: &TableStore) -> Lake {
    let lake = lake(store, &settings()).await;
    let row = |at: i64| move |row: i64| seen(&format!("{row:03}"), at + row, "here");
    let rows: Vec<Seen> = (0..300).map(row(1_000)).collect();
    for name in NAMES {
        bring(&lake, &snapshot(name), &rows, 1_500).await;
    }
    fold(&lake).await;
    lose(&lake, "a", 2_000).await;
    let report = fold(&lake).await;
    assert_eq!(report.tables[0].held, 150, "{report:?}");
    lake
}

async fn lose(lake: &Lake, name: &str, at: i64) {
    let lost = |row: i64| gone(&format!("{row:03}"), at + row, "delete");
    let rows: Vec<Seen> = (0..150).map(lost).collect();
    bring(lake, &delta(name), &rows, at + 500).await;
}

#[tokio::test]
async fn without_the_holds_only_tables_are_folded_of_which_nothing_is_and_nothing_becomes_held() {
    let store = TableStore::memory();
    let lake = held_one(&store).await;
    let gone = delete_file(&store, "kombo_holds", "part-").await;
    let change = [seen("200", 3_000, "changed")];
    for name in ["a", "b"] {
        bring(&lake, &delta(name), &change, 3_000).await;
    }
    lose(&lake, "c", 3_000).await;

    let report = fold(&lake).await;
    assert_eq!(folded(&report), keys_of(&["b"]));
    assert_eq!(aside(&report, &gone), keys_of(&["a", "c"]));
    let at_200 = async |name| current(&store, name).await[200].2.clone();
    assert_eq!(at_200("b").await.as_deref(), Some("changed"));
    assert_eq!(at_200("a").await.as_deref(), Some("here"), "as it was");
    assert_eq!(current(&store, "a").await.len(), 300, "all rows stay");
    assert_eq!(current(&store, "c").await.len(), 300, "all rows stay");

    // The cure: the table is rebuilt, and all holds are judged again.
    for object in crate::lake::tests::damage::found(&store, "kombo_holds", "").await {
        use object_store::ObjectStoreExt;
        store.objects().delete(&object).await.expect("deleted");
    }
    let lake = crate::lake::tests::support::lake(&store, &settings()).await;
    let report = fold(&lake).await;
    assert_eq!(folded(&report), keys_of(&["a", "c"]));
    assert_eq!(at_200("a").await.as_deref(), Some("changed"));
    for name in ["a", "c"] {
        assert_eq!(current(&store, name).await.len(), 300, "held again");
    }
    let holds = lake.holds().await.expect("read");
    let states: Vec<HoldState> = holds.iter().map(|hold| hold.state).collect();
    assert_eq!(states, [HoldState::Held; 2]);
}

#[tokio::test]
async fn without_the_holds_a_table_whose_snapshot_is_held_back_keeps_its_mark() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let row = |at: i64| move |row: i64| seen(&format!("{row:03}"), at + row, "here");
    let rows: Vec<Seen> = (0..300).map(row(1_000)).collect();
    bring(&lake, &snapshot("a"), &rows, 1_500).await;
    fold(&lake).await;
    let lost = |row: i64| gone(&format!("{row:03}"), 2_000 + row, "delete");
    let mut rows: Vec<Seen> = (0..150).map(lost).collect();
    rows.extend((150..300).map(row(2_000)));
    bring(&lake, &snapshot("a"), &rows, 2_500).await;
    assert_eq!(fold_one(&lake).await.held, 150);

    let gone = delete_file(&store, "kombo_holds", "part-").await;
    let change = [seen("200", 3_000, "changed")];
    bring(&lake, &delta("a"), &change, 3_000).await;
    let report = fold(&lake).await;
    assert_eq!(folded(&report), keys_of(&[]));
    assert_eq!(aside(&report, &gone), keys_of(&["a"]));
}

#[tokio::test]
async fn without_kombo_drift_only_new_snapshots_wait() {
    let store = TableStore::memory();
    let lake = three(&store).await;
    fold(&lake).await;
    change(&lake, &["b"], 20).await;
    bring(&lake, &snapshot("a"), &[seen("1", 100, "found")], 100).await;
    let entry = truncate_newest_entry(&store, "kombo_drift").await;
    let lake = crate::lake::tests::support::lake(&store, &settings()).await;

    let report = fold(&lake).await;
    assert_eq!(folded(&report), keys_of(&["b"]));
    assert_eq!(report.aside.len(), 1, "{report:?}");
    let told = crate::words::with_causes(&report.aside[0].error);
    assert!(told.contains(&entry), "{told}");
    assert_eq!(report.aside[0].member.to_string(), key("a"));
    assert_eq!(named(&current(&store, "a").await), [("1", "one")]);
}

/// Rows that a full fetch lacks and that Kombo has not reported as gone are in `current` alone until the fetch is
/// folded.
#[tokio::test]
async fn without_kombo_drift_a_table_is_not_made_anew_while_its_new_snapshot_waits() {
    let store = TableStore::memory();
    let lake = three(&store).await;
    bring(&lake, &delta("a"), &[seen("2", 20, "two")], 20).await;
    fold(&lake).await;
    bring(&lake, &snapshot("a"), &[seen("1", 100, "one")], 100).await;
    let entry = truncate_newest_entry(&store, "kombo_drift").await;
    let anew = FoldSettings {
        rebuild: true,
        ..small_files()
    };

    let lake = crate::lake::tests::support::lake(&store, &settings()).await;
    let report = lake.fold(&tags(), None, &anew).await.expect("folded");
    assert_eq!(folded(&report), keys_of(&["b", "c"]));
    let told = crate::words::with_causes(&report.aside[0].error);
    assert!(told.contains(&entry), "{told}");
    assert_eq!(report.aside[0].member.to_string(), key("a"));
    let both = [("1", "one"), ("2", "two")];
    assert_eq!(named(&current(&store, "a").await), both, "as it was");

    // The cure.
    for object in crate::lake::tests::damage::found(&store, "kombo_drift", "").await {
        use object_store::ObjectStoreExt;
        store.objects().delete(&object).await.expect("deleted");
    }
    let lake = crate::lake::tests::support::lake(&store, &settings()).await;
    let report = lake.fold(&tags(), None, &anew).await.expect("folded");
    assert_eq!(
        folded(&report),
        keys_of(&NAMES),
        "the full fetch of a, and the others anew"
    );
    assert_eq!(named(&current(&store, "a").await), both);
}
