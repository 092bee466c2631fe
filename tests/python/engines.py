"""Engines that run the output of `kombo-source sql` as printed, and return the rows of its last statement.

Each engine is started once. Two things differ from a user's session: DuckDB's extension comes from a wheel, and plain
Spark has no Delta here, so it reads the live Parquet files in place of `delta.` and a path.
"""

import io
import json
import os
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import datafusion
import deltalake
import polars
import pyarrow.ipc
from chdb import session as chdb_session

from product import BINARY, run
from readers import Row, duckdb_with_extensions, plain_rows

CREATED = re.compile(r"CREATE OR REPLACE (?:TEMPORARY )?VIEW (\S+) AS\s")
SPARK_PATH = re.compile(r"delta\.`([^`]+)`")


@dataclass(frozen=True)
class Engine:
    """One engine."""

    name: str
    """What `--engine` takes."""
    label: str
    rows: Callable[[str], list[Row]]
    """Runs a printed text."""
    nested_nulls: bool = True
    """Whether its structs and lists can be null."""


def printed(engine: str, *arguments: str) -> str:
    """Returns what `kombo-source sql` prints."""
    done = run([BINARY, "sql", "--engine", engine, *arguments])
    assert done.code == 0, done.text[-2000:]
    return done.stdout


def statements(text: str) -> list[str]:
    """Splits SQL into its statements, without comments."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return [part.strip() for part in re.split(r";\s*(?:\n|$)", "\n".join(lines)) if part.strip()]


def last(text: str, execute: Callable[[str], Any]) -> Any:
    """Executes every statement. Returns the answer of the last one, which for a view has its rows."""
    answer = None
    for statement in statements(text):
        answer = execute(statement)
        if created := CREATED.match(statement):
            answer = execute(f"SELECT * FROM {created.group(1)}")
    return answer


def _duckdb(text: str) -> list[Row]:
    install = "INSTALL delta; LOAD delta;"
    assert install in text
    return duckdb_rows(last(text.replace(install, ""), duckdb_with_extensions().execute))


def duckdb_rows(result: Any) -> list[Row]:
    """Returns the rows of DuckDB's answer."""
    names = [column[0] for column in result.description]
    return plain_rows(dict(zip(names, row, strict=True)) for row in result.fetchall())


def _polars(text: str) -> list[Row]:
    names: dict[str, Any] = {}
    exec(text, names)  # noqa: S102, what users paste
    # The last name that was given a value is the view.
    frame = list(names.values())[-1]
    assert isinstance(frame, polars.LazyFrame)
    return plain_rows(frame.collect().to_dicts())


@cache
def _clickhouse_session() -> Any:
    return chdb_session.Session()


def _clickhouse(text: str) -> list[Row]:
    answer = last(text, lambda sql: _clickhouse_session().query(sql, "Arrow")).bytes()
    if not answer:
        return []
    return plain_rows(pyarrow.ipc.open_file(io.BytesIO(answer)).read_all().to_pylist())


def _datafusion(text: str) -> list[Row]:
    context = datafusion.SessionContext()

    def execute(statement: str) -> Any:
        registered = re.fullmatch(
            r"CREATE EXTERNAL TABLE (\w+) STORED AS DELTATABLE LOCATION '(.+)'", statement
        )
        if registered:
            name, location = registered.groups()
            return context.register_table(name, deltalake.DeltaTable(location))
        return context.sql(statement)

    return plain_rows(last(text, execute).to_arrow_table().to_pylist())


@cache
def _spark() -> Any:
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.log.level": "ERROR",
    }
    return SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()


def _spark_rows(text: str) -> list[Row]:
    # Temporary views are in no catalog, so each text gets its own views.
    views: dict[str, str] = {}

    def as_view(path: re.Match[str]) -> str:
        location = path.group(1)
        if location not in views:
            views[location] = f"files_{len(views)}"
            _spark_files(location).createOrReplaceTempView(views[location])
        return views[location]

    def execute(statement: str) -> Any:
        return _spark().sql(SPARK_PATH.sub(as_view, statement))

    return plain_rows(last(text, execute).toArrow().to_pylist())


def _spark_files(location: str) -> Any:
    from pyspark.sql.types import StructType

    table = deltalake.DeltaTable(location)
    schema = StructType.fromJson(json.loads(table.schema().to_json()))
    files = _live_files(table, Path(location))
    if not files:
        return _spark().createDataFrame([], schema)
    return _spark().read.schema(schema).option("basePath", location).parquet(*files)


def _live_files(table: deltalake.DeltaTable, location: Path) -> list[str]:
    """Returns the files that `kombo-source files` lists, as a user without Delta does. Lists none of the lake's own tables."""
    if location.name not in ("current", "deltas", "snapshots"):
        return table.file_uris()
    lake, name = location.parents[1], location.parent.name
    where = ["--lake-url", str(lake), "--table", name, "--part", location.name]
    done = run([BINARY, "files", *where])
    assert done.code == 0, done.text[-2000:]
    return done.stdout.splitlines()


@cache
def _sail() -> Any:
    os.environ["RUST_LOG"] = "error"
    from pysail.spark import SparkConnectServer
    from pyspark.sql.connect.session import SparkSession

    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start()
    _, port = server.listening_address
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    # The server lives as long as an object refers to it.
    session._kombo_server = server
    return session


def _sail_rows(text: str) -> list[Row]:
    return plain_rows(last(text, _sail().sql).toArrow().to_pylist())


ENGINES = (
    Engine("duckdb", "DuckDB", _duckdb),
    Engine("polars", "Polars", _polars),
    # ClickHouse reads Delta structs as Tuple and lists as Array, and neither can be null there.
    Engine("clickhouse", "ClickHouse", _clickhouse, nested_nulls=False),
    Engine("datafusion", "DataFusion", _datafusion),
    # Java must be forked before this process uses gRPC.
    Engine("spark", "Spark", _spark_rows),
    Engine("spark", "Sail", _sail_rows),
)
