"""Readers that read the same tables again and again during writes, and the results of each read."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from current import Key, Table
from readers import Row
from schemas import Endpoint

COLUMNS = ["integration_key", "id", "changed_at", "_op", "_fetched_at"]

Read = Callable[[Endpoint], list[Row]]


@dataclass(frozen=True)
class Pair:
    """Two records of a table that are edited in turn. The first record is ahead by at most one edit."""

    first: str
    second: str


@dataclass
class Expected:
    """Rows that every read of a table must have at any moment: rows are edited, but none is added or removed."""

    ids: dict[Table, frozenset[str]]
    pairs: dict[Table, Pair]
    edits: dict[Key, list[datetime]] = field(default_factory=dict)
    """When each record of a pair was edited, by endpoint and id; the reader may see an edit before it stands here."""

    @property
    def endpoints(self) -> list[Endpoint]:
        """Returns the endpoints of the tables."""
        return list({endpoint: None for endpoint, _ in self.ids})


@dataclass
class Loop:
    """One reader, with its reads and errors."""

    name: str
    read: Read
    expected: Expected
    reads: int = 0
    pairs: list[tuple[Table, datetime, datetime]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seen: dict[tuple[Table, str], datetime] = field(default_factory=dict)

    def once(self, endpoint: Endpoint) -> None:
        """Reads an endpoint's table and checks each integration in it."""
        rows = self.read(endpoint)
        self.reads += 1
        own = [table for table in self.expected.ids if table[0] == endpoint]
        strangers = {row["integration_key"] for row in rows} - {one.key for _, one in own}
        if strangers:
            self._say(endpoint, f"{len(strangers)} integrations that it cannot have")
        for table in own:
            self._table(table, [row for row in rows if row["integration_key"] == table[1].key])

    def _table(self, table: Table, rows: list[Row]) -> None:
        endpoint, counts = table[0], Counter(row["id"] for row in rows)
        missing, more = self.expected.ids[table] - counts.keys(), counts.keys() - self.expected.ids[table]
        twice = sum(1 for count in counts.values() if count > 1)
        if missing or more or twice:
            self._say(endpoint, f"{len(missing)} rows missing, {len(more)} too many, {twice} twice")
        others = Counter(row["_op"] for row in rows if row["_op"] != "upsert")
        if others:
            self._say(endpoint, f"rows that are no upserts: {dict(others)}")
        back = 0
        for row in rows:
            at = (table, row["id"])
            back += self.seen.get(at, row["_fetched_at"]) > row["_fetched_at"]
            self.seen[at] = row["_fetched_at"]
        if back:
            self._say(endpoint, f"{back} rows were newer in the read before")
        if (pair := self.expected.pairs.get(table)) and {pair.first, pair.second} <= counts.keys():
            changed = {row["id"]: row["changed_at"] for row in rows}
            self.pairs.append((table, changed[pair.first], changed[pair.second]))

    def judge_pairs(self) -> int:
        """Checks, once every edit is known, whether a read was torn: it had an edit without the previous one. Returns how many
        different states of pairs were seen."""
        torn: Counter[str] = Counter()
        states = set()
        for table, first, second in self.pairs:
            pair = self.expected.pairs[table]
            ahead = self._edition(table, pair.first, first) - self._edition(table, pair.second, second)
            states.add((table, first, second))
            if ahead not in (0, 1):
                torn[f"{table[0].path}: the first of two rows is ahead by {ahead} edits"] += 1
        self.wrong += [f"{self.name}, {what}, in {count} reads" for what, count in torn.items()]
        return len(states)

    def _edition(self, table: Table, record: str, changed: datetime) -> int:
        edits = self.expected.edits.get((table[0].path, record), [])
        return sum(1 for at in edits if at <= changed)

    def _say(self, endpoint: Endpoint, what: str) -> None:
        if len(self.wrong) < 40:
            self.wrong.append(f"{self.name}, read {self.reads} of {endpoint.path}: {what}")


@contextmanager
def reading(loops: list[Loop]) -> Iterator[None]:
    """Reads in the background, each reader in a thread of its own, until the block ends."""
    end = threading.Event()

    def go_on(loop: Loop) -> None:
        while not end.is_set():
            for endpoint in loop.expected.endpoints:
                if end.is_set():
                    return
                try:
                    loop.once(endpoint)
                except Exception as error:
                    # This test looks for such failures: a file that the log names was deleted, or never existed.
                    loop.wrong.append(f"{loop.name}, {endpoint.path}: {type(error).__name__}: {str(error)[:300]}")
                    return

    threads = [threading.Thread(target=go_on, args=(loop,), daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join(timeout=60)
