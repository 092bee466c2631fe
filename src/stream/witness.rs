//! The rules for deciding that a row is gone: what one answer proves, and how many rows are asked for.
//!
//! [`reads`](super::reads) sends the questions and records the outcome for each row. The sink knows which rows two full
//! fetches lack ([`MissingRows`](crate::sink::MissingRows)).
//!
//! A full fetch that lacks a row proves nothing by itself, because its walk may have been cut short. So Kombo is asked
//! for the row by its id. The rules are:
//!
//! - A row that comes exists, whatever else the answer proves.
//! - An answer without the row proves that the row is gone only under three conditions. The answer is complete. The
//!   answer holds only rows that were asked for. The answer holds every **canary**: a row that this walk has seen and
//!   that the question names as well ([`Question`]). Canaries reveal a filter that never finds a row.
//! - A 404 for a single id counts once a request for the canaries alone has brought all canaries afterwards.
//! - Up to [`MOST_ASKED`] missing rows are all asked for. Of more missing rows a random sample is drawn.
//!   [`FIRST_ASKED`] rows of the sample are asked for first, and the rest of the sample only when some of the first
//!   exist ([`goes_on`]). If no row of a sample exists, that proves nothing about rows outside the sample.
//! - A walk is known to be cut short when some asked rows exist and other missing rows were not asked for
//!   ([`is_cut_short`]).
//! - Where no answer proves anything, a row is gone when two complete full fetches that began at least a day apart lack
//!   the row ([`SecondLook`](crate::time::SecondLook)). This rule holds only while Kombo was not found to have any of the
//!   rows that this full fetch lacks. For rows outside a sample, the complete sample must also be proven gone
//!   ([`rest_rests_on_looks`]).

use std::collections::HashSet;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use fastrand::Rng;
use serde::Serialize;

use crate::decode::texts;
use crate::sample::Sample;

/// Largest number of missing rows that are all asked for, and the size of the sample when more are missing. One request
/// asks for 100 rows, and one page of a walk brings 250. So asking for every row of a table costs two and a half walks,
/// and asking for 10,000 rows costs 100 requests.
pub const MOST_ASKED: usize = 10_000;

/// Number of rows of a sample that are asked for first. If one in a hundred missing rows existed, the first 1,000 would
/// include none of them once in 23,000 times.
pub(super) const FIRST_ASKED: u64 = 1_000;

/// Missing rows in one question. Together with the canaries the address stays below 3 KB.
pub(super) const IDS_PER_QUESTION: usize = 100;

/// Ids in a question that is asked again. With so few ids, an answer that ends early omits other rows than before.
const IDS_ASKED_AGAIN: usize = 10;

/// Largest number of questions that are asked again. If the first hundred refute nothing, further ones would not
/// either.
const MOST_ASKED_AGAIN: usize = 100;

/// Canaries in one question. With two canaries a filter that finds only some rows is detected sooner.
const CANARIES_PER_QUESTION: usize = 2;

/// Number of canaries that are kept of a walk.
const CANARIES_KEPT: usize = 16;

/// The outcome for the rows that a full fetch lacks or shows as deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Rows that Kombo was asked for by their ids and answered, with or without proof.
    pub asked: u64,
    /// Rows that exist: Kombo sends the row when it is asked for by its id.
    pub found: u64,
    /// Rows that are gone. Each has a row in `deltas` that says so.
    pub gone: u64,
    /// Part of `gone`: rows that the full fetch itself shows as deleted. These need no question.
    pub shown: u64,
    /// Rows without a verdict. They are kept.
    pub unconfirmed: u64,
    /// Part of `unconfirmed`: rows that Kombo was not asked for.
    pub unasked: u64,
}

impl Verdicts {
    /// Adds `unasked` rows that were not asked for, of which `gone` rows are gone by the rule of two full fetches.
    pub(super) fn with_rest(self, unasked: u64, gone: u64) -> Self {
        let left = unasked.saturating_sub(gone);
        Self {
            gone: self.gone + gone,
            unconfirmed: self.unconfirmed + left,
            unasked: self.unasked + left,
            ..self
        }
    }

    /// Adds rows that the full fetch itself shows as deleted.
    pub(super) fn with_shown(self, shown: u64) -> Self {
        Self {
            gone: self.gone + shown,
            shown: self.shown + shown,
            ..self
        }
    }
}

/// Returns whether Kombo is to be asked for more of the `missing` rows. So far `asked` rows were asked for, and `found`
/// of them exist.
pub(super) fn goes_on(missing: u64, asked: u64, found: u64) -> bool {
    missing <= MOST_ASKED as u64 || asked < FIRST_ASKED || found > 0
}

/// Returns the questions to ask again once `found` of the missing rows exist. `missed` holds the ids that did not come.
/// The repeated questions reveal a filter that omits existing rows.
pub(super) fn asked_again(missed: &[String], found: u64) -> Vec<Vec<String>> {
    if found == 0 {
        return Vec::new();
    }
    let some = missed.chunks(IDS_ASKED_AGAIN);
    some.take(MOST_ASKED_AGAIN).map(<[_]>::to_vec).collect()
}

/// Returns whether a walk is known to have ended early: some rows that the walk lacks exist, so missing rows that were
/// not asked for may exist as well.
pub(super) fn is_cut_short(found: u64, unasked: u64) -> bool {
    found > 0 && unasked > 0
}

/// Returns whether rows that were not asked for may count as gone because two full fetches lack them. This holds for an
/// endpoint that cannot be asked by ids, and when all `asked` rows of a sample are `proven` gone.
pub(super) fn rest_rests_on_looks(can_be_asked: bool, asked: u64, proven: u64) -> bool {
    !can_be_asked || (proven > 0 && proven == asked)
}

/// Rows that a walk has seen, by their ids. A correct answer to a question for these ids holds all of them.
#[derive(Debug)]
pub struct Canaries {
    met: Sample<String>,
    random: Rng,
}

impl Canaries {
    /// Begins at the start of a walk.
    #[must_use]
    pub fn new(mut random: Rng) -> Self {
        Self {
            met: Sample::new(CANARIES_KEPT, random.fork()),
            random,
        }
    }

    /// Takes rows of the walk. Rows that Kombo shows as deleted count, because questions ask for deleted rows as well.
    pub fn meet(&mut self, rows: &RecordBatch) {
        for id in ids(rows) {
            self.met.offer(|| id.to_owned());
        }
    }

    /// Ends at the end of the walk. Omits at least one row of the walk, so that an ignored filter shows a row that was
    /// not asked for. So a walk with a single row has no canary.
    #[must_use]
    pub fn caught(self) -> Caught {
        let mut ids = Vec::new();
        for id in self.met.into_kept() {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids.pop();
        Caught {
            ids,
            random: self.random,
        }
    }
}

/// The canaries of a complete walk.
#[derive(Clone, Default)]
pub struct Caught {
    ids: Vec<String>,
    random: Rng,
}

impl Caught {
    /// Draws the canaries of one question at random.
    pub(super) fn draw(&mut self) -> Vec<String> {
        self.random
            .choose_multiple(self.ids.iter().cloned(), CANARIES_PER_QUESTION)
    }

    /// Returns all canaries.
    pub(super) fn all(&self) -> Vec<String> {
        self.ids.clone()
    }
}

impl std::fmt::Debug for Caught {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Caught({})", self.ids.len())
    }
}

/// One question for rows by their ids, and what has come of the answer so far.
#[derive(Default)]
pub(super) struct Question {
    ids: Vec<String>,
    asked: HashSet<String>,
    canaries: HashSet<String>,
    /// Asked ids that have not come yet.
    left: HashSet<String>,
    /// Canaries that have not come yet.
    silent: HashSet<String>,
    /// Whether something in the answer makes the answer worthless as a proof.
    spoilt: bool,
}

impl Question {
    pub(super) fn new(asked: &[String], canaries: &[String]) -> Self {
        let set = |ids: &[String]| -> HashSet<String> { ids.iter().cloned().collect() };
        Self {
            ids: [asked, canaries].concat(),
            asked: set(asked),
            canaries: set(canaries),
            left: set(asked),
            silent: set(canaries),
            spoilt: false,
        }
    }

    /// Returns all ids that the question names.
    pub(super) fn ids(&self) -> Vec<String> {
        self.ids.clone()
    }

    /// Takes rows of the answer and returns them without the canaries. A row that was not asked for shows that Kombo
    /// ignored the filter.
    pub(super) fn meet(&mut self, rows: &RecordBatch) -> RecordBatch {
        let kept: BooleanArray = ids(rows)
            .map(|id| {
                self.left.remove(id);
                if self.asked.contains(id) {
                    return Some(true);
                }
                self.silent.remove(id);
                let is_canary = self.canaries.contains(id);
                self.spoilt |= !is_canary;
                Some(!is_canary)
            })
            .collect();
        filter_record_batch(rows, &kept).expect("the filter has one bit per row")
    }

    /// Records that the answer is incomplete, or that it holds rows without a usable id.
    pub(super) fn spoil(&mut self) {
        self.spoilt = true;
    }

    /// Returns the largest number of rows that an answer with a working filter can hold.
    pub(super) fn most_rows(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Returns the number of asked rows that have come.
    pub(super) fn found(&self) -> u64 {
        (self.asked.len() - self.left.len()) as u64
    }

    /// Returns whether the answer proves that the ids that did not come are gone. The answer must be complete.
    pub(super) fn proves(&self) -> bool {
        !self.spoilt && !self.canaries.is_empty() && self.silent.is_empty()
    }

    /// Returns the ids that did not come, sorted.
    pub(super) fn left(self) -> Vec<String> {
        let mut left: Vec<String> = self.left.into_iter().collect();
        left.sort_unstable();
        left
    }
}

fn ids(rows: &RecordBatch) -> impl Iterator<Item = &str> {
    let ids = texts(rows, "id").expect("every endpoint's schema has an id");
    ids.iter().map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;

    fn rows(ids: &[&str]) -> RecordBatch {
        let ids: ArrayRef = Arc::new(StringArray::from(ids.to_vec()));
        RecordBatch::try_from_iter([("id", ids)]).expect("a column")
    }

    fn texts(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    /// Asks for `a` and `b` with the canaries `y` and `z`. Returns the number of kept rows, whether the answer is a
    /// proof, and the ids that did not come.
    fn answered(pages: &[&[&str]]) -> (usize, bool, Vec<String>) {
        let mut question = Question::new(&texts(&["a", "b"]), &texts(&["y", "z"]));
        assert_eq!(question.most_rows(), 4);
        let kept = pages
            .iter()
            .map(|page| question.meet(&rows(page)).num_rows());
        let kept = kept.sum();
        assert_eq!(question.found(), 2 - question.left.len() as u64);
        (kept, question.proves(), question.left())
    }

    #[test]
    fn an_answer_proves_what_it_lacks_only_with_every_canary_and_nothing_else() {
        let both = texts(&["a", "b"]);
        assert_eq!(answered(&[&["y", "z"]]), (0, true, both.clone()));
        assert_eq!(answered(&[&["y"], &["a", "z"]]), (1, true, texts(&["b"])));
        assert_eq!(
            answered(&[]),
            (0, false, both.clone()),
            "no rows, with success"
        );
        assert_eq!(answered(&[&["z"]]), (0, false, both.clone()), "one canary");
        assert_eq!(answered(&[&["a"]]), (1, false, texts(&["b"])));
        assert_eq!(
            answered(&[&["y", "z", "x"]]),
            (1, false, both),
            "not heeded"
        );
        assert_eq!(
            answered(&[&["a", "b"]]),
            (2, false, Vec::new()),
            "nothing is left"
        );
    }

    #[test]
    fn a_question_without_canaries_or_with_half_an_answer_proves_nothing() {
        let mut question = Question::new(&texts(&["a"]), &[]);
        question.meet(&rows(&[]));
        assert!(!question.proves());
        let mut question = Question::new(&texts(&["a"]), &texts(&["z"]));
        question.meet(&rows(&["z"]));
        assert!(question.proves());
        question.spoil();
        assert!(!question.proves());
    }

    #[test]
    fn canaries_are_rows_of_the_walk_and_leave_one_out() {
        for (seen, all) in [(0, 0), (1, 0), (2, 1), (3, 2), (16, 15), (400, 15)] {
            let mut canaries = Canaries::new(Rng::with_seed(7));
            let ids: Vec<String> = (0..seen).map(|id| id.to_string()).collect();
            for page in ids.chunks(250) {
                let page: Vec<&str> = page.iter().map(String::as_str).collect();
                canaries.meet(&rows(&page));
                // A row may shift to the next page and come twice.
                canaries.meet(&rows(&page[..page.len().min(1)]));
            }
            let mut caught = canaries.caught();
            assert!(caught.all().len() <= all, "of {seen}");
            assert!(caught.all().len() + 2 >= all, "of {seen}");
            let drawn: HashSet<String> = caught.draw().into_iter().collect();
            assert_eq!(drawn.len(), all.min(2), "of {seen}");
            assert!(drawn.iter().all(|id| ids.contains(id)));
        }
    }

    #[test]
    fn up_to_ten_thousand_all_are_asked_for_and_of_more_only_while_some_live() {
        assert!(goes_on(10_000, 9_900, 0));
        assert!(goes_on(10_001, 999, 0));
        assert!(!goes_on(10_001, 1_000, 0));
        assert!(goes_on(10_001, 1_000, 1));
    }

    #[test]
    fn a_walk_is_cut_short_when_some_live_and_others_were_not_asked_for() {
        assert!(is_cut_short(1, 1));
        assert!(!is_cut_short(10_000, 0), "all were asked for, and found");
        assert!(!is_cut_short(0, 2_501));
    }

    #[test]
    fn what_was_not_asked_for_goes_by_two_looks_only_beside_a_sample_that_is_gone() {
        assert!(rest_rests_on_looks(false, 0, 0), "nobody can be asked");
        assert!(rest_rests_on_looks(true, 1_000, 1_000));
        assert!(!rest_rests_on_looks(true, 1_000, 999));
        assert!(!rest_rests_on_looks(true, 0, 0), "nobody was asked");
    }
}
