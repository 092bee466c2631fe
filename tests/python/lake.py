"""Where a lake has its tables, and whether they say what the truth says."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from comparison import differences
from readers import READERS, Predicate, Reader, Row, StorageOptions
from schemas import Endpoint, endpoints
from truth import Integration, Truth


@contextmanager
def temporary_lake() -> Iterator[Path]:
    """Yields the place of a lake that is not there yet; removes it with the block."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "lake"


def snapshots(lake: Path | str, endpoint: Endpoint) -> str:
    """Returns the URI of an endpoint's snapshots."""
    return f"{lake}/{endpoint.table}/snapshots"


def deltas(lake: Path | str, endpoint: Endpoint) -> str:
    """Returns the URI of an endpoint's deltas."""
    return f"{lake}/{endpoint.table}/deltas"


def expected_endpoints(integrations: Sequence[Integration]) -> list[Endpoint]:
    """Returns the endpoints that a backfill of these integrations fetches without being told which."""
    categories = {one.category for one in integrations}
    return [one for one in endpoints() if one.category in categories and not one.deprecated]


def assert_equals_truth(
    lake: Path | str,
    truth: Truth,
    readers: Sequence[Reader] = READERS,
    storage_options: StorageOptions | None = None,
    only: Sequence[Endpoint] | None = None,
) -> None:
    """Fails unless every row and value of every table is what the truth says, read by every engine."""
    wrong = []
    for endpoint in expected_endpoints(truth.integrations) if only is None else only:
        expected = truth.rows(endpoint)
        for reader in readers:
            uri = snapshots(lake, endpoint)
            actual = reader.read(uri, storage_options=storage_options)
            lines = differences(endpoint, expected, actual, reader.nested_nulls)
            wrong += [f"{endpoint.path} read by {reader.name}: {line}" for line in lines]
    assert not wrong, "\n".join(wrong[:60])


def read_reference(uri: str, **options: Any) -> list[Row]:
    """Reads a table with one engine, where it is the rows that matter and not the engine."""
    reader = next(one for one in READERS if one.name == "deltalake")
    return reader.read(uri, **options)


def hashes(lake: Path | str, truth: Truth) -> dict[tuple[str, str, str], int]:
    """Returns the `_hash` of every row of every snapshot."""
    found = {}
    for endpoint in expected_endpoints(truth.integrations):
        rows = read_reference(snapshots(lake, endpoint), columns=["integration_key", "id", "_hash"])
        for row in rows:
            found[endpoint.path, row["integration_key"], row["id"]] = row["_hash"]
    return found


def has_table(lake: Path, endpoint: Endpoint) -> bool:
    """Returns whether a first commit of the endpoint's snapshots is visible."""
    return any((lake / endpoint.table / "snapshots" / "_delta_log").glob("*.json"))


def row_count(lake: Path, endpoint: Endpoint, integration: Integration) -> int:
    """Returns how many rows of an integration are visible, 0 where there is no table."""
    if not has_table(lake, endpoint):
        return 0
    mine = Predicate("integration_key", "=", integration.key)
    return len(read_reference(snapshots(lake, endpoint), columns=["id"], predicate=mine))
