"""One table under the guard: its rows, its hold, and whether any row was lost."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from current import Table, assert_current_equals_truth, assert_well_formed, live_view, read_current, read_holds
from deltalog import is_table
from fulls import delta_rows, without_tombstone
from living import Living, living_twin
from month import start_of
from readers import Row
from schemas import Endpoint, endpoint
from service import Service, service_of
from truth import Truth
from verbs import fold, shown, verb
from webhooks import data_changed

SECONDS = 60
MASS = 0.15


@dataclass
class Guarded:
    """A service of one integration, the table under test, and the twin."""

    living: Living
    service: Service
    folder: Path
    table: Table
    ever: set[str] = field(default_factory=set)
    """Every id that `current` ever held."""
    dumps: int = 0

    @property
    def endpoint(self) -> Endpoint:
        """Returns the endpoint of the table."""
        return self.table[0]

    @property
    def id(self) -> str:
        """Returns the integration's id."""
        return self.table[1].id

    def ids(self) -> set[str]:
        """Returns the ids of the table in `current`."""
        key = self.table[1].key
        rows = read_current(self.service.lake, self.endpoint, ["integration_key", "id", "_op"])
        mine = [row["id"] for row in rows if row["integration_key"] == key]
        assert len(mine) == len(set(mine)), "an id stands twice in current"
        self.ever |= {*mine}
        return set(mine)

    def live_ids(self) -> set[str]:
        """Returns the ids in the live view."""
        return {row["id"] for row in live_view(self.service.lake, self.endpoint, [])}

    def hold(self) -> Row | None:
        """Returns the table's row of `kombo_holds`; `None` without one."""
        own = [
            row
            for row in read_holds(self.service.lake)
            if row["endpoint"] == self.endpoint.path and row["_integration_id"] == self.id
        ]
        assert len(own) < 2, f"kombo_holds has {len(own)} rows of one table"
        return own[0] if own else None

    def state(self) -> str:
        """Returns the state of the hold; an empty text without a hold."""
        hold = self.hold()
        return str(hold["state"]) if hold else ""

    def truth(self) -> Truth:
        """Returns a dump of the twin's records of this moment."""
        self.dumps += 1
        return self.living.truth(self.folder / f"truth-{self.dumps}")

    def true_ids(self) -> set[str]:
        """Returns the ids of the records that Kombo does not mark as deleted."""
        return {
            one["id"]
            for one in self.truth().records(*self.table)
            if one.get("remote_deleted_at") is None
        }

    def delete(self, count: int, *, first: bool = False) -> set[str]:
        """Deletes `count` records and returns their ids: the last ones, to which few others refer, or the first ones."""
        records = list(self.truth().records(*self.table))
        there = [at for at, one in enumerate(records) if one.get("remote_deleted_at") is None]
        chosen = there[:count] if first else there[-count:]
        for index in chosen:
            self.living.change("delete", self.id, self.endpoint.path, index)
        return {records[index]["id"] for index in chosen}

    def edit(self, record: str) -> None:
        """Gives one record new values."""
        records = [one["id"] for one in self.truth().records(*self.table)]
        self.living.change("edit", self.id, self.endpoint.path, records.index(record))

    def tell(self) -> None:
        """Posts a webhook that reports changed rows of the table."""
        model = self.endpoint.models[0][0]
        self.service.accepts(data_changed(self.id, [model]))

    def pass_time(self, seconds: int, beside: str) -> None:
        """Advances Kombo's time. A webhook about another table makes the service ask, and the answer has the new time."""
        self.living.advance(seconds)
        self.service.accepts(data_changed(self.id, [endpoint(beside).models[0][0]]))

    def full(self) -> str:
        """Runs a full backfill beside the service, and returns its lines about holds."""
        outcome = self.service.verb("backfill")
        assert outcome.code == 0, outcome.text[-3000:]
        lines = outcome.text.splitlines()
        told = [line for line in lines if line.startswith(("held  ", "released  ", "          "))]
        print("".join(f"    | {line}\n" for line in told), end="", flush=True)
        return "\n".join(told)

    def observed(self) -> dict[str, int]:
        """Returns how many observations `deltas` has, by `_op`."""
        counts: dict[str, int] = {}
        for row in delta_rows(self.service.lake, self.table):
            counts[row["_op"]] = counts.get(row["_op"], 0) + 1
        return counts

    def until_state(self, *wanted: str) -> Row:
        """Waits until the hold is in one of these states, and returns the hold."""
        what = f"the hold is {' or '.join(wanted)}; deltas have {self.observed()}, current {len(self.ids())} rows"
        self.service.until(lambda: self.state() in wanted, what, SECONDS)
        hold = self.hold()
        assert hold is not None, "the hold exists"
        return hold

    def until_cause(self, wanted: str) -> None:
        """Waits until the hold has this cause: Kombo is asked for the cause after the rows are held."""
        self.service.until(lambda: (self.hold() or {}).get("cause") == wanted, f"the cause is {wanted}", SECONDS)

    def values(self, column: str) -> dict[str, Any]:
        """Returns a column of `current`, by id."""
        names = ["integration_key", "id", column]
        rows = read_current(self.service.lake, self.endpoint, names)
        return {row["id"]: row[column] for row in rows if row["integration_key"] == self.table[1].key}

    def until_ids(self, wanted: set[str], what: str) -> None:
        """Waits until `current` has these ids."""
        self.service.until(lambda: self.ids() == wanted, what, SECONDS)

    def show(self, moment: str) -> None:
        """Prints the state of the table at a moment, and what an operator sees of it."""
        hold = self.hold()
        told = {name: hold[name] for name in ("state", "cause", "held_rows", "removed", "table_rows")} if hold else None
        print(
            f"    === {moment}: current {len(self.ids())} rows, live view {len(self.live_ids())}, hold {told}",
            flush=True,
        )
        if hold:
            print(f"    | {hold['detail']}", flush=True)

    def show_status(self, title: str) -> str:
        """Prints and returns the output of `status`."""
        outcome = verb("status", self.service.lake)
        shown(title, outcome)
        return outcome.text

    def log_lines(self, *words: str) -> list[str]:
        """Returns the lines of the service's log that contain all these words."""
        lines = self.service.printed().splitlines()
        return [line for line in lines if all(word in line.lower() for word in words)]

    def restart(self) -> None:
        """Restarts the service, which then has no memory of earlier fetches."""
        assert self.service.stop() == 0, self.service.printed()[-2000:]
        fold(self.service.lake)
        self.service.start_and_wait()
        self.service.until_quiet()

    def assert_nothing_lost(self) -> None:
        """Fails unless `current` equals the truth, and each row that disappeared from it has a tombstone in `deltas`."""
        truth = self.truth()
        tables = [
            (one, self.table[1]) for one in _configured(self.service) if one.category == self.table[1].category
        ]
        rows = assert_current_equals_truth(self.service.lake, truth, tables)
        assert_well_formed(self.service.lake, truth)
        gone = len(self.ever - self.ids())
        silent = without_tombstone(self.service.lake, {self.table: self.ever})
        assert not silent, f"no tombstone in deltas: {silent}"
        print(f"    in the end {rows} rows are the truth, {gone} removals each have a tombstone", flush=True)


def _configured(service: Service) -> list[Endpoint]:
    return [endpoint(path) for path in service.source["endpoints"]]


@contextmanager
def guarded(path: str, *others: str, rows: int = 800) -> Iterator[Guarded]:
    """Starts a twin and a service of one integration, with a folded table of about `rows` rows.

    The twin starts forty days ago, so that days can pass.
    """
    looked_at = endpoint(path)
    paths: Sequence[str] = (path, *others)
    with TemporaryDirectory() as name, ExitStack() as stack:
        living = stack.enter_context(living_twin("--start", start_of(40), integrations=3, rows=rows))
        (integration,) = living.twin.of(looked_at.category)
        service = stack.enter_context(service_of(living.twin, Path(name), integrations=[integration.id]))
        service.source["endpoints"] = list(paths)
        service.source["schedule"]["heartbeat_interval_secs"] = 100 * 86_400
        service.source["schedule"]["full_interval_secs"] = 1_000 * 86_400
        service.settings["sinks"]["lake"]["fold"] = {"enabled": True, "max_age_secs": 1}
        service.settings["sinks"]["lake"]["upkeep"] = {"enabled": False}
        service.start_and_wait()
        one = Guarded(living, service, Path(name), (looked_at, integration))
        service.until(lambda: is_table(f"{service.lake}/{looked_at.table}/current"), "there is a current", SECONDS)
        one.until_ids(one.true_ids(), "current has the rows of the first full fetch")
        service.until_quiet()
        one.show("at first")
        yield one
