//! The Grafana dashboard of the metrics.

/// Returns the dashboard as JSON for Grafana's import. A variable of the dashboard selects the Prometheus data source.
#[must_use]
pub fn dashboard() -> &'static str {
    include_str!("dashboard.json")
}
