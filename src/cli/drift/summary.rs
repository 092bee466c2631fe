//! How many rows drifted in each way, and how complete each table was when it was last fetched in full.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::cli_error::CliError;
use super::table;
use crate::ids::{EndpointName, IntegrationId};
use crate::lake::{Completeness, DriftFilter, DriftGroup, Lake, SetAside};
use crate::time::format_timestamp;
use crate::words::{count, percent};

/// The last comparisons of an endpoint's tables, taken together.
struct EndpointCompleteness {
    table: String,
    integrations: usize,
    together: Completeness,
}

/// Reads and writes both.
pub(super) async fn read(
    lake: &Lake,
    filter: &DriftFilter,
    json: bool,
) -> Result<(String, Vec<SetAside<String>>), CliError> {
    let (counts, aside) = lake.drift_counts(filter).await?;
    let key = filter.integration.as_ref().map(IntegrationId::key);
    let wanted = filter.endpoint.as_ref().map(EndpointName::table_name);
    let mut by_table: BTreeMap<String, Vec<Completeness>> = BTreeMap::new();
    for ((whose, table), one) in lake.completeness().await? {
        let is_wanted = key.as_ref().is_none_or(|key| *key == whose)
            && wanted.as_ref().is_none_or(|wanted| *wanted == table);
        if is_wanted {
            by_table.entry(table).or_default().push(one);
        }
    }
    let compared = by_table.into_iter().filter_map(|(table, all)| {
        Some(EndpointCompleteness {
            table,
            integrations: all.len(),
            together: Completeness::of_all(all)?,
        })
    });
    let compared: Vec<EndpointCompleteness> = compared.collect();
    let write = if json { lines } else { text };
    Ok((write(&counts, &compared), aside))
}

#[rustfmt::skip]
const HEADER: [&str; 5] = ["table", "integrations", "rows compared", "drifted", "complete"];

fn text(counts: &BTreeMap<DriftGroup, u64>, compared: &[EndpointCompleteness]) -> String {
    let mut text = String::new();
    if counts.is_empty() {
        text.push_str("no drift\n");
    } else {
        let row = |table: &str, kind: &str, cause: &str, rows: &str| {
            format!("{table:<38}{kind:<12}{cause:<18}{rows:>12}\n")
        };
        text.push_str(&row("table", "kind", "cause", "rows"));
        for (group, rows) in counts {
            let name = table(&group.endpoint);
            text.push_str(&row(&name, &group.kind, &group.cause, &count(*rows)));
        }
    }
    text.push('\n');
    let Some(all) = Completeness::of_all(compared.iter().map(|one| one.together)) else {
        text.push_str("no full fetch was compared with what the lake knew before it\n");
        return text;
    };
    let row = |[table, integrations, rows, drifted, complete]: [&str; 5]| {
        format!("{table:<38}{integrations:>12}{rows:>15}{drifted:>10}{complete:>11}\n")
    };
    text.push_str(&row(HEADER));
    let mut add = |name: &str, integrations: &str, one: &Completeness| {
        let [rows, drifted] = [one.rows, one.drifted].map(count);
        let share = percent(one.share());
        text.push_str(&row([name, integrations, &rows, &drifted, &share]));
    };
    for one in compared {
        add(&one.table, &count(one.integrations as u64), &one.together);
    }
    add("all", "", &all);
    text
}

/// One object per line: the groups, then the tables.
fn lines(counts: &BTreeMap<DriftGroup, u64>, compared: &[EndpointCompleteness]) -> String {
    let groups = counts.iter().map(|(group, rows)| {
        json!({
            "table": table(&group.endpoint),
            "kind": group.kind,
            "cause": group.cause,
            "rows": rows,
        })
    });
    let tables = compared.iter().map(|one| {
        json!({
            "table": one.table,
            "integrations": one.integrations,
            "rows_compared": one.together.rows,
            "drifted": one.together.drifted,
            "completeness": one.together.share(),
            "compared_at": format_timestamp(one.together.compared.as_micros()),
        })
    });
    let line = |value: Value| value.to_string() + "\n";
    groups.chain(tables).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ObservedAt;

    fn counts() -> BTreeMap<DriftGroup, u64> {
        let group = DriftGroup {
            endpoint: "ats/applications".to_owned(),
            kind: "update".to_owned(),
            cause: "no_notification".to_owned(),
        };
        BTreeMap::from([(group, 1_200)])
    }

    fn compared() -> EndpointCompleteness {
        EndpointCompleteness {
            table: "ats_applications".to_owned(),
            integrations: 3,
            together: Completeness {
                compared: ObservedAt::from_micros(1_700_000_000_000_000),
                rows: 50_000,
                drifted: 12,
            },
        }
    }

    #[test]
    fn people_read_counts_and_completeness() {
        let expected = "\
table                                 kind        cause                     rows
ats_applications                      update      no_notification          1,200

table                                 integrations  rows compared   drifted   complete
ats_applications                                 3         50,000        12    99.97 %
all                                                        50,000        12    99.97 %
";
        assert_eq!(text(&counts(), &[compared()]), expected);
    }

    #[test]
    fn nothing_compared_is_said_so() {
        let text = text(&BTreeMap::new(), &[]);
        assert_eq!(
            text,
            "no drift\n\nno full fetch was compared with what the lake knew before it\n"
        );
    }

    #[test]
    fn programs_read_an_object_a_line() {
        let lines = lines(&counts(), &[compared()]);
        let values: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(values[0]["rows"], 1_200);
        assert_eq!(values[1]["drifted"], 12);
        assert_eq!(values[1]["compared_at"], "2023-11-14T22:13:20.000Z");
    }
}
