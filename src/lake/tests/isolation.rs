//! A part of the lake that cannot be read is reported with its cure. The unreadable part never counts as empty or
//! new, and work that does not need that part goes on.

use std::sync::Arc;

use arrow::array::{ArrayRef, IntervalMonthDayNanoArray, RecordBatch};
use arrow::datatypes::{Field, Schema};
use futures_util::future::join_all;
use object_store::ObjectStoreExt;

use crate::catalog::Catalog;
use crate::customer::EndUser;
use crate::decode::QuarantinedRow;
use crate::delta::store::TableStore;
use crate::ids::Category;
use crate::lake::intake::pending_fetch::Fence;
use crate::lake::intake::pending_fetch::{FetchedRows, FinishedFetch};
use crate::lake::ledgers::quarantine;
use crate::lake::table_txns::TableTxns;
use crate::lake::tests::damage::{delete_file, found, garble_file, truncate_newest_entry};
use crate::lake::tests::support::*;
use crate::lake::{Lake, LakeError, LakeSettings, LintSettings, Part};
use crate::sink::Registration;
use crate::time::ObservedAt;
use crate::words::with_causes;

fn registration(name: &str) -> Registration {
    Registration {
        integration: integration(name),
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

async fn filled(store: &TableStore) -> Lake {
    let lake = lake(store, &settings()).await;
    for name in ["a", "b"] {
        run(&lake, &snapshot(name), &[&[("1", 10, 1)]], end(1, 10)).await;
        run(&lake, &delta(name), &[&[("1", 20, 2)]], end(2, 20)).await;
    }
    lake
}

fn is_named(error: &LakeError, file: &str) {
    let told = with_causes(error);
    assert!(told.contains(file), "{file} is not named: {told}");
    assert!(error.is_damage(), "{told}");
    assert!(
        error.advice().contains("from a backup"),
        "{}",
        error.advice()
    );
}

#[tokio::test]
async fn a_log_whose_newest_entry_is_cut_short_is_named_and_nothing_is_written_over_it() {
    let store = TableStore::memory();
    drop(filled(&store).await);
    let entry = truncate_newest_entry(&store, "ats_tags/snapshots").await;
    let before = objects_in(&store).await;
    let lake = lake(&store, &settings()).await;
    is_named(
        &lake.overview(&tags()).await.expect_err("unreadable"),
        &entry,
    );
    let begun = lake.begin(&snapshot("a"), &tags()).await;
    is_named(&begun.err().expect("unreadable"), &entry);
    let covered = lake.coverage(&tags(), &integration("a")).await;
    is_named(&covered.expect_err("unreadable"), &entry);
    assert_eq!(objects_in(&store).await, before);
    // Another endpoint is not affected.
    let jobs = Arc::clone(Catalog::embedded().find("ats/jobs").expect("known"));
    assert_eq!(lake.overview(&jobs).await.expect("read"), None);
    let others = lake.coverage(&jobs, &integration("a")).await;
    others.expect("read");
}

#[tokio::test]
async fn data_files_whose_log_is_gone_are_never_a_new_table() {
    let store = TableStore::memory();
    drop(filled(&store).await);
    for entry in found(&store, "ats_tags/deltas/_delta_log", "").await {
        store.objects().delete(&entry).await.expect("deleted");
    }
    let before = objects_in(&store).await;
    let lake = lake(&store, &settings()).await;
    let begun = lake.begin(&delta("a"), &tags()).await;
    is_named(
        &begun.err().expect("unreadable"),
        "ats_tags/deltas/_delta_log",
    );
    let overview = lake.overview(&tags()).await;
    is_named(
        &overview.expect_err("unreadable"),
        "ats_tags/deltas/_delta_log",
    );
    assert_eq!(objects_in(&store).await, before);
}

#[tokio::test]
async fn a_registry_with_a_missing_or_damaged_file_is_named_and_neither_empty_nor_written_over() {
    for damaged in [false, true] {
        let store = TableStore::memory();
        let lake = lake(&store, &settings()).await;
        drop(lake.register(&[registration("a")]).await.expect("written"));
        let file = if damaged {
            garble_file(&store, "kombo_integrations", "part-").await
        } else {
            delete_file(&store, "kombo_integrations", "part-").await
        };
        let before = objects_in(&store).await;
        is_named(&lake.registered().await.expect_err("unreadable"), &file);
        let written = lake.register(&[registration("b")]).await;
        is_named(&written.expect_err("unreadable"), &file);
        assert_eq!(objects_in(&store).await, before);
    }
}

/// Returns rows that Parquet refuses: one column has a type that Parquet does not have.
fn unwritable(name: &str) -> RecordBatch {
    let rows = batch(&tags(), &delta(name), &[("1", 10, 1)]);
    let other: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![None]));
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        if field.name() == "name" {
            fields.push(Arc::new(Field::new(
                "name",
                other.data_type().clone(),
                true,
            )));
            columns.push(Arc::clone(&other));
        } else {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("rows")
}

#[tokio::test]
async fn a_fetch_whose_rows_cannot_be_written_fails_alone_in_its_group() {
    let store = TableStore::memory();
    let windowed = LakeSettings {
        commit_window_secs: 3_600,
        ..settings()
    };
    let lake = lake(&store, &windowed).await;
    run(&lake, &delta("first"), &[&[("1", 10, 1)]], end(1, 10)).await;
    let committer = committer(&lake, Part::Deltas).await;
    let rows = |name: &str| match name {
        "bad" => unwritable(name),
        good => batch(&tags(), &delta(good), &[("1", 10, 1)]),
    };
    let names = ["a", "b", "bad", "c", "d"];
    let commits = names.map(|name| {
        let finished = FinishedFetch {
            fence: Fence {
                start: TableTxns::of(&integration(name).key(), |_| None),
                base: None,
                tiers: Vec::new(),
                seen: ObservedAt::from_micros(10),
                first: None,
                history: None,
            },
            rows: FetchedRows::Shared(vec![rows(name)]),
        };
        committer.commit(&lake.intake.tasks, finished)
    });
    let flush = async {
        while committer.waiting() < names.len() {
            tokio::task::yield_now().await;
        }
        lake.flush();
    };
    let (results, ()) = tokio::join!(join_all(commits), flush);
    for (name, result) in names.iter().zip(results) {
        assert_eq!(result.is_err(), *name == "bad", "{name}: {result:?}");
    }
    let stored = stored(&store, Part::Deltas).await;
    assert_eq!(stored.len(), 5, "the first one and four of the group");
}

#[tokio::test]
async fn a_file_that_cannot_be_looked_at_is_named_and_the_rest_of_its_table_is() {
    let store = TableStore::memory();
    let lake = filled(&store).await;
    let key = integration("b").key().to_string();
    let gone = delete_file(&store, "ats_tags/snapshots", &key).await;
    let report = lake.lint(&[tags()], true, &LintSettings::default()).await;
    let report = report.expect("goes on");
    let [aside] = &report.failed[..] else {
        panic!("one file: {:?}", report.failed);
    };
    assert_eq!(aside.member, "ats_tags/snapshots");
    is_named(&aside.error, &gone);
    let looked: Vec<_> = report
        .tables
        .iter()
        .map(|one| (one.table.as_str(), one.footers))
        .collect();
    assert_eq!(looked, [("ats_tags/snapshots", 1), ("ats_tags/deltas", 2)]);
}

#[tokio::test]
async fn a_quarantine_that_cannot_be_read_stops_the_fetch_that_needs_it_and_no_other() {
    let store = TableStore::memory();
    let row = || {
        vec![QuarantinedRow {
            observed_at: ObservedAt::from_micros(1),
            reason: "no id",
            raw: "{}".to_owned(),
        }]
    };
    let fetch = delta("a");
    let first = lake(&store, &settings()).await;
    let written = quarantine::commit(first.tables(), &fetch, row()).await;
    written.expect("written");
    let entry = truncate_newest_entry(&store, "kombo_quarantine").await;
    let lake = lake(&store, &settings()).await;
    let failed = quarantine::commit(lake.tables(), &fetch, row()).await;
    is_named(&failed.expect_err("unreadable"), &entry);
    run(&lake, &delta("b"), &[&[("1", 10, 1)]], end(1, 10)).await;
    // The cure.
    for object in found(&store, "kombo_quarantine", "").await {
        store.objects().delete(&object).await.expect("moved away");
    }
    quarantine::commit(lake.tables(), &fetch, row())
        .await
        .expect("anew");
    assert_eq!(quarantined(&store).await.len(), 1);
}
