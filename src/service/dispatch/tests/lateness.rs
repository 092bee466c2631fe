//! Which tables `kombo_late_tables` counts. `status` judges tables by the same objective.

use super::*;
use crate::build_info::BUILD_INFO;
use crate::metrics::Metrics;

/// Returns the value of `kombo_late_tables` when the tables of an HRIS integration were covered so many hours ago.
fn late(endpoints: &[&str], hours: i64) -> String {
    let registered = Registration {
        category: Category::Hris,
        ..registration("a", "active")
    };
    let desk = Desk::starting(rules(endpoints), &[registered], NOON - hours * HOUR);
    let metrics = Metrics::new("kombo", "lake", &BUILD_INFO);
    desk.dispatch.gauge(&metrics, at(NOON));
    let text = metrics.encode();
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with("kombo_late_tables"));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.expect("the gauge").to_owned()
}

#[test]
fn a_table_without_deltas_is_late_after_two_full_intervals_and_not_after_two_heartbeats() {
    let (deltas, snapshots) = ("hris/employees", "hris/skills");
    let find = |name| Catalog::embedded().find(name).expect("an endpoint");
    assert!(find(deltas).updated_after && !find(snapshots).updated_after);
    let count = |hours| [late(&[deltas], hours), late(&[snapshots], hours)];
    assert_eq!(count(11), ["0.0", "0.0"]);
    assert_eq!(count(13), ["1.0", "0.0"]);
    assert_eq!(count(13 * 24), ["1.0", "0.0"]);
    assert_eq!(count(15 * 24), ["1.0", "1.0"]);
}
