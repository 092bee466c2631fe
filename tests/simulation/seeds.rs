//! Runs seeds, each on a thread of its own, and tells what became of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use kombo_source::chance::seeded;
use kombo_source::cpu::all_here;
use tokio::runtime::Builder;

use crate::arguments::{Arguments, Task};
use crate::everywhere;
use crate::faults::{Enabled, Fault};
use crate::shrink;
use crate::story::Ending;
use crate::world::{Plan, run as run_world};

/// Runs all seeds. The exit code is 1 if one of them broke a rule.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    warm_up();
    match arguments.task {
        Task::Everywhere(every) => return everywhere::run(every, arguments.threads),
        Task::Shrink => {
            let plan = arguments.plan(arguments.seeds.start);
            return shrink::run(plan.expect("checked"));
        }
        Task::Seeds | Task::UntilFirst => {}
    }
    #[expect(clippy::disallowed_methods, reason = "how long the seeds really take")]
    let began = Instant::now();
    let next = AtomicU64::new(arguments.seeds.start);
    let (done, results) = mpsc::channel();
    let mut totals = Totals::default();
    thread::scope(|scope| {
        for _ in 0..arguments.threads {
            let (next, done) = (&next, done.clone());
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= arguments.seeds.end {
                        return;
                    }
                    drop(done.send((seed, judged(arguments, seed))));
                }
            });
        }
        drop(done);
        for (seed, ending) in results {
            totals.add(arguments, seed, &ending);
            if totals.failed > 0 && arguments.task == Task::UntilFirst {
                next.store(arguments.seeds.end, Ordering::Relaxed);
            }
        }
    });
    totals.print(arguments.days, began.elapsed());
    ExitCode::from(u8::from(totals.failed > 0))
}

/// What became of all seeds.
#[derive(Debug, Default)]
struct Totals {
    seeds: u64,
    failed: u64,
    counts: BTreeMap<&'static str, u64>,
    /// In how many seeds a fault was enabled.
    enabled: BTreeMap<Fault, u64>,
}

impl Totals {
    fn add(&mut self, arguments: &Arguments, seed: u64, ending: &Ending) {
        self.seeds += 1;
        for (kind, count) in &ending.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        let plan = arguments.plan(seed).expect("checked");
        for fault in plan.faults.iter() {
            *self.enabled.entry(fault).or_default() += 1;
        }
        if let Some(first) = ending.violations.first() {
            self.failed += 1;
            let days = arguments.days;
            println!("seed {seed} FAILED: {first}");
            println!("    tests/sim --seed {seed} --days {days} --trace");
        }
    }

    fn print(&self, days: u64, took: Duration) {
        println!("{:<18} {:>8} {:>10}", "fault", "seeds", "times");
        for fault in Fault::ALL {
            let enabled = self.enabled.get(fault).copied().unwrap_or_default();
            let times = self.counts.get(fault.label()).copied().unwrap_or_default();
            println!("{:<18} {enabled:>8} {times:>10}", fault.label());
        }
        let is_fault = |kind: &str| Fault::ALL.iter().any(|fault| fault.label() == kind);
        for (kind, count) in self.counts.iter().filter(|(kind, _)| !is_fault(kind)) {
            println!("{kind:<18} {count:>19}");
        }
        let seconds = took.as_secs_f64();
        let rate = Duration::from_secs(days * self.seeds).as_secs_f64() / seconds;
        let seeds = self.seeds;
        println!(
            "{seeds} seeds of {days} days in {seconds:.1} s: {rate:.1} simulated days a second"
        );
        println!("{} passed, {} failed", seeds - self.failed, self.failed);
    }
}

/// Runs a seed, twice where that is asked for, and adds what is wrong with the run as a whole.
fn judged(arguments: &Arguments, seed: u64) -> Ending {
    let plan = arguments.plan(seed).expect("checked");
    let mut ending = alone(plan.clone());
    ending.must_have_done_something(&plan);
    if arguments.twice {
        let again = alone(plan.clone());
        if again.digest != ending.digest {
            ending
                .violations
                .push("determinism: the second run told another story".to_owned());
        }
    }
    ending
}

/// Runs a small world for nothing. Whatever the program makes once for the whole process is made now, and not on the thread
/// of the first seed.
fn warm_up() {
    alone(Plan {
        seed: 0,
        days: 1,
        faults: Enabled::only(&[]).expect("none"),
        prints: false,
        mishap: None,
    });
}

/// Runs a seed on a thread of its own.
pub(crate) fn alone(plan: Plan) -> Ending {
    on_its_own(plan, run_world)
}

/// Runs a world on a thread of its own: what a thread remembers from an earlier world cannot change anything.
pub(crate) fn on_its_own(
    plan: Plan,
    world: impl AsyncFnOnce(Plan, &Path) -> Ending + Send + 'static,
) -> Ending {
    let seed = plan.seed;
    let run = move || {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        all_here(|| seeded(seed, || runtime.block_on(world(plan, folder.path()))))
    };
    let thread = thread::Builder::new()
        .name(format!("seed {seed}"))
        .stack_size(16 << 20)
        .spawn(run);
    let ended = thread.expect("a thread").join();
    ended.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("a panic");
        Ending {
            digest: 0,
            counts: BTreeMap::new(),
            violations: vec![format!("panic: {text}")],
        }
    })
}

impl Ending {
    /// A world in which nothing happens shows nothing.
    fn must_have_done_something(&mut self, plan: &Plan) {
        let counted = |kind: &str| self.counts.get(kind).copied().unwrap_or_default();
        let changes = counted("created") + counted("changed");
        let can_crash =
            plan.faults.has(Fault::CrashAtEffect) || plan.faults.has(Fault::CrashAtInstant);
        let lacks = [
            (changes < 10 && plan.days >= 3, "ten changes"),
            (counted("commit") == 0, "a commit"),
            (
                can_crash && plan.days >= 30 && counted("crashes") == 0,
                "a crash",
            ),
        ];
        for (is_lacking, what) in lacks {
            if is_lacking {
                self.violations
                    .push(format!("idle: the world had not even {what}"));
            }
        }
    }
}
