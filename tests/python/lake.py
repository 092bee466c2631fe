"""Paths of a lake's tables, and comparisons of the tables with the truth."""

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from comparison import differences
from readers import READERS, Predicate, Reader, Row, StorageOptions
from schemas import Endpoint, endpoints
from truth import Integration, Truth


def snapshots(lake: Path | str, endpoint: Endpoint) -> str:
    """Returns the URI of an endpoint's snapshots."""
    return f"{lake}/{endpoint.table}/snapshots"


def deltas(lake: Path | str, endpoint: Endpoint) -> str:
    """Returns the URI of an endpoint's deltas."""
    return f"{lake}/{endpoint.table}/deltas"


def expected_endpoints(integrations: Sequence[Integration]) -> list[Endpoint]:
    """Returns the endpoints that a backfill of these integrations fetches by default."""
    categories = {one.category for one in integrations}
    return [one for one in endpoints() if one.category in categories and not one.deprecated]


def assert_equals_truth(
    lake: Path | str,
    truth: Truth,
    readers: Sequence[Reader] = READERS,
    storage_options: StorageOptions | None = None,
    only: Sequence[Endpoint] | None = None,
) -> None:
    """Fails unless every row and value of every snapshot equals the truth, read by every engine."""
    tables = expected_endpoints(truth.integrations) if only is None else only
    expected = {one: truth.rows(one) for one in tables}

    def read(reader: Reader, one: Endpoint) -> list[Row]:
        return reader.read(snapshots(lake, one), storage_options=storage_options)

    _assert_equal(expected, readers, read)


def assert_deltas_equal(lake: Path, expected: dict[Endpoint, list[Row]]) -> None:
    """Fails unless the deltas have exactly these rows, read by every engine."""

    def read(reader: Reader, one: Endpoint) -> list[Row]:
        rows = reader.read(deltas(lake, one))
        days = [row.pop("commit_date") for row in rows]
        assert all(type(day) is dt.date for day in days), f"{one.path} read by {reader.name}"
        return rows

    _assert_equal(expected, READERS, read)


def _assert_equal(
    expected: dict[Endpoint, list[Row]],
    readers: Sequence[Reader],
    read: Callable[[Reader, Endpoint], list[Row]],
) -> None:
    wrong = []
    for endpoint, rows in expected.items():
        for reader in readers:
            lines = differences(endpoint, rows, read(reader, endpoint), reader.nested_nulls)
            wrong += [f"{endpoint.path} read by {reader.name}: {line}" for line in lines]
    assert not wrong, "\n".join(wrong[:60])
    rows_of_all = sum(map(len, expected.values()))
    print(
        f"    equal: {len(expected)} tables, {rows_of_all} rows, by {len(readers)} engines",
        flush=True,
    )


def read_reference(uri: str, **options: Any) -> list[Row]:
    """Reads a table with one engine, for tests that are about rows and not about engines."""
    reader = next(one for one in READERS if one.name == "deltalake")
    return reader.read(uri, **options)


def hashes(lake: Path | str, truth: Truth) -> dict[tuple[str, str, str], int]:
    """Returns the `_hash` of every row of every snapshot; fails when a row exists twice."""
    found = {}
    for endpoint in expected_endpoints(truth.integrations):
        rows = read_reference(snapshots(lake, endpoint), columns=["integration_key", "id", "_hash"])
        for row in rows:
            key = (endpoint.path, row["integration_key"], row["id"])
            assert key not in found, f"a row of {endpoint.path} stands twice"
            found[key] = row["_hash"]
    return found


def has_table(lake: Path, endpoint: Endpoint) -> bool:
    """Returns whether a first commit of the endpoint's snapshots is visible."""
    return any((lake / endpoint.table / "snapshots" / "_delta_log").glob("*.json"))


def row_count(lake: Path, endpoint: Endpoint, integration: Integration) -> int:
    """Returns how many rows of an integration are visible; 0 without a table."""
    if not has_table(lake, endpoint):
        return 0
    mine = Predicate("integration_key", "=", integration.key)
    return len(read_reference(snapshots(lake, endpoint), columns=["id"], predicate=mine))
