"""Joins snapshots and deltas of a lake: the newest observation of each id."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import deltalake
import lake as lakes
from comparison import differences
from readers import Row, StorageOptions
from schemas import Endpoint
from truth import Integration, Truth

Key = tuple[str, str]
Readable = Callable[[Endpoint, Integration], bool]

TIERS = ("delta", "hourly", "daily")


def newest_rows(
    lake: Path | str, endpoint: Endpoint, options: StorageOptions | None = None
) -> dict[Key, Row]:
    """Returns the newest row of each integration and id over an endpoint's two tables."""
    newest: dict[Key, Row] = {}
    for uri in (lakes.snapshots(lake, endpoint), lakes.deltas(lake, endpoint)):
        if not deltalake.DeltaTable.is_deltatable(uri, options):
            continue
        for row in lakes.read_reference(uri, storage_options=options):
            row.pop("commit_date", None)
            key = (row["integration_key"], row["id"])
            held = newest.get(key)
            if held is None or held["_fetched_at"] < row["_fetched_at"]:
                newest[key] = row
    return newest


def assert_newest_equal_truth(
    lake: Path | str,
    truth: Truth,
    readable: Readable = lambda _endpoint, _integration: True,
    only: Sequence[Endpoint] | None = None,
    options: StorageOptions | None = None,
) -> int:
    """Fails unless the newest rows equal the truth, value by value. Returns the number of compared tables.

    A table that Kombo refuses at the end is left out, because its rows cannot be known.
    """
    wrong: list[str] = []
    tables = rows = 0
    for endpoint in lakes.expected_endpoints(truth.integrations) if only is None else only:
        kept = {
            one.key: one
            for one in truth.integrations
            if one.category == endpoint.category and readable(endpoint, one)
        }
        wanted = [row for row in truth.rows(endpoint) if row["integration_key"] in kept]
        found = newest_rows(lake, endpoint, options)
        mine = [row for (key, _), row in found.items() if key in kept]
        wrong += [f"{endpoint.path}: {line}" for line in differences(endpoint, wanted, mine)]
        tables += len(kept)
        rows += len(wanted)
    assert not wrong, "\n".join(wrong[:60])
    print(f"    newest rows equal the truth: {tables} tables, {rows} rows", flush=True)
    return tables


def assert_no_id_twice_in_a_snapshot(
    lake: Path | str, truth: Truth, options: StorageOptions | None = None
) -> None:
    """Fails when an id occurs twice among an integration's rows of a live snapshot."""
    for endpoint in lakes.expected_endpoints(truth.integrations):
        uri = lakes.snapshots(lake, endpoint)
        if not deltalake.DeltaTable.is_deltatable(uri, options):
            continue
        columns = ["integration_key", "id"]
        rows = lakes.read_reference(uri, columns=columns, storage_options=options)
        counts = Counter((row["integration_key"], row["id"]) for row in rows)
        twice = sum(1 for count in counts.values() if count > 1)
        assert not twice, f"{twice} ids stand twice in the snapshots of {endpoint.path}"


def bases(lake: Path | str, endpoint: Endpoint, keys: Sequence[str], part: str = "both") -> Any:
    """Returns the base of each integration of an endpoint in milliseconds, from the Delta logs alone; 0 without a base."""
    found = dict.fromkeys(keys, 0)
    uris = {"snapshots": lakes.snapshots(lake, endpoint), "deltas": lakes.deltas(lake, endpoint)}
    for name, uri in uris.items():
        if part not in (name, "both") or not deltalake.DeltaTable.is_deltatable(uri):
            continue
        table = deltalake.DeltaTable(uri)
        for key in keys:
            for tier in TIERS:
                version = table.transaction_version(f"kombo/{key}/{tier}") or 0
                found[key] = max(found[key], version)
    return found
