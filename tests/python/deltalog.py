"""Reads the log of a local Delta table as plain JSON, commit by commit."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deltalake


@dataclass(frozen=True)
class Commit:
    """One entry of a log."""

    version: int
    txns: dict[str, int]
    operation: str
    added: int
    removed: int


def is_table(uri: str) -> bool:
    """Returns whether the table has a first commit."""
    return deltalake.DeltaTable.is_deltatable(uri)


def commits(uri: str, after: int = -1) -> Iterator[Commit]:
    """Yields the entries after a version, the oldest first. Logs are shortened after a week, so a test has all entries."""
    version = after + 1
    folder = Path(uri.removeprefix("file://")) / "_delta_log"
    while (entry := folder / f"{version:020}.json").exists():
        yield _commit(version, [json.loads(line) for line in entry.read_text().splitlines()])
        version += 1


def last_version(uri: str) -> int:
    """Returns the newest version; -1 without a table."""
    return max((commit.version for commit in commits(uri)), default=-1)


def txn(uri: str, app: str) -> int | None:
    """Returns the newest version of an application's transaction; `None` without one, or without a table."""
    if not is_table(uri):
        return None
    return deltalake.DeltaTable(uri).transaction_version(app)


def _commit(version: int, actions: list[dict[str, Any]]) -> Commit:
    txns = {one["txn"]["appId"]: int(one["txn"]["version"]) for one in actions if "txn" in one}
    info: dict[str, Any] = next((one["commitInfo"] for one in actions if "commitInfo" in one), {})
    return Commit(
        version=version,
        txns=txns,
        operation=str(info.get("operation", "")),
        added=sum("add" in one for one in actions),
        removed=sum("remove" in one for one in actions),
    )
