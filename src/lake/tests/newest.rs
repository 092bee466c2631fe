//! What a check of one row finds.

use crate::delta::store::TableStore;
use crate::lake::Part;
use crate::lake::tests::support::*;

#[tokio::test]
async fn the_newest_observation_of_a_row_is_found_in_either_part() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let look = async |name: &str, id: &str| {
        let found = lake.newest(&tags(), &integration(name), id).await;
        let found = found.expect("the lake is read");
        found.map(|sighting| (sighting.part, sighting.fetched_at_us))
    };
    assert_eq!(look("a", "one").await, None, "there is no table yet");
    let rows = [("one", 100, 1), ("two", 110, 1)];
    run(&lake, &snapshot("a"), &[&rows], end(1, 110)).await;
    run(&lake, &snapshot("b"), &[&[("one", 105, 1)]], end(1, 105)).await;
    assert_eq!(look("a", "one").await, Some((Part::Snapshots, 100)));
    run(&lake, &delta("a"), &[&[("one", 200, 2)]], end(2, 200)).await;
    run(&lake, &delta("a"), &[&[("one", 300, 3)]], end(3, 300)).await;
    assert_eq!(look("a", "one").await, Some((Part::Deltas, 300)));
    assert_eq!(look("a", "two").await, Some((Part::Snapshots, 110)));
    assert_eq!(look("a", "three").await, None);
    let of_another = look("b", "one").await;
    assert_eq!(of_another, Some((Part::Snapshots, 105)));
}

#[tokio::test]
async fn a_delta_older_than_the_snapshot_says_nothing() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    run(&lake, &delta("a"), &[&[("one", 200, 2)]], end(2, 200)).await;
    let found = lake.newest(&tags(), &integration("a"), "one").await;
    assert!(found.expect("the lake is read").is_some());
    run(&lake, &snapshot("a"), &[&[("two", 400, 1)]], end(4, 400)).await;
    let found = lake.newest(&tags(), &integration("a"), "one").await;
    assert_eq!(found.expect("the lake is read"), None);
}
