//! What the sink in memory knows of a table, compared with a new snapshot.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use kombo_source::sink::MissingRow;
use kombo_source::time::{ObservedAt, SecondLook};

/// When full fetches began, as the lake stores it.
#[derive(Clone, Copy)]
pub(crate) struct Looks {
    /// The start of a full fetch that is old enough to be the first of two.
    first: Option<ObservedAt>,
    /// The start of the full fetch that becomes `first` next.
    next: ObservedAt,
    /// The start of the last full fetch.
    pub(crate) since: ObservedAt,
}

impl Looks {
    pub(crate) fn following(since: ObservedAt, before: Option<Self>) -> Self {
        let (first, next) = match before {
            None => (None, since),
            Some(before) if SecondLook::default().confirms(before.since, since) => {
                (Some(before.since), since)
            }
            Some(before) if SecondLook::default().confirms(before.next, since) => {
                (Some(before.next), since)
            }
            Some(before) => (before.first, before.next),
        };
        Self { first, next, since }
    }
}

/// The newest observation of every row, and whether the record exists.
type Newest = BTreeMap<String, (ObservedAt, bool)>;

/// Returns the newest observation of every row in snapshots, and in deltas since `live`.
pub(crate) fn newest<'a>(
    snapshots: impl Iterator<Item = &'a RecordBatch>,
    deltas: &[RecordBatch],
    live: Option<ObservedAt>,
) -> Newest {
    let mut known = Newest::new();
    let deltas = deltas.iter().flat_map(rows);
    let deltas = deltas.filter(|(at, ..)| live.is_none_or(|live| *at >= live));
    for (at, id, op) in snapshots.flat_map(rows).chain(deltas) {
        let newest = known.entry(id).or_insert((at, false));
        if at >= newest.0 {
            *newest = (at, op == "upsert");
        }
    }
    known
}

/// Returns the rows that are known as present and that the snapshot lacks, and the known rows that the snapshot shows
/// as deleted.
pub(crate) fn lacks(
    known: Newest,
    snapshot: &[RecordBatch],
    since: ObservedAt,
    before: Option<Looks>,
) -> (Vec<MissingRow>, BTreeSet<String>) {
    let looks = Looks::following(since, before);
    let (mut present, mut deleted) = (BTreeSet::new(), BTreeSet::new());
    for (_, id, op) in snapshot.iter().flat_map(rows) {
        let is_there = op == "upsert";
        let ids = if is_there { &mut present } else { &mut deleted };
        ids.insert(id);
    }
    let there = known.into_iter().filter(|(_, (_, there))| *there);
    let lacked = there.filter(|(id, _)| !present.contains(id));
    let (shown, missing): (Vec<_>, Vec<_>) =
        lacked.partition(|(id, (at, _))| deleted.contains(id) && *at < since);
    let missing = missing.into_iter().map(|(id, (last_seen, _))| MissingRow {
        id,
        last_seen,
        lacked_twice: Some(last_seen) < looks.first,
    });
    let shown = shown.into_iter().map(|(id, _)| id);
    (missing.collect(), shown.collect())
}

pub(crate) fn observations(batches: &[RecordBatch]) -> impl Iterator<Item = ObservedAt> {
    batches.iter().flat_map(|batch| {
        let times = batch.column_by_name("_fetched_at").unwrap();
        let times = times.as_primitive::<TimestampMicrosecondType>();
        times.values().iter().map(|at| ObservedAt::from_micros(*at))
    })
}

/// Returns the observation, the id and the operation of every row.
fn rows(batch: &RecordBatch) -> Vec<(ObservedAt, String, String)> {
    let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>();
    let (ids, ops) = (text("id"), text("_op"));
    let rows = observations(std::slice::from_ref(batch)).enumerate();
    rows.map(|(row, at)| (at, ids.value(row).to_owned(), ops.value(row).to_owned()))
        .collect()
}
