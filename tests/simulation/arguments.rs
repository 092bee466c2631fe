//! The command line of the simulator.

use std::ops::Range;
use std::thread;

use crate::faults::Enabled;
use crate::world::Plan;

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
  --shrink       look for the fewest faults and days with which the seed still fails
  --first        end at the first seed that fails
  --everywhere K run the small world once for each kind of mishap at each K-th request to the store
  --threads N    how many seeds run at a time (default: number of cores)";

/// What to do with the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Run them all.
    Seeds,
    /// Run them until one fails.
    UntilFirst,
    /// Look for the fewest faults and days with which the first seed still fails.
    Shrink,
    /// Run small worlds with a mishap at each so manyth request to the store, in place of seeds.
    Everywhere(u64),
}

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) seeds: Range<u64>,
    pub(crate) days: u64,
    only: Option<Vec<String>>,
    without: Vec<String>,
    trace: bool,
    pub(crate) twice: bool,
    pub(crate) task: Task,
    /// How many seeds run at a time.
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
            task: Task::Seeds,
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
                    arguments.threads = usize::try_from(number(value()?)?).unwrap_or(1).max(1);
                }
                "--everywhere" => {
                    arguments.task = Task::Everywhere(number(value()?)?.max(1));
                }
                "--faults" => arguments.only = Some(list(value()?)),
                "--without" => arguments.without = list(value()?),
                "--trace" => arguments.trace = true,
                "--twice" => arguments.twice = true,
                "--shrink" => arguments.task = Task::Shrink,
                "--first" => arguments.task = Task::UntilFirst,
                other => return Err(format!("there is no option {other}")),
            }
        }
        arguments.plan(0)?;
        Ok(arguments)
    }

    /// Returns what a seed simulates.
    pub(crate) fn plan(&self, seed: u64) -> Result<Plan, String> {
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
