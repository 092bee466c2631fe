//! Rules as YAML. Texts are written as JSON writes them, which YAML reads, too.

use std::fmt::Write as _;

use super::AlertRule;

/// Returns the file: one group with all rules.
pub(super) fn rule_file(rules: &[AlertRule], runbook_url: &str) -> String {
    let mut text = String::from(
        "# Alert rules for Prometheus, printed by `kombo-source alerts`. Name this file under `rule_files:`.\n\
         groups:\n  - name: kombo-source\n    rules:\n",
    );
    for rule in rules {
        write_rule(&mut text, rule, runbook_url).expect("a String takes every text");
    }
    text
}

fn write_rule(text: &mut String, rule: &AlertRule, runbook_url: &str) -> std::fmt::Result {
    writeln!(text, "      - alert: {}", rule.name)?;
    writeln!(text, "        expr: {}", single_quoted(&rule.expression))?;
    writeln!(text, "        for: {}m", rule.minutes)?;
    writeln!(text, "        labels:")?;
    writeln!(text, "          severity: {}", rule.severity)?;
    writeln!(text, "        annotations:")?;
    let url = format!("{runbook_url}#{}", rule.heading);
    for (name, value) in [
        ("summary", &rule.summary),
        ("description", &rule.description),
        ("runbook", &rule.cure),
        ("runbook_url", &url),
    ] {
        let value = serde_json::Value::from(value.as_str());
        writeln!(text, "          {name}: {value}")?;
    }
    Ok(())
}

/// Quotes a text of one line, so that its double quotes need no escapes.
fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
