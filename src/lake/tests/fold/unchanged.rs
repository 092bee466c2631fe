//! A full fetch that changes little keeps the files of a large table, with later times of observation.

use std::collections::BTreeMap;

use crate::lake::tests::fold::*;

/// Rows of a large table with these ids, observed from `at` on.
fn rows(ids: impl Iterator<Item = i64>, at: i64) -> Vec<Seen> {
    let name = |id: i64| format!("row {id:05} {}", "x".repeat(60));
    ids.map(|id| seen(&format!("{id:04}"), at + id, &name(id)))
        .collect()
}

/// Makes a table of many files, of which the first has few rows. A merge of the whole table would make all files equal.
async fn uneven(store: &TableStore) -> Lake {
    let lake = lake(store, &settings()).await;
    bring(&lake, &snapshot("a"), &rows(0..200, 1_000), 1_300).await;
    fold(&lake).await;
    let gone: Vec<Seen> = (1..8)
        .map(|id| gone(&format!("{id:04}"), 1_500 + id, "delete"))
        .collect();
    bring(&lake, &delta("a"), &gone, 1_600).await;
    fold(&lake).await;
    lake
}

/// Returns the number of rows of each file, by its least id.
async fn sizes(store: &TableStore) -> BTreeMap<String, usize> {
    let files = live_files(store, Part::Current).await.into_iter();
    let sizes = files.map(|(_, bytes)| {
        let rows = read(bytes);
        let least = rows.iter().map(|row| row.1.clone()).min().expect("rows");
        (least, rows.len())
    });
    sizes.collect()
}

fn left() -> impl Iterator<Item = i64> {
    std::iter::once(0).chain(8..200)
}

#[tokio::test]
async fn files_with_equal_rows_stay_as_they_are_and_say_when_the_rows_came_again() {
    let store = TableStore::memory();
    let lake = uneven(&store).await;
    let before = sizes(&store).await;
    bring(&lake, &snapshot("a"), &rows(left(), 5_000), 5_300).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.changed, done.removed), (193, 0, 0));
    assert_eq!(done.compared, 193);
    assert_eq!(sizes(&store).await, before);
    let expected: Vec<_> = rows(left(), 5_000)
        .into_iter()
        .map(|row| (row.id, row.at, row.name))
        .collect();
    assert_eq!(current(&store, "a").await, expected);
}

#[tokio::test]
async fn only_files_in_which_rows_change_are_merged() {
    let store = TableStore::memory();
    let lake = uneven(&store).await;
    let before = sizes(&store).await;
    // One row changed, one is new, one is gone, and one is missing.
    let mut fetched = rows(left().filter(|id| *id != 103), 5_000);
    for row in &mut fetched {
        match row.id.as_str() {
            "0100" => row.name = Some("changed".to_owned()),
            "0101" => (row.op, row.name) = ("delete", None),
            _ => {}
        }
    }
    fetched.push(seen("0102b", 5_299, "new"));
    fetched.push(gone("9999", 5_299, "delete"));
    bring(&lake, &snapshot("a"), &fetched, 5_300).await;
    // A delta saw one more row later.
    bring(&lake, &delta("a"), &[seen("0104", 6_000, "later")], 6_000).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.changed, done.removed), (193, 3, 1));
    assert_eq!(
        done.compared, 195,
        "with the new, the gone and the missing row"
    );
    let after = sizes(&store).await;
    let kept = before
        .iter()
        .filter(|(id, rows)| after.get(*id) == Some(*rows))
        .count();
    assert!(kept >= before.len() - 2 && kept > 3, "{before:?} {after:?}");

    let mut expected: BTreeMap<String, (i64, Option<String>)> = BTreeMap::new();
    for row in fetched.into_iter().filter(|row| row.op == "upsert") {
        expected.insert(row.id, (row.at, row.name));
    }
    // The row that is missing stays as it was, until Kombo confirms that it is gone.
    let missing = rows(std::iter::once(103), 1_000).remove(0);
    expected.insert(missing.id, (missing.at, missing.name));
    expected.insert("0104".to_owned(), (6_000, Some("later".to_owned())));
    let found = current(&store, "a").await;
    let found: BTreeMap<_, _> = found
        .into_iter()
        .map(|(id, at, name)| (id, (at, name)))
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_full_fetch_that_changes_every_file_is_merged_as_a_whole() {
    let store = TableStore::memory();
    let lake = uneven(&store).await;
    let mut fetched = rows(left(), 5_000);
    for row in fetched.iter_mut().step_by(3) {
        row.name = Some(format!("changed {}", "y".repeat(60)));
    }
    bring(&lake, &snapshot("a"), &fetched, 5_300).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.changed), (193, 65));
    let expected: Vec<_> = fetched
        .into_iter()
        .map(|row| (row.id, row.at, row.name))
        .collect();
    assert_eq!(current(&store, "a").await, expected);
}
