//! The verdict at the end: what readers of `current` see must be what is true.

use crate::observer::{Observer, folder_of, key_of};
use crate::truth::ENDPOINTS;
use crate::world::World;

impl World {
    /// Compares what readers of `current` see with what is true.
    pub(crate) fn judge(&self, observer: &Observer) {
        let now_ms = self.clocks.true_now();
        for listed in ENDPOINTS {
            let table = format!("{}/current", folder_of(listed.name));
            let mut found = observer.rows(&table, &self.site.depot.objects);
            found.sort();
            let mut wanted = Vec::new();
            for customer in self.truth.lock().iter() {
                let records = customer
                    .tables
                    .get(listed.name)
                    .map_or(&[][..], |own| &own.records);
                let rows = records.iter().filter_map(|record| record.row(now_ms));
                let live = rows.filter(|row| !row.is_deleted());
                wanted.extend(live.map(|row| {
                    (
                        key_of(&customer.id),
                        row.record.id.clone(),
                        row.version.number,
                    )
                }));
            }
            wanted.sort();
            let found = found
                .into_iter()
                .map(|row| (row.key, row.id, row.version.unwrap_or(0)));
            let found: Vec<_> = found.collect();
            self.story.count("tables-compared");
            for row in wanted.iter().filter(|row| !found.contains(row)) {
                self.story.violated(
                    "converged",
                    format_args!("{table} lacks {} v{}", row.1, row.2),
                );
            }
            for row in found.iter().filter(|row| !wanted.contains(row)) {
                self.story.violated(
                    "converged",
                    format_args!("{table} has {} v{}", row.1, row.2),
                );
            }
            if found.len() > wanted.len() && found.windows(2).any(|two| two[0] == two[1]) {
                self.story
                    .violated("converged", format_args!("{table} has a row twice"));
            }
        }
    }
}
