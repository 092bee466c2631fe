//! The one line at the start: which program runs, with which lake, what it fetches, and where it listens.

use std::net::SocketAddr;
use std::path::Path;

use tracing::info;

use crate::build_info::BUILD_INFO;
use crate::cli::session::Session;
use crate::words::{age, counted};

/// What is known once everything is bound.
pub(super) struct StartLine<'a> {
    pub(super) session: &'a Session,
    pub(super) integrations: usize,
    pub(super) webhooks: Option<SocketAddr>,
    pub(super) telemetry: Option<SocketAddr>,
}

impl StartLine<'_> {
    /// Logs the line.
    pub(super) fn log(&self) {
        let source = &self.session.config.source;
        let (endpoints, integrations) = (self.session.endpoints.len(), self.integrations);
        let lake = shown(&self.session.config.sink.lake.url);
        let kombo = source.api_url();
        let schedule = &source.schedule;
        let (delta, full) = (schedule.heartbeat_interval, schedule.full_interval);
        let (version, build) = (BUILD_INFO.version, BUILD_INFO.text);
        let what = format!(
            "{} of {}",
            counted(endpoints as u64, "endpoint"),
            counted(integrations as u64, "known integration")
        );
        let schedule = format!(
            "without a webhook a delta every {} and a full fetch every {}",
            age(delta),
            age(full)
        );
        info!(
            version,
            commit = BUILD_INFO.commit,
            %lake,
            %kombo,
            endpoints,
            integrations,
            heartbeat_secs = delta.as_secs(),
            full_fetch_secs = full.as_secs(),
            webhook_address = self.webhooks.map(tracing::field::display),
            api_address = self.telemetry.map(tracing::field::display),
            "kombo-source {build} runs: {what} from {kombo} into {lake}; {schedule}; {}; {}",
            self.webhooks_shown(),
            self.telemetry_shown(),
        );
    }

    fn webhooks_shown(&self) -> String {
        let settings = self.session.config.source.webhook.as_ref();
        match self.webhooks.zip(settings) {
            Some((address, webhook)) => format!("webhooks at {address}{}", webhook.path),
            None => "no webhooks".to_owned(),
        }
    }

    fn telemetry_shown(&self) -> String {
        match self.telemetry {
            Some(address) => format!("health and metrics at http://{address}/health and /metrics"),
            None => "no health and metrics".to_owned(),
        }
    }
}

/// Returns the address of a lake. A relative folder is shown from the root, because a log is read elsewhere.
fn shown(url: &str) -> String {
    if url.contains("://") || url.starts_with("memory:") {
        return url.to_owned();
    }
    let folder = std::path::absolute(Path::new(url));
    folder.map_or_else(|_| url.to_owned(), |folder| folder.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_folder_is_shown_from_the_root() {
        assert_eq!(shown("s3://bucket/prefix"), "s3://bucket/prefix");
        assert_eq!(shown("memory:"), "memory:");
        assert!(Path::new(&shown("./lake")).is_absolute());
        assert!(shown("./lake").ends_with("/lake"));
    }
}
