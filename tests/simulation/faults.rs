//! The faults that a seed may enable. Each seed has a random subset of them (swarm testing): a world in which everything
//! fails all the time reaches less than many worlds in which a few things fail.

use std::collections::BTreeSet;

use crate::dice::Dice;

macro_rules! faults {
    ($($name:ident $label:literal $what:literal)*) => {
        /// Something that goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Fault { $(#[doc = $what] $name,)* }

        impl Fault {
            /// All faults.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the name under which the fault is counted and chosen.
            pub(crate) fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

faults! {
    WebhookLost "webhook-lost" "A webhook never arrives."
    WebhookTwice "webhook-twice" "A webhook arrives twice, the second time late."
    WebhookLate "webhook-late" "A webhook arrives hours late, after later ones."
    WebhookForged "webhook-forged" "Kombo's webhook of another event: an integration is said to be deleted and is not."
    CommitLag "commit-lag" "A change becomes visible after the instant that its `changed_at` tells."
    SilentChange "silent-change" "A record changes and keeps its `changed_at`."
    Vanishes "vanishes" "A record is no longer listed, without a deletion."
    MassDeletion "mass-deletion" "Nearly all records of a table are deleted at once."
    ComesBack "comes-back" "A deleted record is there again."
    OffsetPages "offset-pages" "Cursors are offsets, so rows shift between pages."
    ChangedPages "changed-pages" "Pages are in the order of `changed_at`, so a row that changes moves."
    IdsLie "ids-lie" "The filter `ids` leaves out records that are there."
    WalkCutShort "walk-cut-short" "A page says that it is the last one, and is not."
    RateLimited "rate-limited" "Kombo answers 429, with headers of all shapes."
    ServerErrors "server-errors" "Kombo answers 5xx, with and without an envelope."
    LostAnswers "lost-answers" "The connection breaks before or within an answer, or no answer comes."
    WrongDate "wrong-date" "The `Date` of an answer is missing, ahead, behind, or absurd."
    ModelOff "model-off" "The customer switches a model off for a while."
    Outage "outage" "Kombo answers nothing but 503 for hours."
    Paused "paused" "An integration is inactive for a while, or its login is refused."
    KeyRefused "key-refused" "Kombo refuses the API key for a while."
    WallClock "wall-clock" "The machine's clock is wrong, and is set while the program runs."
    StoreFails "store-fails" "A request to the store fails before it had an effect."
    StoreForgets "store-forgets" "A request to the store had its effect, and its answer is lost."
    StoreConflicts "store-conflicts" "A create is answered \"exists\" although it was done, or although nothing is there."
    StoreSlow "store-slow" "The store takes seconds to minutes."
    StoreAway "store-away" "The store is out of reach for minutes to hours."
    StoreClock "store-clock" "The store's clock is wrong by minutes."
    CrashAtEffect "crash-at-effect" "The process ends right before or after a request to the store."
    CrashAtInstant "crash-at-instant" "The process ends at any moment."
    Restart "restart" "The process is stopped in order and started again."
    TwoProcesses "two-processes" "Two processes work on one lake; with the lease, one of them stands by."
    WithoutLease "without-lease" "Both processes work, without the lease."
    Operator "operator" "An operator runs verbs at bad times: fold, upkeep, backfill, repair."
}

/// What keeps fetches from beginning, or gives the work to another machine.
const HINDRANCES: [Fault; 14] = [
    Fault::RateLimited,
    Fault::ServerErrors,
    Fault::LostAnswers,
    Fault::ModelOff,
    Fault::Outage,
    Fault::Paused,
    Fault::KeyRefused,
    Fault::WebhookForged,
    Fault::StoreFails,
    Fault::StoreForgets,
    Fault::StoreSlow,
    Fault::StoreAway,
    Fault::TwoProcesses,
    Fault::WithoutLease,
];

/// The faults of one seed.
#[derive(Clone, Debug)]
pub(crate) struct Enabled(BTreeSet<Fault>);

impl Enabled {
    /// Draws the faults of a seed: none for one seed in twenty, else each with a chance of its own for this seed.
    pub(crate) fn drawn(seed: u64) -> Self {
        let mut dice = Dice::of(seed, "faults");
        let share = match dice.number(0..20) {
            0 => 0,
            1..8 => 120,
            8..16 => 300,
            _ => 600,
        };
        // One seed in five is gentle: there each webhook must be answered by a fetch within minutes.
        let is_gentle = dice.per_mille(200);
        let possible = |fault: &&Fault| !(is_gentle && HINDRANCES.contains(fault));
        let drawn = Fault::ALL.iter().filter(possible);
        let drawn = drawn.filter(|_| dice.per_mille(share));
        Self(drawn.copied().collect())
    }

    /// Returns whether nothing keeps a fetch from beginning within minutes.
    pub(crate) fn are_gentle(&self) -> bool {
        let crashes = [Fault::CrashAtEffect, Fault::CrashAtInstant, Fault::Restart];
        self.are_gentle_but_for_crashes() && !crashes.iter().any(|fault| self.has(*fault))
    }

    /// Returns whether nothing but crashes and restarts keeps a fetch from beginning within minutes.
    pub(crate) fn are_gentle_but_for_crashes(&self) -> bool {
        !HINDRANCES.iter().any(|fault| self.has(*fault))
    }

    /// Returns only the given faults.
    pub(crate) fn only(labels: &[String]) -> Result<Self, String> {
        let find = |label: &String| {
            let mut all = Fault::ALL.iter();
            let found = all.find(|fault| fault.label() == label);
            found
                .copied()
                .ok_or_else(|| format!("there is no fault {label}"))
        };
        labels.iter().map(find).collect::<Result<_, _>>().map(Self)
    }

    /// Leaves a fault out.
    pub(crate) fn without(&self, fault: Fault) -> Self {
        let mut fewer = self.0.clone();
        fewer.remove(&fault);
        Self(fewer)
    }

    /// Returns whether a fault is enabled.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// Returns the enabled faults.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Fault> + '_ {
        self.0.iter().copied()
    }
}
