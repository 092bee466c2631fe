//! Lines that query a lake, ready to paste: the latest version of each row, from snapshot and deltas together.

/// Returns labelled snippets for one table: `DuckDB`, Polars and `ClickHouse`.
///
/// A delta row older than its integration's snapshot says nothing the snapshot does not say better, so it is left
/// out; of the rest, the newest observation of each id wins, and deleted rows are dropped. `lake` is an absolute path:
/// `ClickHouse` reads no other.
pub(super) fn snippets(lake: &str, table: &str, columns: &[&str]) -> [(&'static str, String); 3] {
    [
        ("DuckDB", duckdb(lake, table, columns)),
        ("Polars", polars(lake, table, columns)),
        (
            "ClickHouse (chdb reads below the folder it was started in)",
            clickhouse(lake, table, columns),
        ),
    ]
}

fn duckdb(lake: &str, table: &str, columns: &[&str]) -> String {
    let columns = columns.join(", ");
    format!(
        "INSTALL delta; LOAD delta;
WITH snapshots AS (FROM delta_scan('{lake}/{table}/snapshots')),
     deltas AS (FROM delta_scan('{lake}/{table}/deltas')),
     since AS (SELECT integration_key, min(_fetched_at) AS since FROM snapshots GROUP BY ALL),
     rows AS (FROM snapshots UNION ALL BY NAME
              SELECT deltas.* FROM deltas LEFT JOIN since USING (integration_key)
              WHERE since IS NULL OR _fetched_at >= since)
SELECT {columns} FROM rows
QUALIFY row_number() OVER (PARTITION BY integration_key, id ORDER BY _fetched_at DESC) = 1 AND _op = 'upsert'
ORDER BY id LIMIT 5;"
    )
}

fn polars(lake: &str, table: &str, columns: &[&str]) -> String {
    let columns = columns
        .iter()
        .map(|column| format!("\"{column}\""))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "import polars as pl
snapshots, deltas = (pl.scan_delta(f\"{lake}/{table}/{{part}}\") for part in (\"snapshots\", \"deltas\"))
since = snapshots.group_by(\"integration_key\").agg(since=pl.col(\"_fetched_at\").min())
deltas = (deltas.join(since, on=\"integration_key\", how=\"left\")
          .filter(pl.col(\"since\").is_null() | (pl.col(\"_fetched_at\") >= pl.col(\"since\"))).drop(\"since\"))
rows = (pl.concat([snapshots, deltas], how=\"diagonal_relaxed\").sort(\"_fetched_at\")
        .unique([\"integration_key\", \"id\"], keep=\"last\").filter(pl.col(\"_op\") == \"upsert\"))
print(rows.select({columns}).sort(\"id\").head(5).collect())"
    )
}

/// Structs are taken whole in the inner queries: of a partitioned table, `ClickHouse` cannot read `struct.member`.
fn clickhouse(lake: &str, table: &str, columns: &[&str]) -> String {
    let wanted = columns.join(", ");
    format!(
        "SELECT {wanted} FROM (
    SELECT * FROM (
        SELECT integration_key, _fetched_at, _op, {wanted} FROM deltaLakeLocal('{lake}/{table}/snapshots')
        UNION ALL
        SELECT integration_key, _fetched_at, _op, {wanted} FROM deltaLakeLocal('{lake}/{table}/deltas') AS deltas
        LEFT JOIN (SELECT integration_key, min(_fetched_at) AS since
                   FROM deltaLakeLocal('{lake}/{table}/snapshots') GROUP BY integration_key) AS since
        USING (integration_key)
        WHERE _fetched_at >= since)
    ORDER BY _fetched_at DESC LIMIT 1 BY integration_key, id)
WHERE _op = 'upsert' ORDER BY id LIMIT 5"
    )
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
