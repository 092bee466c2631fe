//! The verdict at the end: what readers of `current` see must be what is true.

use std::sync::Arc;
use std::time::Duration;

use kombo_source::lake::Lake;
use kombo_source::time::Clock;

use crate::clocks::{WallClock, shown};
use crate::life::Alive;
use crate::network::millis;
use crate::observer::Observer;
use crate::process::{endpoints, lake_over};
use crate::reading::{folder_of, key_of};
use crate::store::Way;
use crate::truth::ENDPOINTS;
use crate::world::World;

/// The longest time between two requests for a table, with the default heartbeat of six hours.
const LONGEST_BEAT: Duration = Duration::from_hours(9);

impl World {
    /// Asks the program itself: at the end nothing may be damaged.
    pub(crate) async fn look_for_damage(&self) {
        let clock: Arc<dyn Clock> = Arc::new(WallClock::new(&self.clocks, 0));
        let way = Way::new(&self.site.depot, &Alive::default(), None);
        let lake = match lake_over(way, &self.site.lake, &clock).await {
            Ok(lake) => lake,
            Err(error) => return self.story.violated("damage", error),
        };
        self.damaged(&lake).await;
    }

    async fn damaged(&self, lake: &Lake) {
        let mut damaged = lake.own_damage().await;
        for endpoint in endpoints() {
            damaged.extend(lake.damage(&endpoint).await);
        }
        for damage in damaged {
            let error = damage.errors.first().map(ToString::to_string);
            let error = error.unwrap_or_default();
            (self.story).violated("damage", format_args!("{}: {error}", damage.table));
        }
    }

    /// Checks that each table was asked for within the last hours: heartbeats come without any webhook.
    pub(crate) fn must_have_heartbeats(&self, calm: Duration) {
        if calm > LONGEST_BEAT {
            let since_ms = self.clocks.true_now() - millis(LONGEST_BEAT);
            self.site.network.must_have_asked("heartbeat", since_ms);
        }
    }

    /// Checks that a table was asked for after a webhook was taken.
    pub(crate) fn must_be_prompt(&self, customer: usize, model: usize, taken_ms: i64) {
        let endpoint = ENDPOINTS[model].name;
        let id = self.truth.lock()[customer].id.clone();
        let asked_ms = self.site.network.asked_ms(&id, endpoint);
        self.story.count("prompt-checks");
        if asked_ms.is_none_or(|at| at < taken_ms) {
            let taken = shown(taken_ms);
            let text = format!("{endpoint} of {id} was not asked for after the webhook of {taken}");
            self.story.violated("prompt", text);
        }
    }

    /// Compares what readers of `current` see with what is true.
    pub(crate) fn judge(&self, observer: &Observer, rule: &'static str) {
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
                self.story
                    .violated(rule, format_args!("{table} lacks {} v{}", row.1, row.2));
            }
            for row in found.iter().filter(|row| !wanted.contains(row)) {
                self.story
                    .violated(rule, format_args!("{table} has {} v{}", row.1, row.2));
            }
            if found.len() > wanted.len() && found.windows(2).any(|two| two[0] == two[1]) {
                self.story
                    .violated(rule, format_args!("{table} has a row twice"));
            }
        }
    }
}
