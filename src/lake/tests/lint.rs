//! The report on a lake equals the content of its files, and costs are the sizes of its pages.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use object_store::ObjectStoreExt;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::delta::log::{AddFile, Entry};
use crate::delta::store::TableStore;
use crate::lake::layout::of_integration;
use crate::lake::tests::support::*;
use crate::lake::{Finding, Lake, LakeSettings, LintSettings, Part, Query, TableLint};

/// Settings with row groups of a few hundred rows.
fn small_groups() -> LakeSettings {
    LakeSettings {
        row_group_bytes: NonZeroUsize::new(512 << 10).expect("not zero"),
        ..settings()
    }
}

async fn linted(lake: &Lake, part: Part) -> TableLint {
    let report = lake.lint(&[tags()], true, &LintSettings::default()).await;
    let report = report.expect("looked at");
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    let name = part.of(tags().name()).to_string();
    let found = report.tables.into_iter().find(|table| table.table == name);
    found.expect("there")
}

/// Puts a file with these ids into `current`.
async fn put_current(lake: &Lake, name: &str, ids: std::ops::Range<u32>) {
    let table = lake.tables().of_endpoint(&tags(), Part::Current).await;
    let table = table.expect("open");
    let ids: Vec<String> = ids.map(|id| format!("id-{id:07}")).collect();
    let rows: Vec<(&str, i64, i64)> = ids
        .iter()
        .zip(1_700_000_000_000_001_i64..)
        .map(|(id, at)| (id.as_str(), at, at.wrapping_mul(-0x61c8_8646_80b5_83eb)))
        .collect();
    let rows = batch(&tags(), &delta(name), &rows);
    let partition = of_integration(&integration(name).key());
    let written = table.files.write_batch(rows, partition).await;
    let written = written.expect("written").expect("rows");
    commit(lake, Part::Current, written.add).await;
}

async fn commit(lake: &Lake, part: Part, add: AddFile) {
    let table = lake
        .tables()
        .of_endpoint(&tags(), part)
        .await
        .expect("open");
    let state = table.refreshed().await.expect("read");
    let entry = Entry {
        operation: "TEST",
        adds: vec![add],
        ..Entry::default()
    };
    table.log.commit(&state, entry).await.expect("committed");
}

fn cost(table: &TableLint, query: Query) -> &crate::lake::QueryCost {
    let found = table.queries.iter().find(|cost| cost.query == query);
    found.unwrap_or_else(|| panic!("{:?}", table.queries))
}

#[tokio::test]
async fn of_our_own_files_there_is_nothing_to_mend_and_one_record_costs_little() {
    let store = TableStore::memory();
    let lake = lake(&store, &small_groups()).await;
    put_current(&lake, "a", 0..30_000).await;
    put_current(&lake, "a", 30_000..60_000).await;
    put_current(&lake, "b", 0..30_000).await;
    run(&lake, &delta("a"), &[&[("1", 1, 1)]], end(1, 1)).await;

    let current = linted(&lake, Part::Current).await;
    assert_eq!(current.findings(), []);
    assert_eq!(
        (current.files, current.rows, current.footers),
        (3, 90_000, 3)
    );
    assert!(current.groups > 6, "{}", current.groups);
    let record = cost(&current, Query::OneRecord);
    assert_eq!((record.samples, record.most_files), (5, 1));
    assert!(record.bytes <= record.bytes_by_groups, "{record:?}");
    assert!(record.bytes_by_groups < current.bytes / 3, "{record:?}");
    // The median of two values is the larger one.
    let integration = cost(&current, Query::OneIntegration);
    assert_eq!(integration.most_files, 2);
    assert!(integration.bytes < current.bytes);
    let day = linted(&lake, Part::Deltas).await;
    assert_eq!(cost(&day, Query::OneDay).bytes, day.bytes);
}

#[tokio::test]
async fn within_a_row_group_only_the_pages_with_the_id_are_read() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    put_current(&lake, "a", 0..60_000).await;
    let current = linted(&lake, Part::Current).await;
    let record = cost(&current, Query::OneRecord);
    assert!(record.bytes < record.bytes_by_groups / 4, "{record:?}");
}

#[tokio::test]
async fn files_whose_ids_overlap_are_told_and_cost_a_look_each() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    for from in [0, 500, 600] {
        put_current(&lake, "a", from..from + 1_000).await;
    }
    put_current(&lake, "b", 0..1_000).await;
    let current = linted(&lake, Part::Current).await;
    let expected = [Finding::Overlaps(2), Finding::WideLookups(3)];
    assert_eq!(current.findings(), expected);
}

#[tokio::test]
async fn a_file_of_another_program_is_told() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let table = lake.tables().of_endpoint(&tags(), Part::Current).await;
    table.expect("created: a file beside no log would be a table whose log is gone");
    // A smaller file needs no page index and no bloom filter.
    let ids: Vec<String> = (0..20_000).map(|id| format!("{id:05}")).collect();
    let rows: Vec<_> = ids.iter().map(|id| (id.as_str(), 1, 1)).collect();
    let rows = batch(&tags(), &delta("a"), &rows);
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties));
    let writer_ref = writer.as_mut().expect("a writer");
    writer_ref.write(&rows).expect("written");
    let bytes = writer.expect("a writer").into_inner().expect("a file");
    let key = integration("a").key();
    let path = format!("integration_key={key}/part-other.parquet");
    let add = AddFile {
        path: path.clone(),
        partition_values: BTreeMap::from([("integration_key".to_owned(), key.to_string())]),
        size: bytes.len() as u64,
        modified_at: crate::time::Moment::from_millis(NOON),
        stats: "{}".to_owned(),
        tags: BTreeMap::new(),
    };
    let at = format!("ats_tags/current/{path}").into();
    let put = store.objects().put(&at, bytes.into()).await;
    put.expect("put");
    commit(&lake, Part::Current, add).await;

    let findings = linted(&lake, Part::Current).await.findings();
    let expected = [
        Finding::NoStatistics(1),
        Finding::NoPageIndex(1),
        Finding::NoBloomFilter(1),
        Finding::NotSorted(1),
        Finding::NotOurs(1),
    ];
    assert_eq!(findings, expected);
}

#[tokio::test]
async fn many_small_files_of_one_day_are_told_until_they_are_merged() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    for at in 1..=16 {
        run(&lake, &delta("a"), &[&[("1", at, at)]], end(at, at)).await;
    }
    let deltas = linted(&lake, Part::Deltas).await;
    assert_eq!(deltas.findings(), [Finding::SmallFiles(16)]);
    let upkeep = crate::lake::UpkeepSettings::default();
    lake.upkeep(&[tags()], &upkeep).await.expect("kept up");
    assert_eq!(linted(&lake, Part::Deltas).await.findings(), []);
}
