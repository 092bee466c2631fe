//! A small world in which one thing goes wrong: every kind of mishap at every request to the store, one after the other.
//!
//! In three hours the program does everything that it does in a year: a first full fetch, deltas, folds, a second full fetch
//! with its closing delta, checkpoints, upkeep, and what an operator runs. Then the mishap: the first run of the program has
//! it at one request, and from there on all goes well. The lake must converge each time.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;
use std::time::Duration;

use kombo_source::lake::FoldSettings;

use crate::clocks::Clocks;
use crate::dice::Dice;
use crate::events::Event;
use crate::operator::Verb;
use crate::site::{lake_settings, source_settings};
use crate::story::Ending;
use crate::truth::Truth;
use crate::world::{Plan, World};

/// From one full fetch to the next.
const FULL_INTERVAL: Duration = Duration::from_hours(1);

/// How long things happen.
const BUSY: Duration = Duration::from_mins(100);

/// How long nothing happens at the end. At least one full fetch of each table falls into it.
const CALM: Duration = Duration::from_mins(90);

/// Runs the small world, with the mishap of the plan.
pub(crate) async fn run(plan: Plan, folder: &Path) -> Ending {
    let clocks = Clocks::start();
    let start_ms = clocks.true_now();
    let truth = Truth::new(1, || 7, start_ms);
    let mut dice = Dice::of(plan.seed, "settings");
    let mut source = source_settings(&mut dice, &truth);
    source.schedule.full_interval = FULL_INTERVAL;
    source.request.page_size = NonZeroU32::new(3).expect("not zero");
    let mut lake = lake_settings(&mut dice);
    lake.commit_window_secs = 0;
    lake.checkpoint_interval = NonZeroU64::new(4).expect("not zero");
    lake.fold = FoldSettings {
        max_age: Duration::from_mins(1),
        ..FoldSettings::default()
    };
    let mut world = World::of(plan, clocks, truth, (source, lake));
    world.start(folder);
    let script = [
        (3, Event::Once),
        (4, Event::Once),
        (20, Event::Once),
        (58, Event::Once),
        (70, Event::Run(Verb::Fold)),
        (80, Event::Run(Verb::Upkeep)),
        (85, Event::Once),
        (90, Event::Run(Verb::Rebuild)),
    ];
    for (minute, event) in script {
        world.plan_in(Duration::from_mins(minute), event);
    }
    world.live(BUSY, CALM).await
}
