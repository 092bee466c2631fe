//! New integrations that only webhooks name, with a lake and a Kombo.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_unknown_integration_is_stored_before_its_webhook_is_acknowledged_and_registered_once_confirmed()
 {
    let twin = TimedTwin::new(1, 40);
    let lake = memory_lake(&twin).await;
    let service = start_for(&twin, &lake, &["ats/tags"], &[]).await;
    let id = twin.ids()[0].clone();
    let taken = service.door.take(changed(&id, "ats_tags")).await;
    taken.expect("acknowledged");
    let names = async || {
        let (stored, _) = lake.candidates().await.expect("read");
        let stored = stored.into_iter().map(|one| one.integration);
        stored.collect::<Vec<_>>()
    };
    assert_eq!(names().await, std::slice::from_ref(&id));
    service.until_covered(&id, endpoint("ats/tags"), 0).await;
    let registered = lake.registered().await.expect("rows");
    let [registered] = &registered[..] else {
        panic!("one: {registered:?}");
    };
    assert_eq!(registered.integration, id);
    let told = (registered.origin.as_str(), registered.state.as_str());
    assert_eq!(told, ("webhook", "active"));
    sleep(Duration::from_mins(2)).await;
    assert!(names().await.is_empty(), "it waits no longer");

    // An id that Kombo does not know is stored as well, and then forgotten.
    let forged = IntegrationId::new("greenhouse:forged").expect("an id");
    let taken = service.door.take(changed(&forged, "ats_tags")).await;
    taken.expect("acknowledged");
    assert_eq!(names().await, std::slice::from_ref(&forged));
    sleep(Duration::from_mins(10)).await;
    assert!(names().await.is_empty());
    assert_eq!(lake.registered().await.expect("rows").len(), 1);
    service.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lake_that_takes_no_candidates_has_webhooks_of_new_integrations_answered_503() {
    let twin = TimedTwin::new(1, 40);
    let memory = TableStore::memory();
    let store = FaultyStore::new(Arc::clone(memory.objects()), 0..0, Failure::Before);
    let objects: Arc<dyn object_store::ObjectStore> = Arc::clone(&store) as _;
    let clock = Arc::new(TwinClock(twin.clone()));
    let faulty = TableStore::over(objects, memory.url().clone());
    let lake = Lake::over(faulty, &lake_settings(), clock).await;
    let lake = lake.expect("a lake in memory");
    let service = start_for(&twin, &lake, &["ats/tags"], &[]).await;
    sleep(Duration::from_secs(1)).await;
    let id = twin.ids()[0].clone();
    store.set_away(true);
    let taken = service.door.take(changed(&id, "ats_tags")).await;
    taken.expect_err("503: it is not stored");
    store.set_away(false);
    sleep(Duration::from_secs(15)).await;
    let taken = service.door.take(changed(&id, "ats_tags")).await;
    taken.expect("acknowledged: the write was repeated");
    service.until_covered(&id, endpoint("ats/tags"), 0).await;
    service.stop().await;
}
