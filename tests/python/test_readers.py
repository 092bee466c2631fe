"""Tests that each engine's adapter returns the written values, for a table written by delta-rs."""

import datetime as dt
from typing import Any

import deltalake
import pyarrow
import pytest

from readers import READERS, Predicate, Reader

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


PREDICATES = {
    Predicate("at", "=", LATEST): ["1"],
    Predicate("at", "<=", LATEST): ["1", "2"],
    Predicate("at", ">=", LATEST + dt.timedelta(microseconds=1)): [],
    Predicate("key", "=", "bob-1"): ["1", "2"],
    Predicate("id", "=", "o'clock"): [],
}


@pytest.fixture(params=READERS, ids=lambda reader: reader.name)
def reader(request: pytest.FixtureRequest) -> Any:
    """Returns each engine in turn."""
    return request.param


def test_each_engine_gives_plain_values(reader: Reader, table: str) -> None:
    rows = sorted(reader.read(table), key=lambda row: row["id"])
    assert rows == (ROWS if reader.nested_nulls else WITHOUT_NESTED_NULLS)


@pytest.mark.parametrize("predicate", PREDICATES)
def test_each_engine_applies_predicates_and_projections(
    reader: Reader, table: str, predicate: Predicate
) -> None:
    rows = reader.read(table, columns=["id"], predicate=predicate)
    assert sorted(rows, key=lambda row: row["id"]) == [{"id": one} for one in PREDICATES[predicate]]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Returns the URI of a Delta table with the rows."""
    folder = tmp_path_factory.mktemp("readers")
    table = pyarrow.Table.from_pylist(ROWS, SCHEMA)
    deltalake.write_deltalake(folder, table, partition_by=["key"])
    return str(folder)
