//! The content and metadata of the data files.

use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};

use crate::catalog::{Catalog, Endpoint};
use crate::company::{TwinRequest, World, WorldSettings};
use crate::decode::{DecodeLimits, PageDecoder};
use crate::delta::file::decoded_bytes::decoded_bytes;
use crate::delta::file::writer::read as file_rows;
use crate::delta::store::TableStore;
use crate::fetch::{Fetch, FetchMode};
use crate::ids::TableId;
use crate::lake::form::file_form;
use crate::lake::layout::{INTEGRATION_KEY, LakeTable};
use crate::lake::tests::support::*;
use crate::lake::{LakeSettings, Part};
use crate::time::ObservedAt;

fn reader(file: Bytes) -> SerializedFileReader<Bytes> {
    let properties = ReaderProperties::builder()
        .set_read_bloom_filter(true)
        .build();
    let options = ReadOptionsBuilder::new()
        .with_reader_properties(properties)
        .with_page_index()
        .build();
    SerializedFileReader::new_with_options(file, options).expect("a Parquet file")
}

/// Writes 2,000 rows in small row groups, and opens the file's metadata.
async fn written(part: Part) -> (SerializedFileReader<Bytes>, String) {
    let store = TableStore::memory();
    let settings = LakeSettings {
        row_group_bytes: NonZeroUsize::new(64 << 10).expect("not zero"),
        ..settings()
    };
    let lake = lake(&store, &settings).await;
    let fetch = match part {
        Part::Snapshots => snapshot("a"),
        Part::Deltas | Part::Current => delta("a"),
    };
    let ids: Vec<String> = (0..2_000).rev().map(|id| format!("id-{id:05}")).collect();
    let rows: Vec<(&str, i64, i64)> = ids
        .iter()
        .zip(1_700_000_000_000_001_i64..)
        .map(|(id, at)| (id.as_str(), at, at))
        .collect();
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    for page in rows.chunks(250) {
        staging
            .push(batch(&tags(), &fetch, page))
            .await
            .expect("pushed");
    }
    staging.commit(end(1, 10)).await.expect("committed");
    let [(path, file)] = live_files(&store, part).await.try_into().expect("one file");
    let ids: Vec<String> = read(file.clone()).into_iter().map(|row| row.1).collect();
    assert!(ids.is_sorted());
    let folder = path.split_once('/').expect("a folder").0;
    let part = path.split('/').nth(1).expect("a table");
    let entry = format!("{folder}/{part}/_delta_log/{:020}.json", 1);
    let found = store.objects().get(&entry.into()).await.expect("an entry");
    let entry = found.bytes().await.expect("bytes");
    (
        reader(file),
        String::from_utf8(entry.to_vec()).expect("JSON"),
    )
}

fn column(metadata: &ParquetMetaData, name: &str) -> usize {
    let schema = metadata.file_metadata().schema_descr();
    let found = (0..schema.num_columns()).find(|leaf| schema.column(*leaf).path().string() == name);
    found.unwrap_or_else(|| panic!("no column {name}"))
}

#[tokio::test]
async fn a_file_is_sorted_filtered_and_described() {
    let (file, _) = written(Part::Snapshots).await;
    let metadata = file.metadata();
    let id = column(metadata, "id");
    assert!(metadata.num_row_groups() > 1);
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let sorting: Vec<usize> = group
            .sorting_columns()
            .expect("declared")
            .iter()
            .map(|sorting| usize::try_from(sorting.column_idx).expect("a leaf"))
            .collect();
        assert_eq!(sorting, [column(metadata, "_integration_id"), id]);
        assert!(matches!(
            group.column(id).compression(),
            Compression::ZSTD(_)
        ));
        let plain = |name| {
            let mut encodings = group.column(column(metadata, name)).encodings();
            !encodings.any(|encoding| encoding == Encoding::RLE_DICTIONARY)
        };
        assert!(
            plain("id") && plain("_fetched_at"),
            "unique values need no dictionary"
        );
        assert!(!plain("_op") && !plain("_fetch_id"), "repeated values do");
        let reader = file.get_row_group(number).expect("a row group");
        let filter = reader
            .get_column_bloom_filter(id)
            .expect("a bloom filter on id");
        let some = read_ids(&file, number);
        assert!(some.iter().all(|id| filter.check(&id.as_str())));
    }
    assert!(metadata.page_index().is_some());
}

fn read_ids(file: &SerializedFileReader<Bytes>, group: usize) -> Vec<String> {
    use parquet::record::RowAccessor;
    let reader = file.get_row_group(group).expect("a row group");
    let rows = reader.get_row_iter(None).expect("rows");
    rows.map(|row| {
        let row = row.expect("a row");
        let position = row.get_column_iter().position(|(name, _)| name == "id");
        row.get_string(position.expect("an id"))
            .expect("text")
            .clone()
    })
    .collect()
}

#[tokio::test]
async fn a_file_says_what_wrote_it_and_keeps_field_ids() {
    for (part, table) in [
        (Part::Snapshots, "ats_tags/snapshots"),
        (Part::Deltas, "ats_tags/deltas"),
    ] {
        let (file, _) = written(part).await;
        let described = file.metadata().file_metadata();
        let pairs = described.key_value_metadata().expect("there");
        let value = |key: &str| {
            let pair = pairs.iter().find(|pair| pair.key == key);
            pair.and_then(|pair| pair.value.clone())
        };
        assert_eq!(value("kombo.layout_version").as_deref(), Some("1"));
        assert_eq!(value("kombo.table").as_deref(), Some(table));
        let schema = described.schema_descr();
        let names: Vec<&str> = schema
            .root_schema()
            .get_fields()
            .iter()
            .map(|f| f.name())
            .collect();
        assert_eq!(
            names.contains(&"integration_key"),
            part == Part::Deltas,
            "{names:?}"
        );
        assert!(names.contains(&"_integration_id") && !names.contains(&"commit_date"));
        for field in schema.root_schema().get_fields() {
            let expected = tags().schema();
            let expected = expected.field_with_name(field.name()).expect("ours");
            let id = field.get_basic_info().id().to_string();
            assert_eq!(Some(&id), expected.metadata().get("PARQUET:field_id"));
        }
    }
}

#[tokio::test]
async fn the_log_raises_the_last_observation_to_the_next_millisecond() {
    let (_, entry) = written(Part::Deltas).await;
    let add = entry
        .lines()
        .find_map(|line| {
            serde_json::from_str::<serde_json::Value>(line)
                .ok()?
                .get("add")
                .cloned()
        })
        .expect("an add action");
    let stats = add["stats"].as_str().expect("text");
    let stats: serde_json::Value = serde_json::from_str(stats).expect("JSON");
    assert_eq!(stats["numRecords"], 2_000);
    assert_eq!(
        stats["minValues"]["_fetched_at"],
        "2023-11-14T22:13:20.000Z"
    );
    assert_eq!(
        stats["maxValues"]["_fetched_at"],
        "2023-11-14T22:13:20.002Z"
    );
    assert_eq!(stats["minValues"]["id"], "id-00000");
    assert_eq!(stats["nullCount"]["changed_at"], 2_000);
    assert_eq!(add["partitionValues"]["commit_date"], "2023-11-14");
}

#[tokio::test]
async fn neither_the_log_nor_the_file_says_anything_about_columns_that_are_not_listed() {
    let (file, entry) = written(Part::Deltas).await;
    let told = |stats: &serde_json::Value| {
        let stats = stats["stats"].as_str().expect("text").to_owned();
        serde_json::from_str::<serde_json::Value>(&stats).expect("JSON")
    };
    let lines = entry.lines().map(serde_json::from_str::<serde_json::Value>);
    let add = lines.map(|line| line.expect("JSON")["add"].take());
    let stats = told(
        &add.into_iter()
            .find(serde_json::Value::is_object)
            .expect("an add action"),
    );
    let names = |of: &str| {
        let columns = stats[of].as_object().expect("columns");
        columns.keys().cloned().collect::<Vec<_>>()
    };
    let listed = [
        "_fetch_id",
        "_fetched_at",
        "_integration_id",
        "_op",
        "id",
        "integration_key",
    ];
    assert_eq!(names("minValues"), listed);
    assert_eq!(names("maxValues"), listed);
    let mut counted = names("nullCount");
    counted.retain(|name| name != "changed_at");
    assert_eq!(counted, listed);

    let metadata = file.metadata();
    let schema = metadata.file_metadata().schema_descr();
    let paths = (0..schema.num_columns()).map(|leaf| schema.column(leaf).path().string());
    let mut with_stats = Vec::new();
    for (leaf, path) in paths.enumerate() {
        let has_stats = metadata
            .row_groups()
            .iter()
            .any(|group| group.column(leaf).statistics().is_some());
        let index = metadata.page_index_for_row_group(0);
        let has_index = index.column_index(leaf).is_some();
        assert!(
            index.offset_index(leaf).is_some(),
            "{path} can be read by pages"
        );
        assert_eq!(has_stats, has_index, "{path}");
        if has_stats {
            with_stats.push(path);
        }
    }
    with_stats.sort();
    let mut in_files: Vec<&str> = listed.to_vec();
    in_files.extend(["changed_at", "remote_deleted_at"]);
    in_files.sort_unstable();
    assert_eq!(with_stats, in_files);
}

#[tokio::test]
async fn a_file_in_parts_is_whole() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let fetch = snapshot("a");
    let ids: Vec<String> = (0..500).map(|id| format!("{id:03}{}", noise(id))).collect();
    let rows: Vec<(&str, i64, i64)> = ids.iter().map(|id| (id.as_str(), 1, 1)).collect();
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    staging
        .push(batch(&tags(), &fetch, &rows))
        .await
        .expect("pushed");
    staging.commit(end(1, 1)).await.expect("committed");
    let files = live_files(&store, Part::Snapshots).await;
    assert!(files[0].1.len() > 8 << 20, "{}", files[0].1.len());
    let stored: Vec<String> = stored(&store, Part::Snapshots)
        .await
        .into_iter()
        .map(|row| row.1)
        .collect();
    assert_eq!(stored, ids);
}

/// Makes a text that does not compress.
fn noise(seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..24_000)
        .map(|_| random.char('\u{100}'..'\u{7ff}'))
        .collect()
}

/// Twenty made-up applications, decoded from a page as a backfill decodes them.
fn applications(fetch: &Fetch, endpoint: &Arc<Endpoint>) -> RecordBatch {
    let mut world = World::new(WorldSettings {
        integrations: 4,
        rows: 20,
        ..WorldSettings::default()
    });
    let owner = world.integrations().iter();
    let mut owner = owner.filter(|one| one.category() == endpoint.category);
    let owner = owner.next().expect("one of each category").id().clone();
    let answer = world.answer(TwinRequest {
        path: &endpoint.path,
        query: "page_size=250",
        bearer: Some("twin-key"),
        integration: Some(owner.as_str()),
    });
    let mut decoder = PageDecoder::new(Arc::clone(endpoint), fetch, DecodeLimits::default());
    let page = decoder.page(answer.body.as_bytes(), ObservedAt::from_micros(0), drop);
    page.expect("the twin's pages are readable");
    let mut rows = decoder.take_batch().expect("rows");
    // The key is the partition.
    if let Ok(key) = rows.schema().index_of(INTEGRATION_KEY) {
        rows.remove_column(key);
    }
    rows
}

#[tokio::test]
async fn a_file_of_twenty_applications_is_small_and_reads_as_it_was_written() {
    let endpoint = Catalog::embedded().find("ats/applications");
    let endpoint = Arc::clone(endpoint.expect("it ships"));
    let table = TableId {
        integration: integration("a"),
        endpoint: endpoint.name().clone(),
    };
    let rows = applications(&Fetch::new(table, FetchMode::Snapshot), &endpoint);
    assert_eq!(rows.num_rows(), 20);
    let table = LakeTable::Snapshots(endpoint.name().clone());
    let form = file_form(&table, &settings());
    let mut file = form.begin(20, decoded_bytes(&rows) / 20);
    file.write(&rows).expect("written");
    let file = file.finish().expect("closed").expect("rows");
    assert!(file.bytes.len() < 22_500, "{} bytes", file.bytes.len());

    let metadata = reader(file.bytes.clone()).metadata().clone();
    let group = metadata.row_group(0);
    assert!(metadata.page_index().is_none());
    assert_eq!(
        group.column(column(&metadata, "id")).bloom_filter_offset(),
        None
    );
    assert!(group.column(column(&metadata, "id")).statistics().is_some());
    let pairs = metadata
        .file_metadata()
        .key_value_metadata()
        .expect("pairs");
    assert!(pairs.iter().all(|pair| pair.key != "ARROW:schema"));
    // Every type, name and field id comes back, also those within lists and structs.
    let mut back = file_rows(file.bytes, &[]).expect("a file");
    assert_eq!(back.next().expect("a batch").expect("rows"), rows);
}
