//! Deletions, forged and real, with the loop, a twin and a lake.

use super::*;
use crate::company::ChangeKind;
use crate::sink::Registration;
use crate::time::Moment;

const DAY_MS: i64 = 24 * 3_600_000;

fn event(kind: &str, id: &IntegrationId) -> Webhook {
    let body = format!(
        r#"{{"id":"e","type":"{kind}","data":{{"id":"{id}","tool":"{}","category":"ATS"}}}}"#,
        id.tool()
    );
    preview(body.as_bytes()).expect("a webhook")
}

async fn registered(lake: &Lake, id: &IntegrationId) -> Registration {
    let all = lake.registered().await.expect("read");
    let mut all = all.into_iter();
    all.find(|one| one.integration == *id).expect("registered")
}

/// Makes the twin answer as Kombo does for an integration that it does not know, or makes it answer normally again.
fn lose(twin: &TimedTwin, id: &IntegrationId, lost: bool) {
    let code = lost.then_some("PLATFORM.INTEGRATION_NOT_FOUND");
    let refusal = code.and_then(Refusal::with_code);
    twin.now().world().lock().refuse(id, None, refusal);
}

#[tokio::test(start_paused = true)]
async fn a_forged_deletion_costs_a_question_and_data_flows_on() {
    let twin = TimedTwin::new(1, 40);
    let lake = memory_lake(&twin).await;
    let service = start(&twin, &lake, &["ats/tags"]).await;
    let (id, tags) = (twin.ids()[0].clone(), endpoint("ats/tags"));
    service.until_covered(&id, tags, 0).await;
    for index in 0..3 {
        sleep(Duration::from_mins(30)).await;
        let deleted = event("integration-deleted", &id);
        service.door.take(deleted).await.expect("acknowledged");
        sleep(Duration::from_mins(2)).await;
        assert_eq!(registered(&lake, &id).await.state, "active");
        twin.edit(&id, tags, index);
        let changed_ms = server_ms(&twin);
        let told = service.door.take(changed(&id, "ats_tags")).await;
        told.expect("acknowledged");
        service.until_covered(&id, tags, changed_ms).await;
        assert!(server_ms(&twin) - changed_ms < 60_000, "by the webhook");
    }
    service.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_real_deletion_counts_after_a_day_over_restarts() {
    let twin = TimedTwin::new(1, 40);
    let lake = memory_lake(&twin).await;
    let mut service = start(&twin, &lake, &["ats/tags"]).await;
    let id = twin.ids()[0].clone();
    service.until_covered(&id, endpoint("ats/tags"), 0).await;
    sleep(Duration::from_mins(5)).await;
    let environment = registered(&lake, &id).await.environment;
    let own = twin.now().world().lock().environment_id();
    assert_eq!(environment.map(|one| one.to_string()), Some(own));
    let deleted_ms = server_ms(&twin);
    let gone = ChangeKind::IntegrationDeleted;
    let change = twin.now().world().lock().change(gone, &id, None, None);
    change.expect("it was there");
    let told = event("integration-deleted", &id);
    service.door.take(told).await.expect("acknowledged");
    let ids = std::slice::from_ref(&id);
    for _ in 0..5 {
        sleep(Duration::from_hours(4)).await;
        let row = registered(&lake, &id).await;
        assert_eq!(row.state, "deleting");
        let since_ms = row.not_found_since_ms.expect("written down");
        assert!((deleted_ms..deleted_ms + 60_000).contains(&since_ms));
        service.stop().await;
        service = start_for(&twin, &lake, &["ats/tags"], ids).await;
    }
    sleep(Duration::from_hours(11)).await;
    let row = registered(&lake, &id).await;
    assert_eq!(row.state, "deleted");
    let took_ms = row.state_since_ms.expect("dated") - deleted_ms;
    assert!((DAY_MS..DAY_MS + 7 * 3_600_000).contains(&took_ms));
    service.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_kombo_loses_for_days_is_fetched_again_when_it_answers() {
    let twin = TimedTwin::new(1, 40);
    let lake = memory_lake(&twin).await;
    let service = start(&twin, &lake, &["ats/tags"]).await;
    let (id, tags) = (twin.ids()[0].clone(), endpoint("ats/tags"));
    service.until_covered(&id, tags, 0).await;
    lose(&twin, &id, true);
    sleep(Duration::from_hours(3 * 24)).await;
    assert_eq!(registered(&lake, &id).await.state, "deleted");
    lose(&twin, &id, false);
    let back_ms = server_ms(&twin);
    let told = service.door.take(changed(&id, "ats_tags")).await;
    told.expect("acknowledged");
    service.until_covered(&id, tags, back_ms).await;
    assert!(server_ms(&twin) - back_ms <= 2 * 3_600_000);
    sleep(Duration::from_secs(10)).await;
    let row = registered(&lake, &id).await;
    assert_eq!((&*row.state, row.not_found_since_ms), ("active", None));
    service.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_purged_beside_the_service_is_not_fetched_again_by_itself() {
    let twin = TimedTwin::new(1, 40);
    let lake = memory_lake(&twin).await;
    let service = start(&twin, &lake, &["ats/tags"]).await;
    let (id, tags) = (twin.ids()[0].clone(), endpoint("ats/tags"));
    service.until_covered(&id, tags, 0).await;
    lose(&twin, &id, true);
    sleep(Duration::from_hours(3 * 24)).await;
    let now = [id.clone()];
    lake.register_purged(&now, Moment::from_millis(server_ms(&twin)))
        .await
        .expect("written");
    lose(&twin, &id, false);
    let purged_ms = server_ms(&twin);
    for _ in 0..3 {
        let told = service.door.take(changed(&id, "ats_tags")).await;
        told.expect("acknowledged");
        sleep(Duration::from_hours(20)).await;
    }
    assert_eq!(registered(&lake, &id).await.state, "purged");
    let coverage = lake.coverage(tags, &id).await.expect("read");
    let base = coverage.bases.get(Tier::Ordinary).expect("fetched once");
    assert!(base.as_millis() < purged_ms, "not fetched since");
    service.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_of_kombos_that_jumps_ahead_makes_no_day_of_an_hour() {
    let twin = TimedTwin::new(1, 40);
    let lake = memory_lake(&twin).await;
    let service = start(&twin, &lake, &["ats/tags"]).await;
    let (id, tags) = (twin.ids()[0].clone(), endpoint("ats/tags"));
    service.until_covered(&id, tags, 0).await;
    sleep(Duration::from_mins(5)).await;
    lose(&twin, &id, true);
    let told = event("integration-deleted", &id);
    service.door.take(told).await.expect("acknowledged");
    sleep(Duration::from_hours(1)).await;
    assert_eq!(registered(&lake, &id).await.state, "deleting");
    // The largest error that a `Date` may have.
    twin.says_ahead_ms.store(47 * 3_600_000, Ordering::Relaxed);
    for _ in 0..5 {
        let told = event("integration-deleted", &id);
        service.door.take(told).await.expect("acknowledged");
        sleep(Duration::from_hours(2)).await;
        assert_eq!(registered(&lake, &id).await.state, "deleting");
    }
    sleep(Duration::from_hours(24)).await;
    assert_eq!(registered(&lake, &id).await.state, "deleted");
    service.stop().await;
}
