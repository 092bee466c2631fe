//! A part of the lake that cannot be read does not stop the service: it starts, fetches the rest, and tries again.

use futures_util::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::*;
use crate::ids::Category;

/// Returns two customers with tools of one category.
fn two(twin: &TimedTwin) -> Vec<IntegrationId> {
    let world = twin.twin.world().lock();
    let ats = world.integrations().iter();
    let ats = ats.filter(|known| known.category() == Category::Ats);
    ats.map(|known| known.id().clone()).take(2).collect()
}

/// Returns a lake as another process finds it, without anything that this process has opened.
async fn lake_over(twin: &TimedTwin, store: &TableStore) -> Lake {
    let clock = Arc::new(TwinClock(twin.clone()));
    let lake = Lake::over(store.clone(), &lake_settings(), clock).await;
    lake.expect("a lake in memory")
}

/// Fetches everything once.
async fn fetched_once(twin: &TimedTwin, store: &TableStore, endpoints: &[&str]) {
    let lake = lake_over(twin, store).await;
    let ids = two(twin);
    let service = start_for(twin, &lake, endpoints, &ids).await;
    for id in ids {
        for name in endpoints {
            service.until_covered(&id, endpoint(name), 0).await;
        }
    }
    service.stop().await;
}

/// Removes the objects of a folder whose paths contain a text, and returns them in order.
async fn take_away(store: &TableStore, folder: &str, text: &str) -> Vec<(Path, bytes::Bytes)> {
    let listed = store.objects().list(Some(&folder.into()));
    let listed: Vec<_> = listed.try_collect().await.expect("listed");
    let mut taken = Vec::new();
    for path in listed.into_iter().map(|found| found.location) {
        if path.as_ref().contains(text) {
            let found = store.objects().get(&path).await.expect("there");
            taken.push((path.clone(), found.bytes().await.expect("bytes")));
            store.objects().delete(&path).await.expect("deleted");
        }
    }
    taken.sort_by(|a, b| a.0.cmp(&b.0));
    taken
}

async fn put(store: &TableStore, path: &Path, bytes: bytes::Bytes) {
    store.objects().put(path, bytes.into()).await.expect("put");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_whose_log_is_damaged_is_set_aside_until_it_can_be_read_and_the_others_are_fetched()
 {
    let twin = TimedTwin::new(5, 40);
    let store = TableStore::memory();
    let (tags, jobs) = (endpoint("ats/tags"), endpoint("ats/jobs"));
    fetched_once(&twin, &store, &["ats/tags", "ats/jobs"]).await;
    let mut entries = take_away(&store, "ats_tags/snapshots/_delta_log", ".json").await;
    let (newest, whole) = entries.pop().expect("entries");
    for (path, bytes) in entries {
        put(&store, &path, bytes).await;
    }
    put(&store, &newest, whole.slice(..whole.len() / 2)).await;

    let lake = lake_over(&twin, &store).await;
    let ids = two(&twin);
    let service = start_for(&twin, &lake, &["ats/tags", "ats/jobs"], &ids).await;
    sleep(Duration::from_mins(10)).await;
    for id in &ids {
        twin.edit(id, jobs, 1);
        twin.edit(id, tags, 1);
    }
    let changed_ms = server_ms(&twin);
    for id in &ids {
        for model in ["ats_jobs", "ats_tags"] {
            let taken = service.door.take(changed(id, model)).await;
            taken.expect("acknowledged: its bits need no lake");
        }
        service.until_covered(id, jobs, changed_ms).await;
    }
    assert_eq!(service.delta_rows(jobs).await, 2);

    put(&store, &newest, whole).await;
    for id in &ids {
        service.until_covered(id, tags, changed_ms).await;
    }
    assert_eq!(
        service.delta_rows(tags).await,
        2,
        "deltas, no full fetch over it"
    );
    service.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_the_registry_configured_integrations_are_fetched_and_others_once_kombo_has_confirmed_them()
 {
    let twin = TimedTwin::new(5, 40);
    let store = TableStore::memory();
    let tags = endpoint("ats/tags");
    fetched_once(&twin, &store, &["ats/tags"]).await;
    let files = take_away(&store, "kombo_integrations", "/part-").await;
    let ids = two(&twin);

    let lake = lake_over(&twin, &store).await;
    let service = start_for(&twin, &lake, &["ats/tags"], &ids[..1]).await;
    sleep(Duration::from_mins(10)).await;
    twin.edit(&ids[0], tags, 1);
    let changed_ms = server_ms(&twin);
    let taken = service.door.take(changed(&ids[0], "ats_tags")).await;
    taken.expect("acknowledged: the configuration names it");
    service.until_covered(&ids[0], tags, changed_ms).await;
    assert_eq!(
        service.delta_rows(tags).await,
        1,
        "a delta: its bases are known"
    );
    service.stop().await;

    // The service for all integrations that the registry names.
    let lake = lake_over(&twin, &store).await;
    let service = start_for(&twin, &lake, &["ats/tags"], &[]).await;
    let taken = service.door.take(changed(&ids[1], "ats_tags")).await;
    taken.expect("acknowledged: durable among the candidates");
    let since_ms = server_ms(&twin);
    twin.edit(&ids[1], tags, 1);
    service.until_covered(&ids[1], tags, since_ms).await;
    for (path, bytes) in files {
        put(&store, &path, bytes).await;
    }
    sleep(Duration::from_secs(15)).await;
    let taken = service.door.take(changed(&ids[1], "ats_tags")).await;
    taken.expect("acknowledged: the registry is read again");
    let since_ms = server_ms(&twin);
    twin.edit(&ids[0], tags, 2);
    service.until_covered(&ids[0], tags, since_ms).await;
    service.stop().await;
}
