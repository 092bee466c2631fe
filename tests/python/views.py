"""Computes each view's rows in plain Python from rows read by one engine, and writes test rows for the views."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deltalake
import pyarrow

import lake as lakes
from readers import Row
from schemas import Endpoint
from truth import Integration

SECOND = dt.timedelta(seconds=1)
VIEWS = ("current", "live", "as-of", "changes", "leavers")


@dataclass(frozen=True)
class Lake:
    """The rows of one endpoint's tables, and of the two tables that all endpoints share."""

    current: list[Row]
    snapshots: list[Row]
    deltas: list[Row]
    held_since: dict[str, dt.datetime]
    drift: list[Row]

    @staticmethod
    def read(lake: Path, endpoint: Endpoint) -> "Lake":
        """Reads the tables with delta-rs."""

        def rows(name: str) -> list[Row]:
            return lakes.read_reference(str(lake / name))

        mine = [row for row in rows("kombo_holds") if row["endpoint"] == endpoint.path]
        deltas = rows(f"{endpoint.table}/deltas")
        for row in deltas:
            row.pop("commit_date")
        return Lake(
            current=rows(f"{endpoint.table}/current"),
            snapshots=rows(f"{endpoint.table}/snapshots"),
            deltas=deltas,
            held_since={r["integration_key"]: r["since"] for r in mine if r["state"] == "held"},
            drift=[row for row in rows("kombo_drift") if row["endpoint"] == endpoint.path],
        )

    def view(self, name: str, at: dt.datetime) -> list[Row]:
        """Returns the rows of a view. `at` is the time argument of the two views that take one."""
        views: dict[str, Callable[[], list[Row]]] = {
            "current": lambda: self.current,
            "live": self.live,
            "as-of": lambda: self.as_of(at),
            "changes": lambda: self.changes(at),
            "leavers": self.leavers,
        }
        return views[name]()

    def live(self) -> list[Row]:
        """Returns `current` with the rows that are not folded yet, without held removals."""
        folded: dict[str, dt.datetime] = {}
        for row in self.current:
            key = row["integration_key"]
            folded[key] = max(row["_fetched_at"], folded.get(key, row["_fetched_at"]))
        newer = [
            row
            for row in self._not_held()
            if row["integration_key"] not in folded
            or row["_fetched_at"] > folded[row["integration_key"]]
        ]
        return _upserts(newest([*self.current, *newer]))

    def as_of(self, at: dt.datetime) -> list[Row]:
        """Returns the rows as of a time."""
        observed = [*self.snapshots, *self.deltas]
        return _upserts(newest(row for row in observed if row["_fetched_at"] <= at))

    def changes(self, since: dt.datetime) -> list[Row]:
        """Returns the newest observation of each record that changed since a time."""
        drifted = {
            (row["integration_key"], row["id"]) for row in self.drift if row["_fetched_at"] > since
        }
        refetched = [r for r in self.current if (r["integration_key"], r["id"]) in drifted]
        return newest([*refetched, *(r for r in self.deltas if r["_fetched_at"] > since)])

    def leavers(self) -> list[Row]:
        """Returns removals without a newer observation, and employees with a past last day."""
        today = dt.datetime.now(dt.UTC).date()
        return [
            row
            for row in newest([*self.current, *self._not_held()])
            if row["_op"] != "upsert"
            or (row.get("termination_date") is not None and row["termination_date"] < today)
        ]

    def _not_held(self) -> list[Row]:
        return [
            row
            for row in self.deltas
            if row["_op"] == "upsert"
            or row["integration_key"] not in self.held_since
            or row["_fetched_at"] < self.held_since[row["integration_key"]]
        ]


def newest(rows: Iterable[Row]) -> list[Row]:
    """Returns the newest row of each record."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (row["integration_key"], row["id"])
        if key not in found or found[key]["_fetched_at"] < row["_fetched_at"]:
            found[key] = row
    return list(found.values())


def _upserts(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["_op"] == "upsert"]


class Story:
    """Writes observations after a fold, one per second."""

    def __init__(self, lake: Path, endpoint: Endpoint) -> None:
        self.lake = lake
        self.endpoint = endpoint
        self.current = lakes.read_reference(str(lake / endpoint.table / "current"))
        snapshots = lakes.read_reference(lakes.snapshots(lake, endpoint))
        self.clock = max(row["_fetched_at"] for row in snapshots)
        self.observed: list[Row] = []

    def of(self, integration: Integration) -> list[Row]:
        """Returns an integration's rows of `current`, by id."""
        mine = [row for row in self.current if row["integration_key"] == integration.key]
        return sorted(mine, key=lambda row: str(row["id"]))

    def tick(self) -> dt.datetime:
        """Returns the next instant. Instants differ by seconds, and none is a full millisecond."""
        self.clock += SECOND + dt.timedelta(microseconds=1)
        return self.clock

    def upsert(self, row: Row, **values: Any) -> None:
        """Adds an observation of a row with changed values."""
        self._observe(row | values | {"_op": "upsert"})

    def delete(self, row: Row) -> None:
        """Adds an observation of a row that Kombo marked as deleted."""
        self._observe(row | {"_op": "delete", "remote_deleted_at": self.clock})

    def absent(self, row: Row) -> None:
        """Adds an observation that a row disappeared without `remote_deleted_at`."""
        kept = ("integration_key", "_integration_id", "id", "_hash", "_fetch_id")
        self._observe(dict.fromkeys(row) | {k: row[k] for k in kept} | {"_op": "absent"})

    def commit(self) -> None:
        """Appends the observations to the deltas."""
        table = deltalake.DeltaTable(self.lake / self.endpoint.table / "deltas")
        _append(table, self.observed)
        self.observed = []

    def hold(self, integration: Integration, state: str, since: dt.datetime) -> None:
        """Adds a hold of the guard for removals since an instant."""
        row = {
            "integration_key": integration.key,
            "_integration_id": integration.id,
            "endpoint": self.endpoint.path,
            "state": state,
            "since": since,
            "cause": "mass_delete",
        }
        _append(deltalake.DeltaTable(self.lake / "kombo_holds"), [row])

    def drift(self, row: Row, seen_at: dt.datetime, of: str | None = None) -> None:
        """Adds drift of a row, or of a row with the same id in the table `of`."""
        found = {
            "commit_date": seen_at.date(),
            "integration_key": row["integration_key"],
            "_integration_id": row["_integration_id"],
            "endpoint": of or self.endpoint.path,
            "id": row["id"],
            "kind": "update",
            "cause": "seen_late",
            "columns": ["changed_at"],
            "_fetched_at": seen_at,
            "_fetch_id": row["_fetch_id"],
        }
        _append(deltalake.DeltaTable(self.lake / "kombo_drift"), [found])

    def _observe(self, row: Row) -> None:
        at = self.tick()
        self.observed.append(row | {"_fetched_at": at, "commit_date": at.date()})


def _append(table: deltalake.DeltaTable, rows: list[Row]) -> None:
    schema = table.to_pyarrow_dataset().schema
    filled = [
        {one.name: _any(one.type) for one in schema if not one.nullable} | row for row in rows
    ]
    deltalake.write_deltalake(table, pyarrow.Table.from_pylist(filled, schema), mode="append")


def _any(of: pyarrow.DataType) -> Any:
    """Returns any value for a required column that no view reads."""
    if pyarrow.types.is_timestamp(of):
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    if pyarrow.types.is_integer(of):
        return 0
    return [] if pyarrow.types.is_list(of) or pyarrow.types.is_large_list(of) else ""
