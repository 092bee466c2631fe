use arrow::array::AsArray;
use arrow::datatypes::FieldRef;

use arrow::array::{RecordBatch, StringArray};

use crate::delta::rows::{each_row, to_batch};
use crate::delta::small_table::rewritten;
use crate::lake::ledgers::registry::*;

fn registration(id: &str) -> Registration {
    Registration {
        integration: IntegrationId::new(id).expect("an id"),
        category: Category::Ats,
        origin: "webhook".to_owned(),
        state: "active".to_owned(),
        since_ms: 1,
        state_since_ms: Some(1),
        not_found_since_ms: None,
        environment: None,
        end_user: EndUser::default(),
    }
}

fn stored(state: &str, state_since_ms: i64, not_found_since_ms: Option<i64>) -> Registration {
    Registration {
        state: state.to_owned(),
        state_since_ms: Some(state_since_ms),
        not_found_since_ms,
        ..registration("tool:a")
    }
}

fn batch(rows: &RowsByKey) -> RecordBatch {
    let rows = rows.clone().into_iter().map(IntegrationRow::from);
    to_batch(&schema(), &rows.collect::<Vec<_>>()).expect("rows")
}

fn read_back(batch: &RecordBatch) -> RowsByKey {
    let mut rows = Vec::new();
    each_row(batch, |row| rows.extend(row)).expect("read");
    registrations(rows)
}

fn after(before: &Registration, new: &Registration) -> Registration {
    before.clone().becoming(new, Wakes::All)
}

#[test]
fn a_state_is_as_old_as_its_first_row() {
    let inactive = stored("inactive", 7, None);
    assert_eq!(after(&inactive, &stored("inactive", 9, None)), inactive);
    let since = stored("inactive", 9, None);
    assert_eq!(after(&stored("active", 7, None), &since), since);
}

#[test]
fn a_deletion_is_taken_only_with_the_first_look_that_is_stored() {
    let deleting = stored("deleting", 5, Some(5));
    let deleted = stored("deleted", 9, Some(5));
    assert_eq!(after(&deleting, &deleted), deleted);
    // Another process has read the integration meanwhile, or has started again, or no check was ever stored.
    let suspected = stored("deleting", 9, Some(9));
    assert_eq!(after(&stored("active", 7, None), &deleted), suspected);
    assert_eq!(deleted.beginning(), suspected);
    let begun_anew = stored("deleting", 6, Some(7));
    let stands = after(&begun_anew, &deleted);
    assert_eq!(
        (&*stands.state, stands.not_found_since_ms),
        ("deleting", Some(7))
    );
    let undated = stored("deleted", 9, None);
    assert_eq!(after(&deleting, &undated).state, "deleting");
}

#[test]
fn the_first_look_stays_until_kombo_answers_for_the_integration() {
    let deleting = stored("deleting", 5, Some(5));
    for late in [Some(8), None] {
        assert_eq!(after(&deleting, &stored("deleting", 8, late)), deleting);
    }
    let deleted = stored("deleted", 9, Some(5));
    let late = stored("deleting", 12, Some(12));
    assert_eq!(
        after(&deleted, &late),
        deleted,
        "from a process that does not know of the deletion"
    );
    for before in [deleting, deleted] {
        let active = after(&before, &stored("active", 20, Some(5)));
        assert_eq!(active, stored("active", 20, None));
    }
}

#[test]
fn what_is_purged_stays_purged_until_a_person_names_it() {
    let purged = stored("purged", 8, Some(5));
    for state in ["active", "deleting", "deleted", "setup_pending"] {
        assert_eq!(after(&purged, &stored(state, 9, Some(5))), purged);
    }
    let named = purged.becoming(&stored("active", 9, None), Wakes::PurgedToo);
    assert_eq!(named, stored("active", 9, None));
}

#[test]
fn the_environment_stays_until_another_is_known_and_is_read_back() {
    let in_environment = |name: Option<&str>| Registration {
        environment: name.and_then(EnvironmentId::new),
        ..stored("deleting", 5, Some(5))
    };
    let known = in_environment(Some("one"));
    assert_eq!(after(&known, &in_environment(None)), known);
    let moved = in_environment(Some("two"));
    assert_eq!(after(&known, &moved), moved);
    for row in [known, in_environment(None)] {
        let rows = RowsByKey::from([("k".to_owned(), row)]);
        assert_eq!(read_back(&batch(&rows)), rows);
    }
}

/// Stores one integration under the key of another.
fn clashing(stored: &str, new: &str) -> RowsByKey {
    let key = registration(new).integration.key().to_string();
    RowsByKey::from([(key, registration(stored))])
}

#[test]
fn a_key_of_another_integration_is_refused_and_the_others_of_the_batch_are_written_down() {
    let stored = clashing("tool:a", "tool:b");
    let batch = ["tool:c", "tool:b", "tool:d"].map(registration);
    let (written, stand) = changed(stored.clone(), &batch, Wakes::All);
    let written = written.values().map(|row| row.integration.as_str());
    assert_eq!(written.collect::<Vec<_>>(), ["tool:c", "tool:d"]);
    let stands = stand.going.iter().map(|row| row.integration.as_str());
    assert_eq!(stands.collect::<Vec<_>>(), ["tool:c", "tool:d"]);
    let [refused] = &stand.aside[..] else {
        panic!("one is refused: {stand:?}");
    };
    assert_eq!(refused.member, registration("tool:b"));
    let told = refused.error.to_string();
    assert!(
        told.contains("tool:a") && told.contains("tool-b-"),
        "{told}"
    );
}

#[test]
fn an_integration_with_the_key_of_another_is_refused_each_time() {
    let (first, stand) = changed(RowsByKey::new(), &[registration("tool:b")], Wakes::All);
    assert_eq!((first.len(), stand.aside.len()), (1, 0));
    let stored = clashing("tool:a", "tool:b");
    for _ in 0..2 {
        let (again, stand) = changed(stored.clone(), &[registration("tool:b")], Wakes::All);
        assert_eq!((again.len(), stand.aside.len()), (0, 1));
    }
}

#[test]
fn rows_and_columns_of_a_newer_build_pass_through() {
    let newer = batch(&RowsByKey::from([("k".to_owned(), registration("tool:a"))]));
    let mut fields: Vec<FieldRef> = newer.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("region", DataType::Utf8, true)));
    let mut columns = newer.columns().to_vec();
    let category = newer.schema().index_of("category").expect("there");
    columns[category] = Arc::new(StringArray::from(vec!["unheard-of"]));
    columns.push(Arc::new(StringArray::from(vec!["eu"])));
    let newer = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("rows");

    let new = [registration("tool:b")];
    let (changed, stand) = changed(read_back(&newer), &new, Wakes::All);
    assert!(stand.aside.is_empty(), "no clash");
    let changed = batch(&changed);
    let written = rewritten(&[newer], changed, &[], &["integration_key"]).expect("rows");
    assert_eq!(written.num_rows(), 2);
    let text = |name: &str, row: usize| {
        let column = written.column_by_name(name).expect("kept");
        column.as_string::<i32>().value(row).to_owned()
    };
    assert_eq!(
        (text("category", 0), text("region", 0)),
        ("unheard-of".into(), "eu".into())
    );
    assert_eq!(text("_integration_id", 1), "tool:b");
}

#[test]
fn the_name_of_a_customer_stays_until_kombo_says_another() {
    let named = |name: &str| Registration {
        end_user: EndUser::new(Some(name), Some("tenant 42")),
        ..stored("active", 1, None)
    };
    let (first, unnamed) = (named("Acme"), stored("inactive", 2, None));
    let parked = after(&first, &unnamed);
    assert_eq!(
        (&*parked.state, &parked.end_user),
        ("inactive", &first.end_user)
    );
    assert_eq!(
        after(&parked, &named("Acme SE")).end_user,
        named("Acme SE").end_user
    );
    let purged = stored(Registration::PURGED, 3, None);
    assert!(after(&purged, &first).end_user.is_unknown());
    let rows = RowsByKey::from([("key".to_owned(), first)]);
    assert_eq!(read_back(&batch(&rows)), rows);
}
