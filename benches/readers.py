"""Compares readers of `current` with readers of one sorted file: bytes and requests over HTTP.

    target/venv/bin/python benches/readers.py LAKE hris_employees

DuckDB and Polars count, and read one customer, one id and one day of changes. They read over HTTP from a server on loopback
that counts answers and bytes. For the lake they get the files that remain after pruning by the bounds in the Delta log, as
readers of Delta do; the log itself is not counted. The sorted file has the same rows in the order of customer and id, and DuckDB
writes it with its defaults and zstd. Each query runs without caches. Figures are medians over the samples.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import duckdb_extension_httpfs
import polars as pl

DAY_US = 86_400_000_000


class Sent:
    """Counts the answers and bytes that a server sends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.bytes = self.requests = 0

    def add(self, count: int) -> None:
        """Adds one answer."""
        with self._lock:
            self.bytes += count
            self.requests += 1


class Files(BaseHTTPRequestHandler):
    """Serves files of a folder, completely or one requested range."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, sent: Sent, root: Path, *arguments: Any) -> None:
        self.sent, self.root = sent, root
        super().__init__(*arguments)

    def do_HEAD(self) -> None:  # noqa: N802, the base class names it
        self._answer(with_body=False)

    def do_GET(self) -> None:  # noqa: N802, the base class names it
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        path = self.root / self.path.lstrip("/").replace("%3D", "=")
        size = path.stat().st_size
        first, last, status = 0, size - 1, 200
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes="):
            start, _, end = asked.removeprefix("bytes=").partition("-")
            status = 206
            first = int(start) if start else max(0, size - int(end))
            last = min(int(end), last) if start and end else last
        self.send_response(status)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        self.sent.add(last - first + 1 if with_body else 0)
        if with_body:
            with path.open("rb") as file:
                file.seek(first)
                self.wfile.write(file.read(last - first + 1))

    def log_message(self, *_: Any) -> None:
        """Logs nothing."""


@dataclass(frozen=True)
class Query:
    """A question for both sides: the condition, and the files of the lake that can hold its rows."""

    what: str
    files: list[str]
    customer: str | None = None
    record: str | None = None
    day_us: int | None = None

    @property
    def where(self) -> str:
        """Returns the condition as SQL."""
        words = []
        if self.customer:
            words.append(f"integration_key = '{self.customer}'")
        if self.record:
            words.append(f"id = '{self.record}'")
        if self.day_us is not None:
            words.append(f"changed_at >= make_timestamptz({self.day_us}) AND changed_at < make_timestamptz({self.day_us + DAY_US})")
        return " AND ".join(words) or "true"

    def predicate(self) -> pl.Expr:
        """Returns the condition for Polars."""
        found = pl.lit(True)
        if self.customer:
            found = found & (pl.col("integration_key") == self.customer)
        if self.record:
            found = found & (pl.col("id") == self.record)
        if self.day_us is not None:
            low, high = (pl.lit(at).cast(pl.Datetime("us", "UTC")) for at in (self.day_us, self.day_us + DAY_US))
            found = found & (pl.col("changed_at") >= low) & (pl.col("changed_at") < high)
        return found


class Table:
    """The files of `current`, with their bounds, and the sorted file."""

    def __init__(self, lake: Path, table: str) -> None:
        self.lake = lake
        current = lake / table / "current"
        actions = deltalake.DeltaTable(current).get_add_actions(flatten=True)
        self.files = [{**row, "file": f"{table}/current/{row['path']}"} for row in rows_of(actions)]
        self.partitioned = "partition.integration_key" in self.files[0]
        self.sorted = f"sorted-{table}.parquet"
        paths = ", ".join(f"'{lake / one['file']}'" for one in self.files)
        self.local = f"read_parquet([{paths}], hive_partitioning = {self.partitioned}, union_by_name = true)"
        duckdb.execute("SET TimeZone = 'UTC'")
        duckdb.execute(
            f"COPY (SELECT * FROM {self.local} ORDER BY integration_key, id)"
            f" TO '{lake / self.sorted}' (FORMAT parquet, COMPRESSION zstd)"
        )

    def holding(self, customer: str | None, record: str | None, day_us: int | None) -> list[str]:
        """Returns the files whose bounds allow rows of a customer, an id or a day."""

        def may_hold(file: dict[str, Any]) -> bool:
            if customer and self.partitioned and file["partition.integration_key"] != customer:
                return False
            if customer and not self.partitioned and not within(file, "integration_key", customer):
                return False
            if record and not within(file, "id", record):
                return False
            if day_us is None or file.get("min.changed_at") is None:
                return True
            low, high = (round(file[f"{end}.changed_at"].timestamp() * 1e6) for end in ("min", "max"))
            # Bounds in a Delta log are cut to milliseconds.
            return low - 1000 < day_us + DAY_US and high + 1000 >= day_us

        return [file["file"] for file in self.files if may_hold(file)]

    def queries(self, samples: int) -> list[list[Query]]:
        """Returns the questions, each with some samples."""
        found = duckdb.execute(
            f"SELECT integration_key, id FROM {self.local} ORDER BY hash(id || integration_key) LIMIT {samples}"
        ).fetchall()
        at = "SELECT epoch_us(changed_at) // ? * ? FROM {} WHERE changed_at IS NOT NULL ORDER BY hash(id) LIMIT 1"
        (day,) = duckdb.execute(at.format(self.local), [DAY_US, DAY_US]).fetchone() or (0,)
        one = [Query("one integration", self.holding(key, None, None), key) for key, _ in found]
        record = [Query("one id", self.holding(key, name, None), key, name) for key, name in found]
        everything = self.holding(None, None, None)
        days = [Query("one day of changed_at", self.holding(None, None, day), day_us=day)]
        return [[Query("count", everything)], one, record, days]


def within(file: dict[str, Any], column: str, value: str) -> bool:
    """Returns whether the bounds of a file allow a value; files without bounds allow everything."""
    low, high = file.get(f"min.{column}"), file.get(f"max.{column}")
    return low is None or high is None or (low <= value and (value <= high or value.startswith(high)))


def rows_of(actions: Any) -> list[dict[str, Any]]:
    """Returns the actions as dictionaries."""
    import pyarrow

    return list(pyarrow.table(actions).to_pylist())


def by_duckdb(urls: list[str], query: Query, hive: bool) -> int:
    """Runs a query in a new connection without caches. Returns the number of rows."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    (extension,) = Path(duckdb_extension_httpfs.__path__[0]).rglob("*.duckdb_extension")
    connection.execute(f"LOAD '{extension}'")
    for setting in ("enable_external_file_cache", "enable_http_metadata_cache"):
        connection.execute(f"SET {setting} = false")
    connection.execute("SET TimeZone = 'UTC'")
    files = ", ".join(f"'{url}'" for url in urls)
    relation = f"read_parquet([{files}], hive_partitioning = {hive}, union_by_name = {hive})"
    if query.what == "count":
        (count,) = connection.execute(f"SELECT count(*) FROM {relation}").fetchone() or (0,)
        return int(count)
    return int(connection.execute(f"SELECT * FROM {relation} WHERE {query.where}").to_arrow_table().num_rows)


def by_polars(urls: list[str], query: Query, hive: bool) -> int:
    """Runs a query with Polars. Returns the number of rows."""
    scan = pl.scan_parquet(urls, hive_partitioning=hive)
    if query.what == "count":
        return int(scan.select(pl.len()).collect().item())
    return scan.filter(query.predicate()).collect().height


def measured(
    run: Callable[[list[str], Query, bool], int], address: str, sent: Sent, files: list[str], query: Query, hive: bool
) -> tuple[int, int, int, float]:
    """Returns rows, requests, bytes and milliseconds of one query."""
    urls = [f"http://{address}/{file}" for file in files]
    before = sent.requests, sent.bytes
    began = time.perf_counter()
    rows = run(urls, query, hive) if urls else 0
    ms = (time.perf_counter() - began) * 1000
    return rows, sent.requests - before[0], sent.bytes - before[1], ms


def compare(table: Table, address: str, sent: Sent, samples: int) -> None:
    """Prints a line for each question and reader."""
    whole = (table.lake / table.sorted).stat().st_size
    size = sum(file["size_bytes"] for file in table.files)
    print(f"`current`: {len(table.files):,} files, {size / 1e6:,.1f} MB; one sorted file: {whole / 1e6:,.1f} MB\n")
    print("| | reader | rows | files | requests: lake | sorted | ratio | KB: lake | sorted | ratio | ms: lake | sorted |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for queries in table.queries(samples):
        for name, run in (("DuckDB", by_duckdb), ("Polars", by_polars)):
            lake = [measured(run, address, sent, one.files, one, table.partitioned) for one in queries]
            flat = [measured(run, address, sent, [table.sorted], one, False) for one in queries]
            if [one[0] for one in lake] != [one[0] for one in flat]:
                sys.exit(f"{queries[0].what}: the lake and the sorted file do not have the same rows")
            rows, asked, sent_bytes, ms = (statistics.median(column) for column in zip(*lake, strict=True))
            _, flat_asked, flat_bytes, flat_ms = (statistics.median(column) for column in zip(*flat, strict=True))
            files = statistics.median(len(one.files) for one in queries)
            print(
                f"| {queries[0].what} | {name} | {rows:,.0f} | {files:,.0f} | {asked:,.0f} | {flat_asked:,.0f}"
                f" | {asked / flat_asked:.2f} | {sent_bytes / 1e3:,.0f} | {flat_bytes / 1e3:,.0f}"
                f" | {sent_bytes / flat_bytes:.2f} | {ms:,.0f} | {flat_ms:,.0f} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lake", type=Path)
    parser.add_argument("table")
    parser.add_argument("--samples", type=int, default=10, help="integrations and ids to look up")
    arguments = parser.parse_args()
    table = Table(arguments.lake.resolve(), arguments.table)
    sent = Sent()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, sent, table.lake))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        compare(table, f"127.0.0.1:{server.server_address[1]}", sent, arguments.samples)
    finally:
        server.shutdown()
        (table.lake / table.sorted).unlink()


if __name__ == "__main__":
    main()
