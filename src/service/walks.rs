//! How often the service walks over all of its tables, for gauges, troubles and hints.

/// Tables that every tick may look at. With ten thousand integrations a walk at each tick would take more of a core
/// than all other work of an idle service.
const TABLES_A_TICK: usize = 20_000;

/// Ticks without a walk, at most. A trouble has to show within a minute.
const LONGEST: usize = 5;

/// The ticks since the last walk.
#[derive(Debug)]
pub(super) struct Walks {
    skipped: usize,
}

impl Default for Walks {
    fn default() -> Self {
        Self { skipped: LONGEST }
    }
}

impl Walks {
    /// Returns whether this tick walks over the tables. The first one does.
    pub(super) fn is_due(&mut self, tables: usize) -> bool {
        let is_due = self.skipped >= (tables / TABLES_A_TICK).min(LONGEST);
        self.skipped = if is_due { 0 } else { self.skipped + 1 };
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_tables_are_looked_at_each_tick_and_many_within_half_a_minute() {
        for (tables, every) in [(0, 1), (19_999, 1), (80_000, 5), (10_000_000, 6)] {
            let mut walks = Walks::default();
            let due: Vec<usize> = (0..13).filter(|_| walks.is_due(tables)).collect();
            let expected: Vec<usize> = (0..13).step_by(every).collect();
            assert_eq!(due, expected, "{tables}");
        }
    }
}
