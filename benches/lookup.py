"""Measures two queries in DuckDB, one record by id and one day of changes: the lake against one unsorted Parquet file.

    export KOMBO_SOURCE=$PWD/target/release/kombo-source
    target/venv/bin/python benches/lookup.py                       # makes a lake: some minutes
    target/venv/bin/python benches/lookup.py --lake ./lake --table ats_applications

Method: the same DuckDB reads both sides over HTTP from a server on loopback that counts the bytes it sends,
each query in a new connection without caches. DuckDB gets the files that remain after pruning by the Delta log
(partition, then the bounds in the statistics, as delta-rs reads them). DuckDB's Delta extension prunes alike, but reads no
HTTP. The log itself is not counted. DuckDB writes the unsorted file with its defaults and zstd, with rows in the order of
a hash. Times are medians over the queries. On loopback they mostly measure decoding, not a network.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "python"))

import deltalake
import duckdb
import duckdb_extension_httpfs
from clock import Clock
from living import Living, living_twin
from loopback import serving
from product import BINARY, Backfill, backfill_of, run

DAY = 86_400
DAY_MS = 1000 * DAY


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


class Ranges(SimpleHTTPRequestHandler):
    """Serves files of a folder, completely or one requested range."""

    protocol_version = "HTTP/1.1"

    def __init__(self, sent: Sent, *arguments: Any, **options: Any) -> None:
        self.sent = sent
        super().__init__(*arguments, **options)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        path = Path(self.translate_path(self.path))
        size = path.stat().st_size
        first, last, status = 0, size - 1, 200
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes="):
            start, _, end = asked.removeprefix("bytes=").partition("-")
            first, last, status = int(start), min(int(end or last), last), 206
        self.send_response(status)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if with_body:
            with path.open("rb") as file:
                file.seek(first)
                self.wfile.write(file.read(last - first + 1))
            self.sent.add(last - first + 1)

    def log_message(self, *_: Any) -> None:
        """Logs nothing."""


@dataclass
class Measured:
    """Requests, bytes and time per query of one kind."""

    bytes: list[int]
    requests: list[int]
    seconds: list[float]


@dataclass
class Queries:
    """The same queries for both sides: files, condition and expected number of rows of each query."""

    what: str
    files: list[dict[str, Any]]
    unsorted: str
    pruned: list[tuple[list[str], str]]
    whole: list[tuple[list[str], str]]
    rows: list[int]

    def add(self, files: list[dict[str, Any]], pruned: str, whole: str, rows: int) -> None:
        """Adds a query with the files of the lake that remain for it after pruning."""
        self.pruned.append(([file["file"] for file in files], pruned))
        self.whole.append(([self.unsorted], whole))
        self.rows.append(rows)


@dataclass(frozen=True)
class Bench:
    """A lake, the unsorted files beside it, and the server that sends both."""

    root: Path
    address: str
    sent: Sent

    def queries(self, what: str, table: str, part: str) -> Queries:
        """Prepares both sides of a part of a table for queries."""
        files = live_files(self.root / "lake", table, part)
        return Queries(what, files, self.write_unsorted(files, f"{part}.parquet"), [], [], [])

    def write_unsorted(self, files: list[dict[str, Any]], name: str) -> str:
        """Writes the rows of these files to one unsorted file."""
        paths = ", ".join(f"'{self.root / one['file']}'" for one in files)
        relation = f"read_parquet([{paths}], hive_partitioning = true, union_by_name = true)"
        duckdb.execute(
            f"COPY (SELECT * FROM {relation} ORDER BY hash(integration_key || id || _fetched_at))"
            f" TO '{self.root / name}' (FORMAT parquet, COMPRESSION zstd)"
        )
        return name

    def measure(self, queries: list[tuple[list[str], str]], expected: list[int]) -> Measured:
        """Runs each query over its files, and fails unless it returns the expected number of rows."""
        measured = Measured([], [], [])
        for (files, where), rows in zip(queries, expected, strict=True):
            urls = [f"'http://{self.address}/{file}'" for file in files]
            connection = connected()
            before = self.sent.bytes, self.sent.requests
            began = time.perf_counter()
            relation = f"read_parquet([{', '.join(urls)}], hive_partitioning = true)"
            got = connection.execute(f"SELECT * FROM {relation} WHERE {where}").to_arrow_table()
            measured.seconds.append(time.perf_counter() - began)
            measured.bytes.append(self.sent.bytes - before[0])
            measured.requests.append(self.sent.requests - before[1])
            connection.close()
            assert got.num_rows == rows, f"{got.num_rows} rows where {rows} are: {where}"
        return measured

    def tell(self, asked: Queries) -> None:
        """Measures both sides and prints a line for each."""
        print(f"{asked.what}, {len(asked.rows)} queries, {statistics.median(asked.rows):,.0f} rows each")
        size = sum(file["size_bytes"] for file in asked.files)
        whole_size = (self.root / asked.unsorted).stat().st_size
        for side, queries, size, count in (
            ("lake", asked.pruned, size, len(asked.files)),
            ("one unsorted file", asked.whole, whole_size, 1),
        ):
            measured = self.measure(queries, asked.rows)
            print(
                f"  {side:<18} {size:>12,} bytes in {count:>3} files: reads"
                f" {statistics.median(measured.bytes):>12,.0f} bytes in"
                f" {statistics.median(measured.requests):>3.0f} requests,"
                f" {statistics.median(measured.seconds) * 1000:>7.1f} ms"
            )


def connected() -> duckdb.DuckDBPyConnection:
    """Returns a connection without caches."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    (extension,) = Path(duckdb_extension_httpfs.__path__[0]).rglob("*.duckdb_extension")
    connection.execute(f"LOAD '{extension}'")
    for setting in ("enable_external_file_cache", "enable_http_metadata_cache"):
        connection.execute(f"SET {setting} = false")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def lake_of_days(lake: Path, arguments: argparse.Namespace) -> None:
    """Creates a lake: a full fetch, then days of changes with a delta each noon, and a fold."""
    path = arguments.table.replace("_", "/", 1).replace("_", "-")
    with living_twin(integrations=arguments.integrations, rows=arguments.rows) as living:
        living.pause()
        living.advance((DAY_MS + DAY_MS // 2 - living.now_ms() % DAY_MS) // 1000)
        clock = Clock(lake.parent / "clock", living.now_ms())
        category = path.partition("/")[0]
        ours = [one for one in living.twin.truth.integrations if one.category == category]
        fetch = partial(_fetch, living, lake, clock, path, ours)
        fetch("--mode", "full")
        for day in range(arguments.days):
            living.advance(DAY)
            for number in range(arguments.changes):
                living.change("edit", ours[number % len(ours)].id, path)
            fetch("--mode", "delta")
            print(f"day {day + 1} of {arguments.days}", end="\r", file=sys.stderr, flush=True)
    folded = run([BINARY, "fold", "--table", arguments.table, "--lake-url", str(lake)])
    assert folded.code == 0, folded.text


def _fetch(
    living: Living, lake: Path, clock: Clock, path: str, ours: list[Any], *mode: str
) -> None:
    clock.show(living.now_ms())
    backfill = backfill_of(living.twin, lake, "--endpoint", path, *mode, only=ours)
    variables = tuple(clock.environment().items())
    Backfill(**{**backfill.__dict__, "environment": variables}).must_succeed()


def live_files(lake: Path, table: str, part: str) -> list[dict[str, Any]]:
    """Returns the live files with their partition values and statistics in the log."""
    actions = deltalake.DeltaTable(lake / table / part).get_add_actions(flatten=True)
    rows = actions.to_pylist() if hasattr(actions, "to_pylist") else _rows(actions)
    return [{**row, "file": f"lake/{table}/{part}/{row['path']}"} for row in rows]


def _rows(actions: Any) -> list[dict[str, Any]]:
    import pyarrow

    return list(pyarrow.table(actions).to_pylist())


def lookups(bench: Bench, table: str, samples: int) -> None:
    """Measures the search for one record."""
    queries = bench.queries("one record by id", table, "current")
    found = duckdb.execute(
        f"SELECT integration_key, id FROM read_parquet('{bench.root / queries.unsorted}')"
        f" ORDER BY hash(id) LIMIT {samples}"
    ).fetchall()
    for key, record in found:
        left = [
            file
            for file in queries.files
            if file["partition.integration_key"] == key and file["min.id"] <= record <= file["max.id"]
        ]
        by_id = f"id = '{record}'"
        queries.add(left, by_id, f"integration_key = '{key}' AND {by_id}", 1)
    bench.tell(queries)


def days(bench: Bench, table: str) -> None:
    """Measures the changes of each day."""
    queries = bench.queries("one day of changes", table, "deltas")
    for day in sorted({file["partition.commit_date"] for file in queries.files}):
        of_day = [file for file in queries.files if file["partition.commit_date"] == day]
        first = min(file["min._fetched_at"] for file in of_day)
        last = max(file["max._fetched_at"] for file in of_day)
        bounds = f"_fetched_at >= '{first}' AND _fetched_at <= '{last}'"
        queries.add(of_day, bounds, bounds, sum(file["num_records"] for file in of_day))
    bench.tell(queries)


def main() -> None:
    """Creates a lake if none is given, and measures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lake", type=Path, help="a lake that is there already")
    parser.add_argument("--table", default="ats_applications")
    parser.add_argument("--integrations", type=int, default=6)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--changes", type=int, default=300, help="a day")
    parser.add_argument("--samples", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        root = Path(name)
        if arguments.lake:
            (root / "lake").symlink_to(arguments.lake.resolve())
        else:
            lake_of_days(root / "lake", arguments)
        sent = Sent()
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, sent, directory=str(root)))
        stack.enter_context(serving(server))
        bench = Bench(root, f"127.0.0.1:{server.server_address[1]}", sent)
        lookups(bench, arguments.table, arguments.samples)
        days(bench, arguments.table)


if __name__ == "__main__":
    main()
