//! Runs seeds, each on a thread of its own, and tells what became of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use kombo_source::chance::seeded;
use kombo_source::cpu::all_here;
use tokio::runtime::Builder;

use crate::everywhere;
use crate::faults::{Enabled, Fault};
use crate::story::Ending;
use crate::world::{Plan, run as run_world};

/// How to use the simulator.
pub(crate) const HELP: &str = "\
Usage: tests/sim [--seed N | --seeds FROM..TO] [--days D] [--faults a,b,...] [--without a,b,...] [--trace] [--twice]

  --seed N       run one seed
  --seeds A..B   run the seeds from A to B, without B (default: 0..2)
  --days D       days with faults, before the calm at the end (default: 3)
  --faults ...   enable these faults and no others
  --without ...  leave these faults out
  --trace        tell the whole story
  --twice        run each seed twice, and compare the stories
  --everywhere K run the small world once for each kind of mishap at each K-th request to the store
  --threads N    how many seeds run at a time (default: number of cores)";

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    seeds: Range<u64>,
    days: u64,
    only: Option<Vec<String>>,
    without: Vec<String>,
    trace: bool,
    twice: bool,
    everywhere: Option<u64>,
    pub(crate) threads: usize,
}

impl Arguments {
    /// Reads the arguments of the command line.
    pub(crate) fn read(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut arguments = Self {
            seeds: 0..2,
            days: 3,
            only: None,
            without: Vec::new(),
            trace: false,
            twice: false,
            everywhere: None,
            threads,
        };
        while let Some(name) = given.next() {
            let mut value = || given.next().ok_or_else(|| format!("{name} needs a value"));
            let number = |text: String| {
                text.parse::<u64>()
                    .map_err(|_| format!("{text} is no number"))
            };
            let list = |text: String| {
                let names = text.split(',').filter(|name| *name != "none");
                names.map(str::to_owned).collect::<Vec<_>>()
            };
            match name.as_str() {
                "--seed" => {
                    let seed = number(value()?)?;
                    arguments.seeds = seed..seed + 1;
                }
                "--seeds" => {
                    let text = value()?;
                    let (from, to) = text.split_once("..").ok_or("--seeds needs FROM..TO")?;
                    arguments.seeds = number(from.to_owned())?..number(to.to_owned())?;
                }
                "--days" => arguments.days = number(value()?)?,
                "--threads" => {
                    arguments.threads = usize::try_from(number(value()?)?).unwrap_or(1).max(1)
                }
                "--everywhere" => arguments.everywhere = Some(number(value()?)?.max(1)),
                "--faults" => arguments.only = Some(list(value()?)),
                "--without" => arguments.without = list(value()?),
                "--trace" => arguments.trace = true,
                "--twice" => arguments.twice = true,
                other => return Err(format!("there is no option {other}")),
            }
        }
        arguments.plan(0)?;
        Ok(arguments)
    }

    fn plan(&self, seed: u64) -> Result<Plan, String> {
        let faults = match &self.only {
            Some(labels) => Enabled::only(labels)?,
            None => Enabled::drawn(seed),
        };
        let without = Enabled::only(&self.without)?;
        let faults = without
            .iter()
            .fold(faults, |faults, fault| faults.without(fault));
        Ok(Plan {
            seed,
            days: self.days,
            faults,
            prints: self.trace,
            mishap: None,
        })
    }
}

/// Runs all seeds. The exit code is 1 if one of them broke a rule.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    warm_up();
    if let Some(every) = arguments.everywhere {
        return everywhere::run(every, arguments.threads);
    }
    let began = Instant::now();
    let next = AtomicU64::new(arguments.seeds.start);
    let (done, results) = mpsc::channel();
    let mut failed = 0_u64;
    let mut totals: BTreeMap<&'static str, u64> = BTreeMap::new();
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
            for (kind, count) in &ending.counts {
                *totals.entry(kind).or_default() += count;
            }
            if !ending.violations.is_empty() {
                failed += 1;
                let days = arguments.days;
                println!("seed {seed} FAILED: {}", ending.violations[0]);
                println!("    tests/sim --seed {seed} --days {days} --trace");
            }
        }
    });
    let seeds = arguments.seeds.end - arguments.seeds.start;
    let seconds = began.elapsed().as_secs_f64();
    for (kind, count) in &totals {
        println!("{count:>10}  {kind}");
    }
    let days = (arguments.days * seeds) as f64;
    println!(
        "{seeds} seeds of {} days in {seconds:.1} s: {:.1} simulated days a second",
        arguments.days,
        days / seconds
    );
    println!("{} passed, {failed} failed", seeds - failed);
    ExitCode::from(u8::from(failed > 0))
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
fn alone(plan: Plan) -> Ending {
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
