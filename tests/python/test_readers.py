"""Checks that each engine's adapter gives the values that were written, against a table made by delta-rs."""

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

import deltalake
import pyarrow

from readers import READERS, Predicate

LATEST = dt.datetime(2022, 1, 2, 3, 4, 5, 123457, dt.UTC)
INNER = pyarrow.struct([("x", pyarrow.int64()), ("l", pyarrow.list_(pyarrow.float64()))])
SCHEMA = pyarrow.schema(
    [
        pyarrow.field("id", pyarrow.string(), nullable=False),
        ("key", pyarrow.string()),
        ("at", pyarrow.timestamp("us", "UTC")),
        ("day", pyarrow.date32()),
        ("json", pyarrow.string()),
        ("flag", pyarrow.bool_()),
        ("nested", pyarrow.struct([("text", pyarrow.string()), ("inner", pyarrow.list_(INNER))])),
    ]
)
ROWS: list[dict[str, Any]] = [
    {
        "id": "1",
        "key": "bob-1",
        "at": LATEST,
        "day": dt.date(1950, 5, 6),
        "json": '{"a": [1]}',
        "flag": True,
        "nested": {"text": "Zoë 😀", "inner": [{"x": 2**60, "l": [0.1, None]}]},
    },
    {
        "id": "2",
        "key": "bob-1",
        "at": LATEST - dt.timedelta(microseconds=1),
        "day": None,
        "json": None,
        "flag": None,
        "nested": None,
    },
]
WITHOUT_NESTED_NULLS = [ROWS[0], ROWS[1] | {"nested": {"text": None, "inner": []}}]


def test_each_engine_gives_plain_values() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _write(folder)
        for reader in READERS:
            rows = sorted(reader.read(folder), key=lambda row: row["id"])
            assert rows == (ROWS if reader.nested_nulls else WITHOUT_NESTED_NULLS), reader.name


def test_each_engine_applies_predicates_and_projections() -> None:
    predicates = {
        Predicate("at", "=", LATEST): ["1"],
        Predicate("at", "<=", LATEST): ["1", "2"],
        Predicate("at", ">=", LATEST + dt.timedelta(microseconds=1)): [],
        Predicate("key", "=", "bob-1"): ["1", "2"],
        Predicate("id", "=", "o'clock"): [],
    }
    with tempfile.TemporaryDirectory() as folder:
        _write(folder)
        for reader in READERS:
            for predicate, ids in predicates.items():
                rows = reader.read(folder, columns=["id"], predicate=predicate)
                assert sorted(rows, key=lambda row: row["id"]) == [{"id": one} for one in ids], (
                    reader.name,
                    predicate,
                )


def _write(folder: str) -> None:
    table = pyarrow.Table.from_pylist(ROWS, SCHEMA)
    deltalake.write_deltalake(Path(folder), table, partition_by=["key"])
