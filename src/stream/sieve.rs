//! Which rows of a delta are worth a commit.
//!
//! A delta asks for more than what changed, since rows may become visible late, and it is walked several times, since
//! rows may shift between pages. Rows that are the same as what the sink holds already, or as what an earlier walk
//! brought, are left out. A row is left out only when it equals the newest that is known of it: an id that is met a second
//! time is compared with what this fetch met first, so A, B, A is never taken for A.
//!
//! What is known of a row is in memory, or else the sink is asked for it before a batch is decided about. Either may turn
//! out to be overtaken until the moment of the decision: then every row is kept.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex};

use arrow::array::{AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use futures_util::future::BoxFuture;
use xxhash_rust::xxh3::xxh3_128;

use crate::catalog::SystemColumn;
use crate::decode::texts;

/// 128 bits that stand for an id within its table. The halves are apart because a `u128` would be padded to more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowKey(u64, u64);

impl RowKey {
    /// Returns what stands for an id.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the two halves of 128 bits"
    )]
    pub fn of(id: &str) -> Self {
        let hash = xxh3_128(id.as_bytes());
        Self((hash >> 64) as u64, hash as u64)
    }
}

/// What is known of a row before it is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownHash {
    /// The sink's newest observation of it has this hash.
    Same(i64),
    /// Nothing.
    Nothing,
    /// For now no row of the table may be left out, whatever it is: another observation may be about to be committed.
    KeepAll,
}

/// Asks what is known of a row, at the moment at which it is decided about.
pub type KnownRows = Box<dyn Fn(RowKey) -> KnownHash + Send>;

/// Asks the sink for the newest hashes of rows of which nothing is known; what it cannot tell is not in the answer.
pub type AskSink = Box<dyn Fn(Vec<String>) -> BoxFuture<'static, HashMap<String, i64>> + Send>;

/// A sieve that whoever reads the events looks into afterwards.
pub type SharedSieve = Arc<Mutex<Sieve>>;

/// Leaves out the rows of one fetch that bring nothing.
pub struct Sieve {
    known: KnownRows,
    ask: Option<AskSink>,
    /// What the sink said of rows of the batch at hand.
    told: HashMap<RowKey, i64>,
    bound: usize,
    /// The newest of this fetch.
    met: HashMap<RowKey, i64>,
    full: bool,
    news: bool,
    /// Rows that were as the sink has them.
    pub unchanged: u64,
    /// Rows that were as an earlier page had them.
    pub repeated: u64,
}

impl Sieve {
    /// Makes a sieve that remembers so many rows of its fetch. Those above are all kept.
    #[must_use]
    pub fn new(bound: usize, known: KnownRows) -> Self {
        Self {
            known,
            ask: None,
            told: HashMap::new(),
            bound,
            met: HashMap::new(),
            full: false,
            news: false,
            unchanged: 0,
            repeated: 0,
        }
    }

    /// Asks the sink for rows of which nothing is known.
    #[must_use]
    pub fn asking(self, ask: AskSink) -> Self {
        Self {
            ask: Some(ask),
            ..self
        }
    }

    /// Makes a sieve that keeps every row, and still tells whether a walk brought news.
    #[must_use]
    pub fn keeping(bound: usize) -> Self {
        Self::new(bound, Box::new(|_| KnownHash::KeepAll))
    }

    /// Returns the question to the sink that goes before a batch; `None` where there is nothing to ask.
    pub(super) fn question(
        &self,
        batch: &RecordBatch,
    ) -> Option<BoxFuture<'static, HashMap<String, i64>>> {
        let ask = self.ask.as_ref()?;
        let is_doubtful = |id: &&str| {
            let row = RowKey::of(id);
            !self.met.contains_key(&row) && (self.known)(row) == KnownHash::Nothing
        };
        let ids = ids(batch).iter().flatten().filter(is_doubtful);
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        (!ids.is_empty()).then(|| ask(ids))
    }

    /// Takes in the answer to a question.
    pub(super) fn answered(&mut self, answer: HashMap<String, i64>) {
        let rows = answer.into_iter();
        self.told = rows.map(|(id, hash)| (RowKey::of(&id), hash)).collect();
    }

    /// Takes what is left of a batch; `None` when that is nothing.
    pub fn sift(&mut self, batch: RecordBatch) -> Option<RecordBatch> {
        let ids = ids(&batch);
        let hashes = batch
            .column(SystemColumn::Hash.position())
            .as_primitive::<Int64Type>();
        let keep: BooleanArray = ids
            .iter()
            .zip(hashes.values())
            .map(|(id, hash)| Some(self.keeps(RowKey::of(id.unwrap_or_default()), *hash)))
            .collect();
        self.told.clear();
        match keep.true_count() {
            0 => None,
            rows if rows == batch.num_rows() => Some(batch),
            _ => Some(filter_record_batch(&batch, &keep).expect("one bit per row")),
        }
    }

    /// Begins another walk of the same fetch.
    pub(super) fn begin_walk(&mut self) {
        self.news = false;
    }

    /// Returns whether this walk met a row that no earlier one had, or had in another version. Rows beyond the bound do
    /// not count: nobody can tell.
    pub(super) fn brought_news(&self) -> bool {
        self.news
    }

    /// Returns the newest hash of every row of the fetch, left out or not; `None` when there were more than the bound.
    #[must_use]
    pub fn take_rows(&mut self) -> Option<HashMap<RowKey, i64>> {
        (!self.full).then(|| std::mem::take(&mut self.met))
    }

    fn keeps(&mut self, row: RowKey, hash: i64) -> bool {
        let known = match (self.known)(row) {
            KnownHash::Nothing => self
                .told
                .get(&row)
                .copied()
                .map_or(KnownHash::Nothing, KnownHash::Same),
            known => known,
        };
        let room = self.met.len() < self.bound;
        match self.met.entry(row) {
            Entry::Occupied(mut met) => {
                let same = met.insert(hash) == hash;
                self.news |= !same;
                let kept = !same || known == KnownHash::KeepAll;
                self.repeated += u64::from(!kept);
                kept
            }
            Entry::Vacant(free) if room => {
                free.insert(hash);
                self.news = true;
                let kept = known != KnownHash::Same(hash);
                self.unchanged += u64::from(!kept);
                kept
            }
            // An earlier page may have brought it in another version, so it is not held against what the sink has.
            Entry::Vacant(_) => {
                self.full = true;
                true
            }
        }
    }
}

fn ids(batch: &RecordBatch) -> &StringArray {
    texts(batch, "id").expect("every endpoint's schema has it")
}

impl fmt::Debug for Sieve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sieve({} of {} rows)", self.met.len(), self.bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str) -> RowKey {
        RowKey::of(id)
    }

    fn knowing(bound: usize, hash: i64) -> Sieve {
        Sieve::new(bound, Box::new(move |_| KnownHash::Same(hash)))
    }

    #[test]
    fn a_row_that_changed_and_changed_back_within_a_fetch_is_kept_each_time() {
        let mut sieve = knowing(9, 1);
        assert!(!sieve.keeps(row("a"), 1), "the sink has it");
        assert!(sieve.keeps(row("a"), 2));
        assert!(sieve.keeps(row("a"), 1), "2 is on its way to the sink");
        assert!(!sieve.keeps(row("a"), 1));
        assert_eq!((sieve.unchanged, sieve.repeated), (1, 1));
    }

    #[test]
    fn beyond_the_bound_everything_is_kept() {
        let mut sieve = knowing(1, 1);
        assert!(!sieve.keeps(row("a"), 1));
        assert!(sieve.keeps(row("b"), 1));
        assert!(sieve.keeps(row("b"), 1));
        assert!(!sieve.keeps(row("a"), 1), "what is remembered still counts");
        assert_eq!(sieve.take_rows(), None, "not all rows are in it");
    }

    #[test]
    fn a_walk_brings_news_when_a_row_is_new_or_another() {
        let mut sieve = knowing(9, 0);
        sieve.keeps(row("a"), 1);
        for (id, hash, news) in [("a", 1, false), ("a", 2, true), ("b", 1, true)] {
            sieve.begin_walk();
            sieve.keeps(row(id), hash);
            assert_eq!(sieve.brought_news(), news, "{id} {hash}");
        }
    }

    #[test]
    fn a_sieve_that_keeps_all_still_knows_what_is_new() {
        let mut sieve = Sieve::keeping(9);
        assert!(sieve.keeps(row("a"), 1));
        sieve.begin_walk();
        assert!(sieve.keeps(row("a"), 1));
        assert!(!sieve.brought_news());
    }
}
