"""Four engines that read a Delta table, with one signature, and return plain Python values.

Structs are dicts, lists are lists, timestamps are UTC datetimes with microseconds, dates are dates; JSON columns stay
text. No engine shares code with the writer of the table.
"""

import datetime as dt
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import chdb
import deltalake
import duckdb
import duckdb_extension_delta
import duckdb_extension_httpfs
import polars
import pyarrow.dataset
import pyarrow.ipc

Row = dict[str, Any]
StorageOptions = dict[str, str]


class Predicate(NamedTuple):
    """A filter that the engine itself applies, so that it may skip files by their statistics."""

    column: str
    operator: str
    """`=`, `>=` or `<=`."""
    value: dt.datetime | str


@dataclass(frozen=True)
class Reader:
    """One engine."""

    name: str
    read: Callable[..., list[Row]]
    """`read(table_uri, columns=None, predicate=None, storage_options=None)`"""
    nested_nulls: bool
    """Whether its structs and lists can be null."""


@cache
def duckdb_with_extensions() -> duckdb.DuckDBPyConnection:
    """Returns the shared connection, which can read Delta tables and S3."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    # The wheels contain the extensions, so that no test needs DuckDB's download site.
    for package in (duckdb_extension_httpfs, duckdb_extension_delta):
        (extension,) = Path(package.__path__[0]).rglob("*.duckdb_extension")
        connection.execute(f"LOAD {_quoted(str(extension))}")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def read_duckdb(
    table_uri: str,
    columns: list[str] | None = None,
    predicate: Predicate | None = None,
    storage_options: StorageOptions | None = None,
) -> list[Row]:
    """Reads through DuckDB's `delta_scan`."""
    connection = duckdb_with_extensions()
    if storage_options:
        connection.execute(_duckdb_secret(storage_options))
    query = f"SELECT {_select(columns)} FROM delta_scan({_quoted(table_uri)})"
    if predicate:
        value = predicate.value
        literal = (
            f"TIMESTAMPTZ {_quoted(value.isoformat())}"
            if isinstance(value, dt.datetime)
            else _quoted(value)
        )
        query += f' WHERE "{predicate.column}" {predicate.operator} {literal}'
    result = connection.execute(query)
    names = [column[0] for column in result.description or ()]
    return plain_rows(dict(zip(names, row, strict=True)) for row in result.fetchall())


def read_polars(
    table_uri: str,
    columns: list[str] | None = None,
    predicate: Predicate | None = None,
    storage_options: StorageOptions | None = None,
) -> list[Row]:
    """Reads through Polars' lazy `scan_delta`."""
    frame = polars.scan_delta(table_uri, storage_options=storage_options)
    if predicate:
        column, value = polars.col(predicate.column), _polars_literal(predicate.value)
        compared = {"=": column == value, ">=": column >= value, "<=": column <= value}
        frame = frame.filter(compared[predicate.operator])
    if columns is not None:
        frame = frame.select(columns)
    return plain_rows(frame.collect().to_dicts())


def read_deltalake(
    table_uri: str,
    columns: list[str] | None = None,
    predicate: Predicate | None = None,
    storage_options: StorageOptions | None = None,
) -> list[Row]:
    """Reads through delta-rs, whose dataset prunes files by the statistics of the log."""
    table = deltalake.DeltaTable(table_uri, storage_options=storage_options)
    condition = None
    if predicate:
        column, value = pyarrow.dataset.field(predicate.column), predicate.value
        compared = {"=": column == value, ">=": column >= value, "<=": column <= value}
        condition = compared[predicate.operator]
    rows = table.to_pyarrow_dataset().to_table(columns=columns, filter=condition)
    return plain_rows(rows.to_pylist())


def read_clickhouse(
    table_uri: str,
    columns: list[str] | None = None,
    predicate: Predicate | None = None,
    storage_options: StorageOptions | None = None,
) -> list[Row]:
    """Reads through ClickHouse's `deltaLakeLocal`, or `deltaLake` on S3.

    ClickHouse reads local tables only below the working directory, where the runner has the temporary folders.
    """
    query = f"SELECT {_select(columns)} FROM {_clickhouse_table(table_uri, storage_options)}"
    if predicate:
        value = predicate.value
        literal = (
            f"fromUnixTimestamp64Micro({_micros(value)}, 'UTC')"
            if isinstance(value, dt.datetime)
            else _quoted(value)
        )
        query += f' WHERE "{predicate.column}" {predicate.operator} {literal}'
    answer = chdb.query(query, "Arrow").bytes()  # type: ignore[no-untyped-call]
    if not answer:
        return []
    rows = pyarrow.ipc.open_file(io.BytesIO(answer)).read_all()
    return plain_rows(rows.to_pylist())


READERS = (
    Reader("duckdb", read_duckdb, nested_nulls=True),
    Reader("polars", read_polars, nested_nulls=True),
    Reader("deltalake", read_deltalake, nested_nulls=True),
    # ClickHouse reads Delta structs as Tuple and lists as Array, and neither can be null there.
    Reader("clickhouse", read_clickhouse, nested_nulls=False),
)


def _duckdb_secret(options: StorageOptions) -> str:
    scheme, _, address = options["aws_endpoint"].partition("://")
    return (
        "CREATE OR REPLACE SECRET s3 (TYPE s3, URL_STYLE 'path'"
        f", KEY_ID {_quoted(options['aws_access_key_id'])}"
        f", SECRET {_quoted(options['aws_secret_access_key'])}"
        f", REGION {_quoted(options['aws_region'])}"
        f", ENDPOINT {_quoted(address)}, USE_SSL {str(scheme == 'https').lower()})"
    )


def _clickhouse_table(table_uri: str, options: StorageOptions | None) -> str:
    if not options:
        return f"deltaLakeLocal({_quoted(table_uri)})"
    address = f"{options['aws_endpoint']}/{table_uri.removeprefix('s3://')}/"
    arguments = (address, options["aws_access_key_id"], options["aws_secret_access_key"])
    return f"deltaLake({', '.join(map(_quoted, arguments))})"


def _polars_literal(value: dt.datetime | str) -> polars.Expr:
    if isinstance(value, str):
        return polars.lit(value)
    return polars.lit(value, dtype=polars.Datetime("us", "UTC"))


def _select(columns: list[str] | None) -> str:
    return "*" if columns is None else ", ".join(f'"{column}"' for column in columns)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _micros(instant: dt.datetime) -> int:
    return (instant - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _plain_row(row: Row) -> Row:
    return {name: _plain(value) for name, value in row.items()}


def plain_rows(rows: Iterable[Row]) -> list[Row]:
    """Returns the rows with all instants in Python's UTC."""
    return [_plain_row(row) for row in rows]


def _plain(value: Any) -> Any:
    """Returns the value with the engine's time zone object replaced by Python's UTC."""
    if isinstance(value, dict):
        return _plain_row(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC)
    return value
