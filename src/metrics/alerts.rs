//! Alert rules for Prometheus, as `kombo-source alerts` prints them.
//!
//! Each kind of trouble has one rule, made of the kind's own words, so that a pager, the log and `status` say the same. What a
//! process cannot say of itself has rules in `monitored`: that it is gone, that it starts again and again, that it hangs.
//! Every rule links a heading of `docs/oncall.md`.

mod monitored;
mod yaml;

use std::fmt;

use crate::trouble::{Stops, TroubleKind};

use monitored::Monitored;

/// Where the page with the cures is, unless somebody keeps it elsewhere.
pub const RUNBOOK: &str = concat!(
    "https://github.com/kombo-source/kombo-source",
    "/blob/main/docs/oncall.md"
);

/// How the rules fit into a Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertOptions {
    /// Only targets of this scrape job. Without it all targets that are this program, whatever their job is called.
    pub job: Option<String>,
    /// URL of the page that each rule links. A rule adds its heading.
    pub runbook_url: String,
}

impl Default for AlertOptions {
    fn default() -> Self {
        Self {
            job: None,
            runbook_url: RUNBOOK.to_owned(),
        }
    }
}

/// How soon somebody has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// At once: no data flows, or data is lost.
    Critical,
    /// During the day.
    Warning,
}

impl Severity {
    /// Returns the value of the label `severity`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }
}

/// One alert rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRule {
    /// Its name, such as `KomboKeyRefused`.
    pub name: String,
    /// The expression in Prometheus's language. It has a value while the alert is true.
    pub expression: String,
    /// For how many minutes it has to be true.
    pub minutes: u32,
    /// How soon somebody has to look.
    pub severity: Severity,
    /// What happens, where.
    pub summary: String,
    /// What happens, with the value.
    pub description: String,
    /// What to do.
    pub cure: String,
    /// Heading of `docs/oncall.md`.
    pub heading: String,
}

/// Returns all rules, those of the most serious troubles first.
#[must_use]
pub fn alert_rules(options: &AlertOptions) -> Vec<AlertRule> {
    let job = options.job.as_deref();
    // A service that is silent says nothing of itself. Prometheus sees it by the scrape that fails.
    let told = TroubleKind::ALL.into_iter();
    let told = told.filter(|kind| *kind != TroubleKind::ServiceSilent);
    let told = told.map(|kind| of_trouble(kind, job));
    let monitored = monitored::ALL.iter().map(|one| of_monitored(one, job));
    told.chain(monitored).collect()
}

/// Returns the rules as a file for `rule_files`.
#[must_use]
pub fn alert_file(options: &AlertOptions) -> String {
    yaml::rule_file(&alert_rules(options), &options.runbook_url)
}

fn of_trouble(kind: TroubleKind, job: Option<&str>) -> AlertRule {
    let name = kind.as_str();
    // The value is how long the trouble lasts. `and` keeps it only while the trouble lasts.
    let expression = format!(
        "time() - kombo_trouble_since_seconds{{kind=\"{name}\",$job}} and kombo_trouble{{kind=\"{name}\",$job}} == 1"
    );
    let stops = match kind.stops() {
        Stops::All => "No data flows until it is over.",
        Stops::Some => "The data of some tables does not flow until it is over.",
        Stops::Nothing => "Data flows.",
    };
    AlertRule {
        name: alert_name(name),
        expression: with_job(&expression, job),
        minutes: minutes(kind),
        severity: match kind.stops() {
            Stops::All => Severity::Critical,
            Stops::Some | Stops::Nothing => Severity::Warning,
        },
        summary: format!("kombo-source at {INSTANCE}: {}", kind.what()),
        description: format!(
            "It lasts for {{{{ $value | humanizeDuration }}}}. {stops} GET /health of {INSTANCE} names the facts."
        ),
        cure: kind.cure().to_owned(),
        heading: name.to_owned(),
    }
}

fn of_monitored(one: &Monitored, job: Option<&str>) -> AlertRule {
    let expression = match job {
        Some(_) => one.expression_of_job.unwrap_or(one.expression),
        None => one.expression,
    };
    AlertRule {
        name: alert_name(one.heading),
        expression: with_job(expression, job),
        minutes: one.minutes,
        severity: one.severity,
        summary: format!("kombo-source{}: {}", one.place(), one.what),
        description: format!("{}{}. {}", first_upper(one.what), one.place(), one.value),
        cure: one.cure.to_owned(),
        heading: one.heading.to_owned(),
    }
}

/// The target's address, in a template of Prometheus.
const INSTANCE: &str = "{{ $labels.instance }}";

/// Returns for how many minutes a trouble has to last. The service waits for the kind's own grace before.
fn minutes(kind: TroubleKind) -> u32 {
    match kind {
        // Both mostly end by themselves.
        TroubleKind::KomboUnreachable | TroubleKind::WaitingForRate => 10,
        _ => match kind.stops() {
            Stops::All => 2,
            Stops::Some => 5,
            Stops::Nothing => 15,
        },
    }
}

/// Returns `KomboKeyRefused` for `key_refused`.
fn alert_name(name: &str) -> String {
    let words = name.strip_prefix("kombo_").unwrap_or(name).split('_');
    let words: Vec<String> = words.map(first_upper).collect();
    format!("Kombo{}", words.concat())
}

fn first_upper(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Puts the job into each selector, where an expression has `$job`.
fn with_job(expression: &str, job: Option<&str>) -> String {
    let Some(job) = job else {
        return expression.replace(",$job", "").replace("{$job}", "");
    };
    // Prometheus reads the escapes of a JSON text.
    let text = serde_json::Value::from(job).to_string();
    expression.replace("$job", &format!("job={text}"))
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_of_trouble_has_one_rule_with_its_words() {
        let rules = alert_rules(&AlertOptions::default());
        for kind in TroubleKind::ALL {
            let name = kind.as_str();
            let of_kind: Vec<&AlertRule> =
                rules.iter().filter(|rule| rule.heading == name).collect();
            let [rule] = of_kind[..] else {
                panic!("{name} has {} rules", of_kind.len())
            };
            if kind != TroubleKind::ServiceSilent {
                assert!(rule.summary.ends_with(kind.what()), "{}", rule.summary);
                assert_eq!(rule.cure, kind.cure());
            }
        }
        let names: BTreeSet<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names.len(), rules.len(), "two rules have one name");
    }

    #[test]
    fn names_and_jobs_are_what_prometheus_takes() {
        assert_eq!(alert_name("key_refused"), "KomboKeyRefused");
        assert_eq!(alert_name("kombo_unreachable"), "KomboUnreachable");
        let selector = "a{kind=\"x\",$job} + b{$job}";
        assert_eq!(with_job(selector, None), "a{kind=\"x\"} + b");
        assert_eq!(
            with_job(selector, Some("my \"job\"")),
            r#"a{kind="x",job="my \"job\""} + b{job="my \"job\""}"#
        );
        for job in [None, Some("dev".to_owned())] {
            let options = AlertOptions {
                job,
                ..AlertOptions::default()
            };
            for rule in alert_rules(&options) {
                assert!(!rule.expression.contains("$job"), "{}", rule.expression);
            }
        }
    }
}
