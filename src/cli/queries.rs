//! Queries of a lake that are ready to paste: the first rows of a table, and one row of it.

use super::args::SqlEngine;

/// Returns labelled snippets that show the first rows of a table's `current`: `DuckDB`, Polars and `ClickHouse`.
///
/// `lake` is an absolute path: `ClickHouse` reads no other.
pub(super) fn snippets(lake: &str, table: &str, columns: &[&str]) -> [(&'static str, String); 3] {
    let at = |engine: SqlEngine| engine.escaped(&format!("{lake}/{table}/current"));
    let (duckdb, polars, clickhouse) = (
        at(SqlEngine::DuckDb),
        at(SqlEngine::Polars),
        at(SqlEngine::ClickHouse),
    );
    let names = columns.join(", ");
    let texts = format!("\"{}\"", columns.join("\", \""));
    [
        (
            "DuckDB",
            format!(
                "INSTALL delta; LOAD delta;
SELECT {names} FROM delta_scan('{duckdb}') ORDER BY id LIMIT 5;"
            ),
        ),
        (
            "Polars",
            format!(
                "import polars as pl
print(pl.scan_delta(\"{polars}\").select({texts}).sort(\"id\").head(5).collect())"
            ),
        ),
        (
            "ClickHouse (chdb reads below the folder it was started in)",
            format!("SELECT {names} FROM deltaLakeLocal('{clickhouse}') ORDER BY id LIMIT 5"),
        ),
    ]
}

/// Returns a `DuckDB` query for one row as it was last seen to change, on one line.
pub(super) fn one_row(lake: &str, table: &str, id: &str) -> String {
    let quoted = |text: &str| text.replace('\'', "''");
    let (lake, id) = (quoted(lake), quoted(id));
    format!(
        "SELECT id, _op, changed_at, _fetched_at FROM delta_scan('{lake}/{table}/deltas') \
         WHERE id = '{id}' ORDER BY _fetched_at DESC LIMIT 1;"
    )
}
