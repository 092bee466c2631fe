//! What only a monitor can see: that a process is gone or starts again and again, and how a value moves.

use super::{INSTANCE, Severity};

/// A rule beside those of the troubles.
#[derive(Debug)]
pub(super) struct Monitored {
    /// Heading of `docs/oncall.md`; the alert's name is made of it.
    pub(super) heading: &'static str,
    /// The expression, with `$job` where a selector may name the scrape job.
    pub(super) expression: &'static str,
    /// A shorter expression that is right only for a named job.
    pub(super) expression_of_job: Option<&'static str>,
    pub(super) minutes: u32,
    pub(super) severity: Severity,
    /// What happens, as a sentence without a full stop.
    pub(super) what: &'static str,
    /// A sentence with the value.
    pub(super) value: &'static str,
    pub(super) cure: &'static str,
    /// Whether the result has the labels of a target.
    pub(super) has_target: bool,
}

impl Monitored {
    /// Returns where it happens, with a blank before.
    pub(super) fn place(&self) -> String {
        if self.has_target {
            format!(" at {INSTANCE}")
        } else {
            String::new()
        }
    }
}

/// All of them.
pub(super) const ALL: &[Monitored] = &[
    Monitored {
        heading: "service_silent",
        // A target of any job was this program within the last week. Its own metrics end with it, so `up` alone is asked.
        expression: "up == 0 and on (job, instance) present_over_time(kombo_build_info[7d])",
        expression_of_job: Some("up{$job} == 0"),
        minutes: 3,
        severity: Severity::Critical,
        what: "the service cannot be scraped: it is down, it hangs, or its address changed",
        value: "The last scrape failed. Nothing is lost meanwhile: the next start fetches what changed.",
        cure: "see whether the process runs and read the end of its log; start it again",
        has_target: true,
    },
    Monitored {
        heading: "not_scraped",
        expression: "absent(kombo_build_info{$job})",
        expression_of_job: None,
        minutes: 5,
        severity: Severity::Critical,
        what: "no target has the metrics of kombo-source",
        value: "Neither this nor any other rule can see a trouble now.",
        cure: "look under Status, Targets in Prometheus: the scrape job is gone, or all of its targets are down",
        has_target: false,
    },
    Monitored {
        heading: "restarts",
        // Between two starts a scrape may fail, so a build is looked for in the whole time.
        expression: "changes(process_start_time_seconds{$job}[30m]) > 2 and on (job, instance) present_over_time(kombo_build_info{$job}[30m])",
        expression_of_job: None,
        minutes: 0,
        severity: Severity::Critical,
        what: "the service starts again and again",
        value: "It started {{ $value }} times again within 30 minutes. Each start asks Kombo for every table.",
        cure: "read the last lines of the log before each start; look for a kill by the system for want of memory",
        has_target: true,
    },
    Monitored {
        heading: "nothing_fetched",
        // Troubles that stop all data have rules of their own.
        expression: "sum without (lane) (kombo_pending_tables{$job}) > 0 and kombo_running_fetches{$job} == 0 unless on (job, instance) kombo_trouble{stops_data=\"all\",$job} == 1",
        expression_of_job: None,
        minutes: 15,
        severity: Severity::Critical,
        what: "tables wait and none is fetched, and the service names no reason",
        value: "{{ $value }} tables wait.",
        cure: "keep the output of `GET /health` and the log, and start the service again; report it",
        has_target: true,
    },
    Monitored {
        heading: "queue_grows",
        // A start makes all tables due at once: the queue jumps, and then falls.
        expression: "sum without (lane) (kombo_pending_tables{$job}) > 20 and sum without (lane) (deriv(kombo_pending_tables{$job}[30m])) > 0",
        expression_of_job: None,
        minutes: 60,
        severity: Severity::Warning,
        what: "more tables become due than are fetched",
        value: "{{ $value }} tables wait, and the number rises.",
        cure: "raise request.rate_limit_num if Kombo allows more, or poll less: a longer schedule, fewer endpoints",
        has_target: true,
    },
    Monitored {
        heading: "fold_behind",
        expression: "kombo_fold_lag_seconds{$job} > 3600",
        expression_of_job: None,
        minutes: 15,
        severity: Severity::Warning,
        what: "`current` is behind, so readers see old rows",
        value: "The oldest change has waited for {{ $value | humanizeDuration }}.",
        cure: "run `kombo-source fold`, which prints the error of each table",
        has_target: true,
    },
    Monitored {
        heading: "new_integrations_refused",
        expression: "increase(kombo_candidates_refused_total{reason=\"full\",$job}[1h]) > 0",
        expression_of_job: None,
        minutes: 0,
        severity: Severity::Warning,
        what: "webhooks of new integrations are answered 503, because too many wait to be confirmed",
        value: "About {{ $value | humanize }} webhooks within an hour.",
        cure: "read the log: it says why Kombo does not confirm the integrations that wait",
        has_target: true,
    },
    Monitored {
        heading: "configuration_refused",
        expression: "increase(kombo_component_errors_total{error_type=\"configuration_failed\",$job}[30m]) > 0",
        expression_of_job: None,
        minutes: 0,
        severity: Severity::Warning,
        what: "a reload was refused, so the old configuration goes on and the next start will fail",
        value: "About {{ $value | humanize }} reloads within 30 minutes.",
        cure: "run `kombo-source validate`, correct what it names, and send SIGHUP again",
        has_target: true,
    },
    Monitored {
        heading: "rows_discarded",
        expression: "kombo_component_discarded_events_total{intentional=\"false\",$job} > 0",
        expression_of_job: None,
        minutes: 0,
        severity: Severity::Critical,
        what: "rows were discarded that nothing fetches again: a bug",
        value: "{{ $value }} rows since the start.",
        cure: "run `kombo-source backfill` to fetch every row again, and report it",
        has_target: true,
    },
    Monitored {
        heading: "files_used_up",
        expression: "process_open_fds{$job} / process_max_fds{$job} > 0.8 and on (job, instance) kombo_build_info{$job}",
        expression_of_job: None,
        minutes: 5,
        severity: Severity::Warning,
        what: "the service has opened nearly as many files and connections as it may",
        value: "{{ $value | humanizePercentage }} are open.",
        cure: "raise the limit (`LimitNOFILE=` of the unit, `ulimit -n`) and start the service again",
        has_target: true,
    },
];
