//! The page on call has a heading for each alert, and its table is written from the rules.

use std::fmt::Write as _;

use kombo_source::metrics::{AlertOptions, RUNBOOK, alert_rules};

use super::page::Page;
use super::{assert_none, renewed};

const PAGE: &str = "docs/oncall.md";
const LINE: &str =
    "<!-- From here on written by `KOMBO_RENEW_DOCS=1 cargo test --test it docs`. -->\n";

#[test]
fn docs_on_call_has_every_alert() {
    let mut text =
        "\n| Alert | Severity | True for | What happens | Cure |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for rule in alert_rules(&AlertOptions::default()) {
        let (_, what) = rule.summary.split_once(": ").expect("where, then what");
        writeln!(
            text,
            "| [`{}`](#{}) | {} | {} min | {what} | {} |",
            rule.name, rule.heading, rule.severity, rule.minutes, rule.cure
        )
        .expect("a String takes every text");
    }
    renewed(PAGE, LINE, &text);
}

#[test]
fn docs_on_call_has_the_heading_that_each_alert_links() {
    assert!(RUNBOOK.ends_with(PAGE), "{RUNBOOK}");
    let pages = Page::all();
    let page = pages.iter().find(|page| page.path == PAGE);
    let anchors = page.expect("the page").anchors();
    let rules = alert_rules(&AlertOptions::default()).into_iter();
    let lacking: Vec<String> = rules
        .map(|rule| rule.heading)
        .filter(|heading| !anchors.contains(heading))
        .collect();
    assert_none("headings that alerts link and the page lacks", &lacking);
}
