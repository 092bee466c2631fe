//! Logs are cut on time, and everything is still known.

use crate::lake::tests::upkeep::*;

#[tokio::test]
async fn a_log_of_few_entries_is_cut_on_time_too() {
    let aging = Aging::new();
    let lake = aging.lake().await;
    for at in [100, 200] {
        run(&lake, &snapshot("a"), &[&[("1", at, 1)]], end(at, at)).await;
    }
    let logs = async || {
        let mut paths = paths(&aging.store).await;
        paths.retain(|path| path.as_ref().starts_with("ats_tags/snapshots/_delta_log/0"));
        let names = paths
            .iter()
            .map(|path| path.filename().expect("a name").to_owned());
        names.collect::<Vec<_>>()
    };
    let name = |version: u32, kind: &str| format!("{version:020}.{kind}");
    aging.pass(6).await;
    let settings = UpkeepSettings {
        compact_files: 0,
        ..UpkeepSettings::default()
    };
    keep_up(&lake, &settings).await;
    assert_eq!(logs().await, [0, 1, 2].map(|version| name(version, "json")));

    aging.pass(2).await;
    let dry = UpkeepSettings {
        dry_run: true,
        ..settings.clone()
    };
    let before = view(&aging.store).await;
    let planned = keep_up(&lake, &dry).await;
    assert_eq!(logs().await.len(), 3, "a dry run changes nothing");
    let done = keep_up(&lake, &settings).await;
    for report in [planned, done] {
        let done = of(&report, "ats_tags/snapshots").expect("cut");
        assert_eq!(done.deleted_log_entries, 2);
    }
    assert_eq!(
        logs().await,
        [name(2, "checkpoint.parquet"), name(2, "json")]
    );
    assert_eq!(view(&aging.store).await, before);
    let again = keep_up(&aging.lake().await, &settings).await;
    assert!(again.tables.is_empty(), "{again:?}");
    run(&lake, &snapshot("a"), &[&[("1", 300, 2)]], end(300, 300)).await;
    assert_eq!(stored(&aging.store, Part::Snapshots).await.len(), 1);
}

#[tokio::test]
async fn the_log_is_cut_below_a_checkpoint_of_last_week_and_everything_is_still_known() {
    let aging = Aging::new();
    let lake = aging.lake().await;
    years_of_work(&lake, &aging.store).await;
    aging.pass(8).await;
    // The entries of this week stay, and so do their checkpoints.
    for at in 400..405 {
        run(&lake, &delta("c"), &[&[("1", at, at)]], end(at, at)).await;
    }
    let (before, overview) = (view(&aging.store).await, lake.overview(&tags()).await);
    let settings = UpkeepSettings {
        compact_files: 0,
        ..UpkeepSettings::default()
    };
    let report = keep_up(&lake, &settings).await;
    let done = of(&report, "ats_tags/deltas").expect("cut");
    // The entries 0 to 10 were old, with checkpoints at 4 and 8. So a checkpoint is made at 10, and the entries 0 to 9
    // and the two older checkpoints are deleted.
    assert_eq!(done.deleted_log_entries, 12);
    let entries = |version: u32| format!("ats_tags/deltas/_delta_log/{version:020}.json");
    let left = paths(&aging.store).await;
    assert!(!left.contains(&entries(9).into()) && left.contains(&entries(10).into()));

    let fresh = aging.lake().await;
    assert_eq!(view(&aging.store).await, before);
    let known = fresh.overview(&tags()).await.expect("read");
    assert_eq!(known, overview.expect("read"));
    run(&fresh, &delta("c"), &[&[("1", 900, 9)]], end(900, 900)).await;
    run(&lake, &delta("c"), &[&[("1", 901, 9)]], end(901, 901)).await;
    let again = keep_up(&lake, &settings).await;
    assert!(of(&again, "ats_tags/deltas").is_none(), "{again:?}");
}
