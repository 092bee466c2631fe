//! Decides which rows of a delta are worth a commit.
//!
//! A delta asks for more than the changed rows, since rows may become visible late. A delta is also walked several
//! times, since rows may shift between pages. A row is dropped as unchanged when the row equals the sink's newest
//! observation, or equals the row as an earlier walk brought it. The comparison always uses the newest known
//! observation. An id that comes again within a fetch is compared with the newest row of this fetch. So when a row changes
//! from A to B and back to A within a fetch, all three rows are kept.
//!
//! Newest observations come from memory, or else from the sink, which is asked before a batch is decided. Another
//! commit may make either source outdated until the moment of the decision. In that case every row is kept.

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

/// 128 bits that stand for an id within its table. Two halves, because the compiler would pad a `u128` to more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowKey(u64, u64);

impl RowKey {
    /// Returns the key of an id.
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

/// What is known about a row before the row is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownHash {
    /// The sink's newest observation of the row has this hash.
    Same(i64),
    /// Nothing is known.
    Nothing,
    /// Every row of the table must be kept for now, because another observation may be about to be committed.
    KeepAll,
}

/// Returns what is known about a row at the moment of the decision.
pub type KnownRows = Box<dyn Fn(RowKey) -> KnownHash + Send>;

/// Asks the sink for the newest hashes of rows about which nothing is known. The answer omits rows whose hash
/// the sink cannot tell.
pub type AskSink = Box<dyn Fn(Vec<String>) -> BoxFuture<'static, HashMap<String, i64>> + Send>;

/// A sieve that the reader of the events inspects after the fetch.
pub type SharedSieve = Arc<Mutex<Sieve>>;

/// Drops the rows of one fetch that are unchanged or repeated.
pub struct Sieve {
    known: KnownRows,
    ask: Option<AskSink>,
    /// Hashes that the sink has answered for the current batch.
    told: HashMap<RowKey, i64>,
    bound: usize,
    /// The newest hash of each row of this fetch.
    met: HashMap<RowKey, i64>,
    full: bool,
    news: bool,
    /// Number of rows that were equal to the sink's newest observation.
    pub unchanged: u64,
    /// Number of rows that were equal to the row on an earlier page.
    pub repeated: u64,
}

impl Sieve {
    /// Makes a sieve that remembers at most `bound` rows of its fetch. Every further row is kept.
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

    /// Makes the sieve ask the sink about rows of which nothing is known.
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

    /// Returns the question to the sink that has to be answered before a batch is sifted. Returns `None` when there is
    /// nothing to ask.
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

    /// Takes the sink's answer to a question.
    pub(super) fn answered(&mut self, answer: HashMap<String, i64>) {
        let rows = answer.into_iter();
        self.told = rows.map(|(id, hash)| (RowKey::of(&id), hash)).collect();
    }

    /// Returns the rows of a batch that are kept. Returns `None` when no row is kept.
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
            _ => Some(filter_record_batch(&batch, &keep).expect("the filter has one bit per row")),
        }
    }

    /// Begins another walk of the fetch.
    pub(super) fn begin_walk(&mut self) {
        self.news = false;
    }

    /// Returns whether the current walk met a new row, or another version of a row. Rows beyond the bound do not count:
    /// the sieve cannot compare them.
    pub(super) fn brought_news(&self) -> bool {
        self.news
    }

    /// Returns the newest hash of every row of the fetch, kept or dropped. Returns `None` when the fetch had more rows
    /// than the bound.
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
            // An earlier page may have brought another version of this row, so the row is not compared with the sink's
            // observation.
            Entry::Vacant(_) => {
                self.full = true;
                true
            }
        }
    }
}

fn ids(batch: &RecordBatch) -> &StringArray {
    texts(batch, "id").expect("every endpoint's schema has an id")
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
