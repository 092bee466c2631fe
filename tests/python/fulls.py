"""Full fetches from the log of `snapshots`, each with its rows and with the rows that the lake knew before."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deltalake
import lake as lakes
import pyarrow.dataset
from current import Table, read_current, tables_of
from deltalog import Commit, commits, is_table
from readers import Row
from truth import Truth


@dataclass(frozen=True)
class Full:
    """One full fetch of one table."""

    table: Table
    since_us: int
    """The earliest observation in it."""
    seen_us: int
    """Its `seen`: what `current` and `kombo_drift` name it by."""
    found: dict[str, Row]
    """Its rows by id."""
    known: dict[str, Row] | None
    """The newest row of each id that the lake had before it; `None` for a table's first full fetch."""

    @property
    def name(self) -> str:
        """Returns the name of the full fetch for messages."""
        endpoint, integration = self.table
        return f"{endpoint.path} of {integration.id}"

    @property
    def fetch_ids(self) -> set[str]:
        """Returns the id of the fetch; an empty set when the fetch has no row."""
        return {row["_fetch_id"] for row in self.found.values()}


class Fulls:
    """The full fetches of a lake, each returned once, in the order of their commits."""

    def __init__(self, lake: str, truth: Truth) -> None:
        self.lake = lake
        self.tables = tables_of(truth)
        self.read: dict[str, int] = {}
        self.before: dict[Table, dict[str, Row]] = {}
        self.ever: dict[Table, set[str]] = {table: set() for table in self.tables}
        """Every id that was there in a full fetch or in a delta before one."""

    def new(self) -> Iterator[Full]:
        """Yields the full fetches that were committed since the last call."""
        for endpoint in {endpoint: None for endpoint, _ in self.tables}:
            uri = lakes.snapshots(self.lake, endpoint)
            if not is_table(uri):
                continue
            own = [table for table in self.tables if table[0] == endpoint]
            for commit in commits(uri, self.read.get(uri, -1)):
                self.read[uri] = commit.version
                for table in own:
                    if f"kombo/{table[1].key}/seen" in commit.txns and commit.added + commit.removed:
                        yield self._full(uri, commit, table)

    def _full(self, uri: str, commit: Commit, table: Table) -> Full:
        endpoint, integration = table
        found = rows_of(uri, integration.key, commit.version)
        seen = commit.txns[f"kombo/{integration.key}/seen"]
        since = commit.txns.get(f"kombo/{integration.key}/since")
        earliest = min((micros(row["_fetched_at"]) for row in found.values()), default=seen)
        if since is not None:
            assert since <= earliest, f"since of {endpoint.path} is later than a row of the snapshot"
            earliest = since
        known = self._known(table, earliest) if table in self.before else None
        self.before[table] = found
        rows = [*found.values(), *(known or {}).values()]
        self.ever[table] |= {row["id"] for row in rows if row["_op"] == "upsert"}
        return Full(table, earliest, seen, found, known)

    def _known(self, table: Table, before_us: int) -> dict[str, Row]:
        """Returns the rows of the previous full fetch, with the deltas since."""
        endpoint, integration = table
        known = dict(self.before[table])
        for row in delta_rows(self.lake, table):
            if micros(row["_fetched_at"]) >= before_us:
                continue
            held = known.get(row["id"])
            if held is None or held["_fetched_at"] < row["_fetched_at"]:
                known[row["id"]] = row
        return known


def without_tombstone(lake: str, ever: dict[Table, set[str]]) -> list[str]:
    """Returns a line for each table that lost a row without a `delete` or `absent` observation in `deltas`."""
    lines = []
    for (endpoint, integration), ids in ever.items():
        rows = read_current(lake, endpoint, ["integration_key", "id"])
        gone = ids - {row["id"] for row in rows if row["integration_key"] == integration.key}
        told = {row["id"] for row in delta_rows(lake, (endpoint, integration)) if row["_op"] != "upsert"}
        if silent := gone - told:
            lines.append(f"{endpoint.path} of {integration.id}: {len(silent)} of {len(gone)} rows that went")
    return lines


def rows_of(uri: str, key: str, version: int | None = None) -> dict[str, Row]:
    """Returns the rows of an integration by id, as of a version."""
    mine = pyarrow.dataset.field("integration_key") == key
    dataset = deltalake.DeltaTable(uri, version=version).to_pyarrow_dataset()
    rows: list[Row] = dataset.to_table(filter=mine).to_pylist()
    by_id = {row["id"]: row for row in rows}
    assert len(by_id) == len(rows), f"{len(rows) - len(by_id)} ids stand twice in {Path(uri).parent.name}"
    return by_id


def delta_rows(lake: str, table: Table) -> list[Row]:
    """Returns all rows of a table's `deltas`."""
    endpoint, integration = table
    if not is_table(uri := lakes.deltas(lake, endpoint)):
        return []
    mine = pyarrow.dataset.field("integration_key") == integration.key
    dataset = deltalake.DeltaTable(uri).to_pyarrow_dataset()
    rows: list[Row] = dataset.to_table(filter=mine).to_pylist()
    return rows


def micros(instant: Any) -> int:
    """Converts an engine's timestamp to microseconds since the epoch."""
    return int(instant.timestamp()) * 1_000_000 + int(instant.microsecond)
