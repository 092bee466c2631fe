"""Reads `current` (one row per existing record) and the live view, which adds rows that are not folded yet."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import deltalake
import lake as lakes
import pyarrow.dataset
import pyarrow.parquet
from comparison import SYSTEM_COLUMNS, differences
from deltalog import is_table, txn
from readers import Row, read_deltalake
from schemas import Endpoint
from truth import Integration, Truth

Table = tuple[Endpoint, Integration]
Key = tuple[str, str]


def current(lake: Path | str, endpoint: Endpoint) -> str:
    """Returns the URI of an endpoint's `current`."""
    return f"{lake}/{endpoint.table}/current"


def holds(lake: Path | str) -> str:
    """Returns the URI of `kombo_holds`."""
    return f"{lake}/kombo_holds"


def read_current(
    lake: Path | str, endpoint: Endpoint, columns: list[str] | None = None
) -> list[Row]:
    """Reads an endpoint's `current`; returns no rows when nothing was folded yet."""
    uri = current(lake, endpoint)
    return read_deltalake(uri, columns=columns) if is_table(uri) else []


def read_holds(lake: Path | str) -> list[Row]:
    """Reads the open and ended holds of the guard."""
    uri = holds(lake)
    return read_deltalake(uri) if is_table(uri) else []


def is_folded(lake: Path | str, endpoint: Endpoint, key: str) -> bool:
    """Returns whether an integration's newest snapshot and newest delta are folded, by the log's transactions alone."""
    folded = current(lake, endpoint)
    seen = txn(lakes.snapshots(lake, endpoint), f"kombo/{key}/seen")
    if seen is not None and txn(folded, f"kombo/{key}/snapshot") != seen:
        return False
    observed = txn(lakes.deltas(lake, endpoint), f"kombo/{key}/seen")
    return observed is None or observed <= (txn(folded, f"kombo/{key}/folded") or 0)


def tables_of(truth: Truth) -> list[Table]:
    """Returns every table that the integrations have."""
    return [
        (endpoint, one)
        for endpoint in lakes.expected_endpoints(truth.integrations)
        for one in truth.integrations
        if one.category == endpoint.category
    ]


def rows_that_are_there(truth: Truth, endpoint: Endpoint) -> list[Row]:
    """Returns the rows that `current` must have: all rows that Kombo does not mark as deleted."""
    return [row for row in truth.rows(endpoint) if row["_op"] == "upsert"]


def unlike_the_truth(
    lake: Path | str,
    truth: Truth,
    tables: Iterable[Table] | None = None,
    read: Callable[[Path | str, Endpoint], list[Row]] = read_current,
) -> tuple[list[str], int]:
    """Compares tables with the truth, value by value. Returns one line per difference, and how many rows there should be."""
    lines: list[str] = []
    rows = 0
    by_endpoint: dict[Endpoint, set[str]] = {}
    for endpoint, integration in tables_of(truth) if tables is None else tables:
        by_endpoint.setdefault(endpoint, set()).add(integration.key)
    for endpoint, keys in by_endpoint.items():
        wanted = [row for row in rows_that_are_there(truth, endpoint) if row["integration_key"] in keys]
        found = [row for row in read(lake, endpoint) if row["integration_key"] in keys]
        lines += [f"{endpoint.path}: {line}" for line in differences(endpoint, wanted, found)]
        rows += len(wanted)
    return lines, rows


def assert_current_equals_truth(
    lake: Path | str,
    truth: Truth,
    tables: Iterable[Table] | None = None,
    read: Callable[[Path | str, Endpoint], list[Row]] = read_current,
    what: str = "current",
) -> int:
    """Fails unless `current` equals the truth, value by value. Returns the number of rows."""
    lines, rows = unlike_the_truth(lake, truth, tables, read)
    assert not lines, f"{what} is not the truth:\n" + "\n".join(lines[:60])
    return rows


def assert_well_formed(lake: Path | str, truth: Truth) -> None:
    """Fails unless each row exists once and is an upsert, and the files of one integration share no range of ids."""
    for endpoint in lakes.expected_endpoints(truth.integrations):
        rows = read_current(lake, endpoint, ["integration_key", "id", "_op"])
        counts = Counter((row["integration_key"], row["id"]) for row in rows)
        twice = sum(1 for count in counts.values() if count > 1)
        assert not twice, f"{twice} ids stand twice in current of {endpoint.path}"
        others = sum(row["_op"] != "upsert" for row in rows)
        assert not others, f"{others} rows of {endpoint.path} are no upserts"
        _assert_files_in_order(lake, endpoint)
        for integration in truth.integrations:
            count = sum(row["integration_key"] == integration.key for row in rows)
            said = txn(current(lake, endpoint), f"kombo/{integration.key}/rows") or 0
            assert count == said, f"current of {endpoint.path} has {count} rows, its log says {said}"


def _assert_files_in_order(lake: Path | str, endpoint: Endpoint) -> None:
    if not is_table(uri := current(lake, endpoint)):
        return
    ranges: dict[str, list[tuple[bytes, bytes]]] = {}
    for file in deltalake.DeltaTable(uri).file_uris():
        path = Path(file.removeprefix("file://"))
        ids = [str(one).encode() for one in _column(path, "id")]
        assert ids == sorted(ids), f"a file of current of {endpoint.path} is not sorted by id"
        assert ids, f"a file of current of {endpoint.path} has no row"
        ranges.setdefault(path.parent.name, []).append((ids[0], ids[-1]))
    for own in ranges.values():
        own.sort()
        for (_, last), (first, _) in zip(own, own[1:], strict=False):
            assert last < first, f"two files of current of {endpoint.path} share ids"


def _column(path: Path, name: str) -> list[Any]:
    return pyarrow.parquet.read_table(path, columns=[name], partitioning=None).column(name).to_pylist()


def live_view(lake: Path | str, endpoint: Endpoint, columns: list[str]) -> list[Row]:
    """Reads `current` together with rows that are not folded yet, by the rule that every engine's view follows.

    The tables are read one after the other, as engines do it: `current` first.
    """
    wanted = list(dict.fromkeys(["integration_key", "id", "_op", "_fetched_at", *columns]))
    folded = read_current(lake, endpoint, wanted)
    uri = lakes.deltas(lake, endpoint)
    observed = read_deltalake(uri, columns=wanted) if is_table(uri) else []
    held = [
        hold
        for hold in read_holds(lake)
        if hold["state"] == "held" and hold["endpoint"] == endpoint.path
    ]
    return newest_of(folded, observed, held)


def whole_live_view(lake: Path | str, endpoint: Endpoint) -> list[Row]:
    """Reads every column of the live view."""
    return live_view(lake, endpoint, [*SYSTEM_COLUMNS, *(one.name for one in endpoint.fields)])


def newest_of(folded: list[Row], observed: list[Row], held: list[Row]) -> list[Row]:
    """Joins `current`, `deltas` and holds: returns the newest row of each id, if that row is an upsert."""
    position: dict[str, Any] = {}
    for row in folded:
        key = row["integration_key"]
        position[key] = max(position.get(key, row["_fetched_at"]), row["_fetched_at"])
    newest: dict[Key, Row] = {}
    since = {hold["integration_key"]: hold["since"] for hold in held}
    for row in folded:
        _take(newest, row)
    for row in observed:
        key = row["integration_key"]
        if key in position and row["_fetched_at"] <= position[key]:
            continue
        is_held = key in since and row["_fetched_at"] >= since[key]
        if row["_op"] != "upsert" and is_held:
            continue
        _take(newest, row)
    return [row for row in newest.values() if row["_op"] == "upsert"]


def _take(newest: dict[Key, Row], row: Row) -> None:
    key = (row["integration_key"], row["id"])
    known = newest.get(key)
    if known is None or known["_fetched_at"] < row["_fetched_at"]:
        newest[key] = row
