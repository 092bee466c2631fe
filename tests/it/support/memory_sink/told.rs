//! The newest hashes that the sink reports for rows of a delta.

use std::collections::HashMap;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use kombo_source::time::ObservedAt;

use super::{Kept, observations};

impl Kept {
    /// Returns the hashes of the newest observations since the snapshot began. Includes only rows that Kombo sent.
    pub(super) fn newest_hashes(&self, ids: &[String]) -> HashMap<String, i64> {
        let mut newest: HashMap<String, (ObservedAt, i64, bool)> = HashMap::new();
        for batch in self.snapshot.iter().chain(&self.deltas) {
            let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>();
            let (found, ops) = (text("id"), text("_op"));
            let hashes = batch.column_by_name("_hash").unwrap();
            let hashes = hashes.as_primitive::<Int64Type>();
            for (row, at) in observations(std::slice::from_ref(batch)).enumerate() {
                let seen = (at, hashes.value(row), ops.value(row) != "absent");
                let known = newest.entry(found.value(row).to_owned()).or_insert(seen);
                if at >= known.0 {
                    *known = seen;
                }
            }
        }
        let since = self.looks.map(|looks| looks.since);
        newest.retain(|id, (at, _, sent)| *sent && Some(*at) >= since && ids.contains(id));
        let told = newest.into_iter();
        told.map(|(id, (_, hash, _))| (id, hash)).collect()
    }
}
