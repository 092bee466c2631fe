//! A reload with another list of integrations.

use super::*;

fn only(names: &[&str]) -> Rules {
    let ids: HashSet<_> = names.iter().map(|name| id(name)).collect();
    Rules {
        only: (!ids.is_empty()).then_some(ids),
        ..rules(&["ats/tags"])
    }
}

fn fetched(desk: &Desk) -> Vec<String> {
    let tables = desk.dispatch.tables.keys();
    let mut names: Vec<_> = tables.map(|table| table.integration.to_string()).collect();
    names.sort();
    names
}

#[test]
fn a_reload_fetches_what_the_registry_knows_of_the_new_list_at_once() {
    let registered = ["a", "b", "c"].map(|name| registration(name, "active"));
    let mut desk = Desk {
        dispatch: Dispatch::new(only(&["a"]), &registered, |_| None, at(NOON)),
        now_ms: NOON,
    };
    assert_eq!(fetched(&desk), ["tool:a"]);
    let mut reload = |names: &[&str], registered: &[Registration]| {
        let now = at(desk.now_ms);
        desk.dispatch.reload(only(names), registered, |_| None, now);
        fetched(&desk)
    };
    assert_eq!(reload(&["a", "b"], &registered), ["tool:a", "tool:b"]);
    // An empty list: everything that the registry holds, also what the service had forgotten.
    assert_eq!(reload(&[], &registered), ["tool:a", "tool:b", "tool:c"]);
    assert_eq!(reload(&["c"], &registered), ["tool:c"]);
    // Without the registry, Kombo is asked for what is new.
    assert_eq!(reload(&["c", "d"], &[]), ["tool:c"]);
    let asked = desk.dispatch.pass(at(NOON));
    assert!(asked.contains(&Ask::Integration {
        id: id("d"),
        is_new: true
    }));
}
