//! Which fetch is next.

use std::sync::Arc;

use super::super::fetching::Fetching;
use super::Dispatch;
use crate::fetch::Lane;
use crate::plan::Kind;
use crate::time::Moment;

impl Dispatch {
    /// Takes the next fetch out of the queue, from a lane that has room. Returns `None` while the key is refused.
    pub(in crate::service) fn next(
        &mut self,
        now: Moment,
        room: impl Fn(Lane) -> bool,
    ) -> Option<Fetching> {
        if self.key.is_some() {
            return None;
        }
        let work = self.queue.next(room)?;
        let table = self.tables.get_mut(&work.table);
        let table = table.expect("a waiting fetch has a table: both are removed together");
        if work.kind == Kind::Delta && work.lane == Lane::Notified {
            table.answer_began = Some(now);
        }
        Some(Fetching {
            key: self.used_key.clone(),
            announced: table.notified_at.get().is_some(),
            notified_at: table.notified_at.clone(),
            endpoint: Arc::clone(&table.endpoint),
            started: now,
            work,
        })
    }
}
