//! Every kind of mishap at every request to the store, each in a small world of its own.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::faults::Enabled;
use crate::mishap::{Mischief, Mishap};
use crate::seeds::on_its_own;
use crate::small;
use crate::story::Ending;
use crate::world::Plan;

/// Runs the small world for each kind of mishap at each `every`-th request. The exit code is 1 if a rule was broken.
pub(crate) fn run(every: u64, threads: usize) -> ExitCode {
    let (next, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let results = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let at = next.fetch_add(every, Ordering::Relaxed);
                    for what in Mischief::ALL {
                        let ending = one(Mishap { at, what });
                        // The program sent fewer requests: there is no such one any more.
                        if !ending.counts.contains_key("mishap") {
                            is_over.store(true, Ordering::Relaxed);
                            break;
                        }
                        let mut results = results.lock().expect("no panic under the lock");
                        results.insert((at, format!("{what:?}")), ending.violations);
                    }
                }
            });
        }
    });
    let results = results.into_inner().expect("no panic under the lock");
    let failed = results
        .iter()
        .filter(|(_, violations)| !violations.is_empty());
    for ((at, what), violations) in failed.clone() {
        println!("{what} at request {at} FAILED: {}", violations[0]);
    }
    let last = results.keys().next_back().map_or(0, |(at, _)| *at);
    let (worlds, failed) = (results.len(), failed.count());
    println!(
        "{worlds} small worlds, with a mishap at each {every}. of {last} requests to the store"
    );
    println!("{} passed, {failed} failed", worlds - failed);
    ExitCode::from(u8::from(failed > 0))
}

fn one(mishap: Mishap) -> Ending {
    let plan = Plan {
        seed: 1,
        days: 1,
        faults: Enabled::only(&[]).expect("none"),
        prints: false,
        mishap: Some(mishap),
    };
    on_its_own(plan, small::run)
}
