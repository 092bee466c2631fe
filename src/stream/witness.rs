//! What counts as a witness that a row is gone: what one answer proves, and how many rows are asked for.
//!
//! `reads` asks the questions and says of each row what became of it; which rows two full fetches have lacked is known to the
//! sink ([`MissingRows`](crate::sink::MissingRows)).
//!
//! A full fetch that lacks a row is no witness by itself: its walk may have been cut short. So Kombo is asked for the row
//! by its id, and
//!
//! - a row that comes is there, whatever else the answer is worth;
//! - an answer without the row proves that it is gone only when the answer is complete, holds nothing that was not asked
//!   for, and holds every **canary**: rows that this very walk has seen and that each question names as well
//!   ([`Question`]). A filter that always finds nothing is caught by that;
//! - a 404 for a single id counts once the canaries alone have come back afterwards;
//! - up to [`MOST_ASKED`] missing rows are all asked for. Of more, a random sample is: [`FIRST_ASKED`] of them, and the rest
//!   of it when some of those live ([`goes_on`]). A sample that finds nobody says nothing of the others;
//! - a walk is known to be cut short when some of the asked live and others were not asked ([`is_cut_short`]);
//! - where no answer proves anything, two complete full fetches that began at least a day apart have to lack the row
//!   ([`SecondLook`](crate::time::SecondLook)), and none of the rows that this one lacks may have been found to live; of the rows outside a sample only when the sample proved that all of it is
//!   gone ([`rest_rests_on_looks`]).

use std::collections::HashSet;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use fastrand::Rng;
use serde::Serialize;

use crate::decode::texts;
use crate::sample::Sample;

/// Missing rows that are all asked for; of more, a sample of this size is drawn. One request asks for 100 rows and a page of
/// the walk brings 250, so asking for as many as a table has costs two and a half walks, and 10,000 cost 100 requests.
pub const MOST_ASKED: usize = 10_000;

/// Of a sample, those that are asked for first. If one in a hundred of the missing rows lived, this many would miss all of
/// them once in 23,000 times.
pub(super) const FIRST_ASKED: u64 = 1_000;

/// Missing rows in one question: with the canaries an address stays below 3 KB.
pub(super) const IDS_PER_QUESTION: usize = 100;

/// Ids in a question that is asked again: so few that an answer which ends early leaves out others than before.
const IDS_ASKED_AGAIN: usize = 10;

/// Questions that are asked again. What the first hundred do not refute, the others would not.
const MOST_ASKED_AGAIN: usize = 100;

/// Canaries in one question: with two of them a filter that finds only some rows is caught sooner.
const CANARIES_PER_QUESTION: usize = 2;

/// Canaries that are kept of a walk.
const CANARIES_KEPT: usize = 16;

/// What became of the rows that a full fetch lacks or shows as deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Rows that Kombo was asked for by their ids and that were answered, provably or not.
    pub asked: u64,
    /// Rows that are there: Kombo has a row when it is asked for just them.
    pub found: u64,
    /// Rows that are gone, each with a row in `deltas` that says so.
    pub gone: u64,
    /// Of those, the ones that the full fetch itself shows as deleted: nobody had to ask.
    pub shown: u64,
    /// Rows of which nobody could tell. They are kept.
    pub unconfirmed: u64,
    /// Of those, the ones that Kombo was not asked for.
    pub unasked: u64,
}

impl Verdicts {
    /// Takes in rows that nobody asked for, so many of which are gone all the same.
    pub(super) fn with_rest(self, unasked: u64, gone: u64) -> Self {
        let left = unasked.saturating_sub(gone);
        Self {
            gone: self.gone + gone,
            unconfirmed: self.unconfirmed + left,
            unasked: self.unasked + left,
            ..self
        }
    }

    /// Takes in rows that the full fetch itself shows as deleted.
    pub(super) fn with_shown(self, shown: u64) -> Self {
        Self {
            gone: self.gone + shown,
            shown: self.shown + shown,
            ..self
        }
    }
}

/// Says whether Kombo is asked for more of `missing` rows, so many of which were asked for and found.
pub(super) fn goes_on(missing: u64, asked: u64, found: u64) -> bool {
    missing <= MOST_ASKED as u64 || asked < FIRST_ASKED || found > 0
}

/// Splits what did not come into the questions that are asked again once `found` of the missing rows live. A filter that
/// keeps quiet of living rows is caught by them.
pub(super) fn asked_again(missed: &[String], found: u64) -> Vec<Vec<String>> {
    if found == 0 {
        return Vec::new();
    }
    let some = missed.chunks(IDS_ASKED_AGAIN);
    some.take(MOST_ASKED_AGAIN).map(<[_]>::to_vec).collect()
}

/// Says whether a walk is known to have ended early: rows that it lacks live, and so may others that nobody asked for.
pub(super) fn is_cut_short(found: u64, unasked: u64) -> bool {
    found > 0 && unasked > 0
}

/// Says whether rows that nobody asked for may go because two full fetches lack them: where nobody can be asked, or where
/// all of a sample, `asked`, is proven to be gone.
pub(super) fn rest_rests_on_looks(can_be_asked: bool, asked: u64, proven: u64) -> bool {
    !can_be_asked || (proven > 0 && proven == asked)
}

/// Rows that a walk has seen, by their ids. Asked for again, they have to come back.
#[derive(Debug)]
pub struct Canaries {
    met: Sample<String>,
    random: Rng,
}

impl Canaries {
    /// Begins with a walk.
    #[must_use]
    pub fn new(mut random: Rng) -> Self {
        Self {
            met: Sample::new(CANARIES_KEPT, random.fork()),
            random,
        }
    }

    /// Takes in rows of the walk. Rows that it shows as deleted count: questions ask for deleted rows as well.
    pub fn meet(&mut self, rows: &RecordBatch) {
        for id in ids(rows) {
            self.met.offer(|| id.to_owned());
        }
    }

    /// Ends with the walk. One row is left out at least, so that a filter that is not heeded shows a row that nobody asked
    /// for: a walk of a single row has no canary.
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

/// The canaries of a whole walk.
#[derive(Clone, Default)]
pub struct Caught {
    ids: Vec<String>,
    random: Rng,
}

impl Caught {
    /// Draws those of one question.
    pub(super) fn draw(&mut self) -> Vec<String> {
        self.random
            .choose_multiple(self.ids.iter().cloned(), CANARIES_PER_QUESTION)
    }

    /// Returns all of them.
    pub(super) fn all(&self) -> Vec<String> {
        self.ids.clone()
    }
}

impl std::fmt::Debug for Caught {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Caught({})", self.ids.len())
    }
}

/// One question for rows by their ids, and what was answered so far.
#[derive(Default)]
pub(super) struct Question {
    ids: Vec<String>,
    asked: HashSet<String>,
    canaries: HashSet<String>,
    /// Of the asked, what did not come.
    left: HashSet<String>,
    /// Of the canaries, what did not come.
    silent: HashSet<String>,
    /// Something in the answer speaks against it.
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

    /// Returns all ids that it names.
    pub(super) fn ids(&self) -> Vec<String> {
        self.ids.clone()
    }

    /// Takes in rows of the answer, and leaves out those of canaries. Rows that nobody asked for show that the filter was
    /// not heeded.
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
        filter_record_batch(rows, &kept).expect("one bit per row")
    }

    /// Notes that the answer is not whole, or holds rows that cannot be told apart.
    pub(super) fn spoil(&mut self) {
        self.spoilt = true;
    }

    /// Returns how many rows a heeded filter shows at most.
    pub(super) fn most_rows(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Returns how many of the rows asked for have come.
    pub(super) fn found(&self) -> u64 {
        (self.asked.len() - self.left.len()) as u64
    }

    /// Returns whether the answer, which is whole, proves that what did not come is gone.
    pub(super) fn proves(&self) -> bool {
        !self.spoilt && !self.canaries.is_empty() && self.silent.is_empty()
    }

    /// Returns the ids that did not come, in their order.
    pub(super) fn left(self) -> Vec<String> {
        let mut left: Vec<String> = self.left.into_iter().collect();
        left.sort_unstable();
        left
    }
}

fn ids(rows: &RecordBatch) -> impl Iterator<Item = &str> {
    let ids = texts(rows, "id").expect("every endpoint's schema has it");
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

    /// Asks for `a` and `b` with the canaries `y` and `z`; returns what is kept, whether it proves, and what is left.
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
                // Rows may shift to the next page.
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
