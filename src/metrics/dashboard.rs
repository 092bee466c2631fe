//! The Grafana dashboard that shows them.

/// Returns the dashboard as Grafana imports it; Prometheus is chosen in a variable.
#[must_use]
pub fn dashboard() -> &'static str {
    include_str!("dashboard.json")
}
