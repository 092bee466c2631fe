//! Builds the views of an SQL engine: `views.sql` is common to all engines, and a dialect fills in the differences.

use super::dialect_words::{
    ATHENA, BIGQUERY, BY_NAME, BY_PLACE, CLICKHOUSE, DATAFUSION, DUCKDB, DialectWords, SNOWFLAKE,
    SPARK, TRINO, UNREGISTERED, USUAL,
};
use super::narrowing::Narrowing;
use crate::cli::args::SqlEngine;

/// The views. A placeholder in braces is of the dialect, of the lake or of a table. A line behind `{if word}` is for dialects
/// in which the word has a text.
const VIEWS: &str = include_str!("views.sql");

/// The words on which lines depend.
const CONDITIONS: [&str; 4] = ["unregistered", "create", "millis", "travels"];

/// The words of an engine: first its own, then those it shares with others. The first text of a word counts.
type Dialect = &'static [DialectWords];

/// A table: the placeholder of its location, its registered name, and its folder.
type TableWords = [&'static str; 3];

/// The tables of the whole lake.
const OF_LAKE: [TableWords; 3] = [
    ["integrations", "kombo_integrations", "kombo_integrations"],
    ["holds", "kombo_holds", "kombo_holds"],
    ["drift", "kombo_drift", "kombo_drift"],
];

/// The tables of one endpoint.
const OF_ENDPOINT: [TableWords; 3] = [
    ["current", "{table}", "{table}/current"],
    ["deltas", "{table}_deltas", "{table}/deltas"],
    ["snapshots", "{table}_snapshots", "{table}/snapshots"],
];

/// Returns the views for an engine, with the placeholders of lake and table unfilled; `None` for an engine without SQL.
pub(super) fn template(engine: SqlEngine, narrowing: &Narrowing) -> Option<String> {
    let written = |dialect| written(dialect, narrowing);
    Some(match engine {
        SqlEngine::DuckDb => written(&[DUCKDB, UNREGISTERED, BY_NAME, USUAL]),
        SqlEngine::Spark => written(&[SPARK, UNREGISTERED, USUAL]),
        SqlEngine::Trino => written(&[TRINO, BY_PLACE, USUAL]),
        SqlEngine::Athena => written(&[ATHENA, BY_PLACE, USUAL]),
        SqlEngine::Snowflake => written(&[SNOWFLAKE, BY_NAME, USUAL]),
        SqlEngine::BigQuery => written(&[BIGQUERY, BY_NAME, USUAL]),
        SqlEngine::ClickHouse => written(&[CLICKHOUSE, UNREGISTERED, USUAL]),
        SqlEngine::DataFusion => written(&[DATAFUSION, BY_NAME, USUAL]),
        SqlEngine::Polars => return None,
    })
}

fn written(dialect: Dialect, narrowing: &Narrowing) -> String {
    let text = |wanted: &str| {
        let mut words = dialect.iter().copied().flatten();
        let found = words.find(|(word, _)| *word == wanted);
        found.map_or("", |(_, text)| *text)
    };
    let mut setup = text("setup").to_owned();
    if !text("register").is_empty() {
        let register =
            |tables: [TableWords; 3]| tables.map(|of| table(text("register"), of)).join("\n");
        let (lake, endpoint) = (register(OF_LAKE), register(OF_ENDPOINT));
        setup = format!("{setup}\n{lake}\n\n-- tables: those of {{endpoint}}\n{endpoint}");
    }
    let lines = VIEWS.lines().filter_map(|line| {
        let condition = line
            .strip_prefix("{if ")
            .and_then(|rest| rest.split_once('}'));
        match condition {
            Some((word, line)) if CONDITIONS.contains(&word) => {
                (!text(word).is_empty()).then_some(line)
            }
            // Conditions on a column are decided when the table is known.
            _ => Some(line),
        }
    });
    let mut views = lines.collect::<Vec<_>>().join("\n");
    for of in OF_LAKE {
        views = views.replace(&format!("{{{}}}", of[0]), &table(text("read"), of));
    }
    let integrations = table(text("read"), OF_LAKE[0]);
    for of in OF_ENDPOINT {
        let read = narrowing.narrowed(&table(text("read"), of), &integrations);
        views = views.replace(&format!("{{{}}}", of[0]), &read);
    }
    for word in ["place 0", "place 1"]
        .iter()
        .chain(USUAL.iter().map(|(word, _)| word))
    {
        views = views.replace(&format!("{{{word}}}"), text(word));
    }
    format!("{setup}\n\n{views}\n").trim_start().to_owned()
}

/// Fills the name, folder and location of a table into a pattern.
fn table(pattern: &str, [word, name, folder]: TableWords) -> String {
    let location = format!("{{{word}}}");
    let pattern = pattern.replace("{name}", name).replace("{folder}", folder);
    pattern.replace("{location}", &location)
}
