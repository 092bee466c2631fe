"""Computes what `kombo_drift` must contain for a full fetch: from the twin's journal and webhooks, and from earlier rows.

The two methods share no code with the program. The rows of the full fetch are compared with the newest rows that the
lake had: this gives the drifted rows and columns. The twin's journal has the time of each change, and its
deliveries show which changes had no webhook: this gives the rows that must have drifted, and the causes.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import deltalake
import pyarrow.dataset
from comparison import SYSTEM_COLUMNS
from deltalog import is_table
from fulls import Full, micros
from readers import Row
from schemas import Endpoint, walk

# A notification may come this long after its change, so younger changes are not judged. `Date` has full seconds.
NOT_JUDGED_US = (5 * 60 + 5) * 1_000_000
SAME_TIME_US = 60 * 1_000_000
# Copies without the id of the copied record: they have only a name, or an id of the tool.
COPIES_WITHOUT_ID = {"rejection_reason_name": "ats_rejection_reasons", "system_roles": "ats_roles"}


@dataclass(frozen=True)
class Told:
    """A `data-changed` webhook that was answered with 200."""

    at_us: int
    integration: str
    models: frozenset[str]


@dataclass(frozen=True)
class Changed:
    """A record that changed."""

    at_us: int
    integration: str
    record: str
    models: frozenset[str]
    kind: str


@dataclass
class World:
    """The twin's journal and webhooks."""

    changes: list[Changed] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    @staticmethod
    def read(journal: list[dict[str, Any]], deliveries: list[dict[str, Any]]) -> "World":
        """Reads the twin's journal and deliveries."""
        changes = [
            Changed(one["at_ms"] * 1000, one["integration"], one["record"], frozenset(one["models"]), one["kind"])
            for one in journal
            if one.get("record")
        ]
        told = [
            Told(one["at_ms"] * 1000, one["integration"], frozenset(one["models"]))
            for one in deliveries
            if one.get("status") == 200 and one.get("models")
        ]
        return World(changes, told)


@dataclass(frozen=True)
class Difference:
    """A row that a full fetch shows differently than the lake knew it."""

    kind: str
    columns: frozenset[str]
    """Which differ, `changed_at` aside."""
    old: Row | None
    new: Row | None

    @property
    def moved(self) -> bool:
        """Returns whether a delta could have brought the change: the record is new, gone, or changed itself."""
        was, now = ((row or {}).get("changed_at") for row in (self.old, self.new))
        return self.kind in ("insert", "delete") or was != now


def differences_of(full: Full) -> dict[str, Difference]:
    """Compares a full fetch with the known rows: by `_hash`, and column by column where the hash differs."""
    assert full.known is not None, "the first full fetch of a table has nothing to be compared with"
    found: dict[str, Difference] = {}
    for key in full.known.keys() | full.found.keys():
        old, new = full.known.get(key), full.found.get(key)
        if difference := _difference(full.table[0], old, new):
            found[key] = difference
    return found


def _difference(endpoint: Endpoint, old: Row | None, new: Row | None) -> Difference | None:
    was, is_there = _is_there(old), _is_there(new)
    # Gone before and gone now: changes in between do not concern a reader of current.
    if not was and not is_there:
        return None
    if old and new and old["_hash"] == new["_hash"] and was == is_there:
        return None
    names = {one.name for one in endpoint.fields} - {"id", "changed_at"} | {"_rest"}
    columns = frozenset(name for name in names if (old or {}).get(name) != (new or {}).get(name))
    if was and is_there:
        nested = {one.name for one in endpoint.fields if one.type in ("struct", "list")}
        return Difference("nested" if columns and columns <= nested else "update", columns, old, new)
    return Difference("insert" if is_there else "delete", columns, old, new)


def _is_there(row: Row | None) -> bool:
    return row is not None and row["_op"] == "upsert"


@dataclass
class Verdict:
    """Errors in `kombo_drift`'s rows about full fetches, and counts of the correct rows."""

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def judge(self, full: Full, drift: list[Row], world: World, since_us: int) -> None:
        """Judges one full fetch. `since_us` is the start of the previous one."""
        differing = differences_of(full)
        unsure = _unsure(full, differing, world)
        named = {row["id"]: row for row in drift}
        if len(named) != len(drift):
            self._say(full, f"{len(drift) - len(named)} rows stand twice in kombo_drift")
        must = differing.keys() - unsure
        self._count(full, "rows that drifted are not named", must - named.keys(), differing)
        self._count(full, "rows are named that did not differ", named.keys() - differing.keys(), differing)
        for key in named.keys() & differing.keys():
            self._row(full, named[key], differing[key])
            self.counts[f"{named[key]['kind']}/{named[key]['cause']}"] += 1
        self._by_the_journal(full, differing, named.keys(), unsure, world, since_us)
        self.counts["drifted"] += len(named)
        self.counts["not judged"] += len(unsure - named.keys())

    def _row(self, full: Full, row: Row, difference: Difference) -> None:
        """Judges the drift of one row that differs."""
        if row["kind"] != difference.kind:
            self._say(full, f"a row is {row['kind']} and should be {difference.kind}")
        cause = "no_notification" if difference.moved else "not_surfaced"
        if row["cause"] != cause:
            self._say(full, f"the cause of a row ({row['kind']}) is {row['cause']} and should be {cause}")
        if difference.kind in ("update", "nested"):
            # Values that fit no column may be reported or not.
            both = (row["columns"] or (), difference.columns)
            named, differing = ({*one} - {"_rest", "changed_at"} for one in both)
            if named != differing:
                self._say(full, f"{row['kind']}: columns {sorted(named ^ differing)} are named or differ, not both")
        if SYSTEM_COLUMNS[0] in (row["columns"] or ()):
            self._say(full, "a system column is named")
        if row["_integration_id"] != full.table[1].id:
            self._say(full, "a row has another _integration_id")
        _times(self, full, row, difference)

    def _by_the_journal(
        self,
        full: Full,
        differing: dict[str, Difference],
        named: Iterable[str],
        unsure: set[str],
        world: World,
        since_us: int,
    ) -> None:
        """Judges by the twin's journal and webhooks."""
        endpoint, integration = full.table
        mine = [one for one in world.changes if one.integration == integration.id]
        since = [one for one in mine if since_us - NOT_JUDGED_US < one.at_us < full.since_us]
        shown = {one.record for one in since if own_model(endpoint) in one.models}
        untold = {
            one.record
            for one in since
            if own_model(endpoint) in one.models and not was_told(endpoint, one, full, world)
        }
        lost = untold & differing.keys()
        self.counts["changed and untold"] += len(untold)
        self.counts["of them brought by another delta"] += len(untold - differing.keys())
        self._count(full, "rows whose webhooks were lost are not named", lost - unsure - {*named}, differing)
        by_delta = {
            key
            for key, one in differing.items()
            if one.moved and key not in untold and key not in unsure
        }
        self._count(full, "rows differ though a webhook told of them", by_delta & shown, differing)
        self._count(full, "rows differ that the journal does not know", by_delta - shown, differing)
        self._explain(full, {key: differing[key] for key in {*named} & differing.keys()}, mine)

    def _explain(self, full: Full, named: dict[str, Difference], mine: list[Changed]) -> None:
        """Judges whether each row, or a record that the row has a copy of, was changed."""
        before = [one for one in mine if one.at_us < full.since_us]
        changed = {one.record for one in before}
        nameless = {COPIES_WITHOUT_ID.get(one.name, "") for _, one in walk(full.table[0].fields)}
        for difference in named.values():
            texts = set(_texts(difference.old)) | set(_texts(difference.new))
            if texts & changed:
                continue
            if any(one.models & nameless for one in before):
                self.counts["copies without an id"] += 1
            else:
                self._say(full, f"no entry of the journal explains a row ({difference.kind})")

    def _count(self, full: Full, what: str, keys: set[str], differing: dict[str, Difference]) -> None:
        if keys:
            kinds = Counter(differing[key].kind if key in differing else "equal" for key in keys)
            self._say(full, f"{len(keys)} {what}: {dict(kinds)}")

    def _say(self, full: Full, what: str) -> None:
        self.wrong.append(f"{full.name}, full fetch of {full.since_us}: {what}")


def _times(verdict: Verdict, full: Full, row: Row, difference: Difference) -> None:
    """Judges the instants of a row of `kombo_drift`."""
    fetched, wrong_since, secs = row["_fetched_at"], row["wrong_since"], row["wrong_secs"]
    if not full.since_us <= micros(fetched) <= full.seen_us + SAME_TIME_US:
        verdict._say(full, f"_fetched_at of a row ({row['kind']}) is not within the full fetch")
    known = difference.old["_fetched_at"] if difference.old else None
    if row["known_fetched_at"] != known:
        verdict._say(full, f"known_fetched_at of a row ({row['kind']}) is not that of the row before")
    new = difference.new
    if new and row["changed_at"] != new.get("changed_at"):
        verdict._say(full, f"changed_at of a row ({row['kind']}) is not that of the new row")
    if wrong_since is not None:
        passed = (micros(fetched) - micros(wrong_since)) / 1_000_000
        if passed < 0 or secs is None or abs(secs - passed) > 1:
            verdict._say(full, f"wrong_secs of a row ({row['kind']}) is not from wrong_since to _fetched_at")
        if row["kind"] == "update" and wrong_since != row["changed_at"]:
            verdict.counts["updates wrong since another instant than changed_at"] += 1


def _unsure(full: Full, differing: dict[str, Difference], world: World) -> set[str]:
    """Returns rows that may be reported or not: a webhook came during the full fetch, or the change was too young."""
    endpoint, integration = full.table
    early, late = full.since_us - SAME_TIME_US, full.seen_us + SAME_TIME_US
    concerned = concerning(endpoint)
    for one in world.told:
        if one.integration == integration.id and early <= one.at_us <= late and one.models & concerned:
            return set(differing)
    young = {
        one.record
        for one in world.changes
        if one.integration == integration.id and full.since_us - NOT_JUDGED_US < one.at_us <= late
    }
    unsure = set()
    for key, one in differing.items():
        if young & (set(_texts(one.old)) | set(_texts(one.new))):
            unsure.add(key)
    return unsure


def was_told(endpoint: Endpoint, change: Changed, full: Full, world: World) -> bool:
    """Returns whether a webhook that causes a fetch of the table came between a change and a full fetch."""
    concerned = concerning(endpoint)
    return any(
        one.integration == change.integration
        and change.at_us <= one.at_us <= full.since_us
        and one.models & concerned
        for one in world.told
    )


def concerning(endpoint: Endpoint) -> set[str]:
    """Returns the models whose webhooks cause a fetch of an endpoint."""
    return {name for name, surfaced in endpoint.models if surfaced is not False}


def own_model(endpoint: Endpoint) -> str:
    """Returns the model of the endpoint's records; an empty name when webhooks have no such model."""
    return endpoint.models[0][0] if endpoint.models else ""


def drift_of(lake: str, full: Full) -> list[Row]:
    """Reads the rows of `kombo_drift` for one full fetch."""
    if not is_table(uri := f"{lake}/kombo_drift"):
        return []
    endpoint, integration = full.table
    mine = pyarrow.dataset.field("integration_key") == integration.key
    read: list[Row] = deltalake.DeltaTable(uri).to_pyarrow_dataset().to_table(filter=mine).to_pylist()
    # Not by a filter: delta-rs finds no rows by a column without bounds in the log when other columns have bounds.
    rows = [row for row in read if row["endpoint"] == endpoint.path]
    if ids := full.fetch_ids:
        return [row for row in rows if row["_fetch_id"] in ids]
    return [row for row in rows if full.since_us <= micros(row["_fetched_at"]) <= full.seen_us]


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value
