//! What happened, in order: the event log of a run.
//!
//! Two runs of one seed must tell the same story, so each line goes into a digest. The lines themselves are kept only
//! where somebody wants to read them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clocks::{Clocks, shown};

/// The event log. Clones write into the same log.
#[derive(Clone)]
pub(crate) struct Story(Arc<Mutex<Told>>);

struct Told {
    clocks: Clocks,
    digest: DefaultHasher,
    counts: BTreeMap<&'static str, u64>,
    violations: Vec<String>,
    prints: bool,
}

impl Story {
    /// Begins a story. With `prints`, each line goes to standard output at once.
    pub(crate) fn begin(clocks: Clocks, prints: bool) -> Self {
        Self(Arc::new(Mutex::new(Told {
            clocks,
            digest: DefaultHasher::new(),
            counts: BTreeMap::new(),
            violations: Vec::new(),
            prints,
        })))
    }

    /// Tells what happened, and counts it under its kind.
    pub(crate) fn tell(&self, kind: &'static str, what: impl Display) {
        self.with(|told| told.add(kind, &what.to_string()));
    }

    /// Tells that a rule was broken. The run goes on, so that the story shows what came of it.
    pub(crate) fn violated(&self, check: &'static str, what: impl Display) {
        self.with(|told| {
            let text = format!("{check}: {what}");
            told.add("violation", &text);
            if told.violations.len() < 20 {
                told.violations.push(text);
            }
        });
    }

    /// Counts without a line: for what happens too often to be told.
    pub(crate) fn count(&self, kind: &'static str) {
        self.with(|told| *told.counts.entry(kind).or_default() += 1);
    }

    /// Returns the end of the story.
    pub(crate) fn end(&self) -> Ending {
        self.with(|told| Ending {
            digest: told.digest.finish(),
            counts: told.counts.clone(),
            violations: told.violations.clone(),
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Told) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Told {
    fn add(&mut self, kind: &'static str, what: &str) {
        let at = self.clocks.true_now();
        (at, kind, what).hash(&mut self.digest);
        *self.counts.entry(kind).or_default() += 1;
        if self.prints {
            println!("{}  {kind:<14} {what}", shown(at));
        }
    }
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// A number that two runs with the same story share.
    pub(crate) digest: u64,
    /// How often each kind of event happened.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// The rules that were broken, in words.
    pub(crate) violations: Vec<String>,
}
