//! The metrics that describe the service as it is now.

use std::collections::BTreeMap;
use std::time::Duration;

use super::dispatch::{Account, Dispatch};
use crate::api::{HttpApi, Transport};
use crate::fetch::Lane;
use crate::metrics::{ClientTotals, Metrics};
use crate::time::Moment;

impl Dispatch {
    /// Sets the gauges for waiting tables, freshness and the states of integrations.
    pub(super) fn gauge(&self, metrics: &Metrics, now: Moment) {
        for (lane, waiting) in Lane::ALL.into_iter().zip(self.queue.waiting_by_lane()) {
            metrics.pending_tables(lane, waiting);
        }
        let period = self.heartbeat_period();
        let schedule = &self.rules.schedule;
        let (mut lags, mut late, mut stale) = (BTreeMap::<&str, Duration>::new(), 0, 0);
        let mut failing = 0;
        for (id, table) in &self.tables {
            let account = self.accounts.get(&id.integration);
            // A table that is parked or switched off does not count as late, whatever its age.
            if table.off.is_some() || !account.is_some_and(Account::is_fetched) {
                continue;
            }
            failing += usize::from(table.error.is_some());
            stale += usize::from(table.stale_since.is_some());
            // The table was fetched, but Kombo sent no usable `Date`, so its age is unknown and it counts as late.
            late += usize::from(table.base.is_none() && table.last_fetch().is_some());
            // A table that was never fetched has no age. It waits in a lane.
            if let Some(base) = table.base {
                let age = now.since(base.moment());
                late += usize::from(age > schedule.objective_of(&table.endpoint, period));
                let lag = lags.entry(id.endpoint.as_str()).or_default();
                *lag = age.max(*lag);
            }
        }
        metrics.freshness(lags);
        metrics.failing_tables(failing);
        metrics.late_tables(late);
        metrics.stale_tables(stale);
        metrics.heartbeat_period(period);
        let mut states: BTreeMap<&'static str, usize> = BTreeMap::new();
        let mut silent = 0;
        for account in self.accounts.values() {
            *states.entry(account.standing.label()).or_default() += 1;
            silent += usize::from(account.suspicion.is_some());
        }
        metrics.integrations(states);
        metrics.candidates(self.candidates());
        metrics.silent_integrations(silent);
    }
}

/// Copies the totals and the remaining budget of the API client into the metrics.
pub(super) fn gauge_traffic<T: Transport>(api: &HttpApi<T>, metrics: &Metrics) {
    let (traffic, view) = (api.traffic(), api.throttle_view());
    let classes = [("2xx", 200), ("3xx", 300), ("4xx", 400), ("5xx", 500)];
    let responses = classes.map(|(class, status)| {
        (
            status,
            traffic.responses.get(class).copied().unwrap_or_default(),
        )
    });
    let errors = traffic.errors.values().sum();
    metrics.client(&ClientTotals {
        requests: traffic.requests,
        responses: &responses,
        errors,
    });
    if let Some((remaining, limit)) = view.remaining.zip(view.limit) {
        metrics.rate_limit(remaining, limit);
    }
    metrics.rate_limit_waited(view.total_wait);
    if let Some(skew_ms) = api.skew() {
        metrics.clock_skew_ms(skew_ms);
    }
}
