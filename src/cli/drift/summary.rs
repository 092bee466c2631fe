//! `drift --summary`: how many rows differed in each way, and how complete each table was at its last full fetch.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::cli_error::CliError;
use super::super::failed::text as ended;
use super::super::terminal::Terminal;
use super::super::text_table::{Column, TextTable};
use super::table;
use crate::ids::{EndpointName, IntegrationId};
use crate::lake::{Completeness, DriftFilter, DriftGroup, Lake, SetAside};
use crate::time::format_timestamp;
use crate::words::{count, percent};

/// The last comparisons of all tables of an endpoint, summed up.
struct EndpointCompleteness {
    table: String,
    integrations: usize,
    together: Completeness,
}

/// Reads the numbers of rows and the completeness, and returns them as text or as JSON lines.
pub(super) async fn read(
    lake: &Lake,
    filter: &DriftFilter,
    json: bool,
) -> Result<(String, Vec<SetAside<String>>), CliError> {
    let (counts, aside) = lake.drift_counts(filter).await?;
    let keys = filter.integrations.as_ref();
    let keys: Option<BTreeSet<_>> = keys.map(|ids| ids.iter().map(IntegrationId::key).collect());
    let wanted = filter.endpoints.as_ref();
    let wanted: Option<BTreeSet<_>> =
        wanted.map(|names| names.iter().map(EndpointName::table_name).collect());
    let mut by_table: BTreeMap<String, Vec<Completeness>> = BTreeMap::new();
    for ((whose, table), one) in lake.completeness().await? {
        let is_wanted = keys.as_ref().is_none_or(|keys| keys.contains(&whose))
            && wanted.as_ref().is_none_or(|wanted| wanted.contains(&table));
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
    let text = if json {
        lines(&counts, &compared)
    } else {
        text(&counts, &compared, &Terminal::stdout())
    };
    Ok((text, aside))
}

const GROUPS: [Column; 4] = [
    Column::text("table", 38),
    Column::text("kind", 12),
    Column::text("cause", 18),
    Column::number("rows", 12),
];
const TABLES: [Column; 5] = [
    Column::text("table", 38),
    Column::number("integrations", 12).spare(1),
    Column::number("rows compared", 15),
    Column::number("drifted", 10),
    Column::number("complete", 11),
];

fn text(
    counts: &BTreeMap<DriftGroup, u64>,
    compared: &[EndpointCompleteness],
    terminal: &Terminal,
) -> String {
    let mut lines = Vec::new();
    if counts.is_empty() {
        lines.push("no drift".to_owned());
    } else {
        let mut groups = TextTable::new(&GROUPS);
        for (group, rows) in counts {
            let name = table(&group.endpoint);
            groups.add([name, group.kind.clone(), group.cause.clone(), count(*rows)]);
        }
        lines = groups.lines(terminal);
    }
    lines.push(String::new());
    let Some(all) = Completeness::of_all(compared.iter().map(|one| one.together)) else {
        lines.push("no full fetch was compared with the lake yet".to_owned());
        return ended(&lines);
    };
    let mut tables = TextTable::new(&TABLES);
    let mut add = |name: &str, integrations: String, one: &Completeness| {
        let [rows, drifted] = [one.rows, one.drifted].map(count);
        let share = percent(one.share());
        tables.add([name.to_owned(), integrations, rows, drifted, share]);
    };
    for one in compared {
        add(&one.table, count(one.integrations as u64), &one.together);
    }
    add("all", String::new(), &all);
    lines.extend(tables.lines(terminal));
    ended(&lines)
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

table                                   integrations  rows compared   drifted   complete
ats_applications                                   3         50,000        12    99.97 %
all                                                          50,000        12    99.97 %
";
        assert_eq!(
            text(&counts(), &[compared()], &Terminal::default()),
            expected
        );
    }

    #[test]
    fn nothing_compared_is_said_so() {
        let text = text(&BTreeMap::new(), &[], &Terminal::default());
        assert_eq!(
            text,
            "no drift\n\nno full fetch was compared with the lake yet\n"
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
