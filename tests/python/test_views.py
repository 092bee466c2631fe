"""Tests the output of `sql` as printed, in every engine: `current` is the truth, and each view follows its definition."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import deltalake
import pytest

from comparison import differences
from engines import ENGINES, Engine, printed
from product import BINARY, Twin, backfill_of, run, running_twin
from readers import READERS, Row
from schemas import Endpoint, endpoint
from translated import TRANSLATED
from truth import Integration
from views import SECOND, VIEWS, Lake, Story

APPLICATIONS, EMPLOYEES, TAGS = map(endpoint, ("ats/applications", "hris/employees", "ats/tags"))
STRANGER = Integration("stranger:1", "", "stranger-1")

Eventful = tuple[Path, dict[Endpoint, dt.datetime]]


def test_current_is_the_truth_read_by_every_engine(lake: Path) -> None:
    with _twin() as twin:
        # A backfill folds at its end.
        backfill_of(twin, lake).must_succeed()
        for table in (APPLICATIONS, EMPLOYEES):
            truth = twin.truth.rows(table)
            live = [row for row in truth if row["_op"] == "upsert"]
            assert 0 < len(live) < len(truth), "nothing is deleted: nothing is proven"
            for reader in READERS:
                rows = reader.read(f"{lake}/{table.table}/current")
                lines = differences(table, live, rows, reader.nested_nulls)
                assert not lines, f"{table.path} read by {reader.name}: {lines[:20]}"
            for engine in ENGINES:
                rows = engine.rows(_printed(engine.name, lake, table, "current"))
                lines = differences(table, live, rows, engine.nested_nulls)
                assert not lines, f"{table.path} read by {engine.label}: {lines[:20]}"


def test_every_view_says_what_its_definition_says_in_every_engine(
    eventful: Eventful,
) -> None:
    lake, instants = eventful
    for table, at in instants.items():
        tables = Lake.read(lake, table)
        for view in VIEWS:
            expected = tables.view(view, at)
            for engine in ENGINES:
                rows = engine.rows(_printed(engine.name, lake, table, view, at))
                _assert_same(expected, rows, f"{view} of {table.path} by {engine.label}", engine)
            print(f"    {view} of {table.path}: {len(expected)} rows", flush=True)


def test_every_view_says_the_same_after_translation_from_engines_that_cannot_run_here(
    eventful: Eventful,
) -> None:
    lake, instants = eventful
    for table, at in instants.items():
        tables = Lake.read(lake, table)
        for view in VIEWS:
            for engine in TRANSLATED:
                rows = engine.rows(lake, _printed(engine.name, lake, table, view, at))
                expected = tables.view(view, at)
                _assert_same(expected, rows, f"{view} of {table.path} for {engine.name}")


def test_tables_with_their_columns_in_another_order_are_still_put_together_by_name(
    lake: Path, eventful: Eventful
) -> None:
    whole, instants = eventful
    at = instants[APPLICATIONS]
    shutil.copytree(whole, lake)
    uri = lake / APPLICATIONS.table / "deltas"
    rows = deltalake.DeltaTable(uri).to_pyarrow_table()
    shutil.rmtree(uri)
    turned = rows.select(rows.column_names[::-1])
    deltalake.write_deltalake(uri, turned, partition_by=["commit_date"])
    tables = Lake.read(lake, APPLICATIONS)
    for view in ("live", "as-of", "changes", "leavers"):
        for engine in ENGINES:
            found = engine.rows(_printed(engine.name, lake, APPLICATIONS, view, at))
            _assert_same(tables.view(view, at), found, f"{view} by {engine.label}", engine)


def test_a_table_that_holds_nothing_has_views_too(eventful: Eventful) -> None:
    lake, instants = eventful
    at = instants[APPLICATIONS]
    for part in ("current", "snapshots", "deltas"):
        table = deltalake.DeltaTable(lake / TAGS.table / part)
        empty = table.to_pyarrow_dataset().schema.empty_table()
        deltalake.write_deltalake(table, empty, mode="overwrite")
    for view in VIEWS:
        for engine in ENGINES:
            rows = engine.rows(_printed(engine.name, lake, TAGS, view, at))
            assert not rows, f"{view} of nothing by {engine.label}"


def test_what_cannot_be_printed_is_refused_with_what_to_do() -> None:
    for arguments, code, told in (
        (("--lake-url", "x", "--table", "ats_aplications"), 64, 'did you mean "ats_applications"?'),
        (("--lake-url", "x", "--view", "live", "--at", "2026-11-01"), 64, "remove the flag, or give --view as-of"),
        (("--lake-url", "x", "--at", "yesterday"), 64, "an instant such as"),
        ((), 64, "nothing says where the lake is"),
    ):
        done = run([BINARY, "sql", "--engine", "duckdb", *arguments], environment={})
        assert (done.code, done.stdout) == (code, ""), done.text
        assert told in done.stderr, done.stderr


def _twin() -> Any:
    return running_twin("--no-rate-limit", integrations=6, rows=60)


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> Eventful:
    """Creates a lake with many observations after its fold. Returns, for each table, an instant in the middle of them."""
    lake = tmp_path_factory.mktemp("eventful") / "lake"
    with _twin() as twin:
        # A backfill folds at its end.
        backfill_of(twin, lake).must_succeed()
        return lake, {table: _story(lake, table, twin) for table in (APPLICATIONS, EMPLOYEES)}


def _story(lake: Path, table: Endpoint, twin: Twin) -> dt.datetime:
    story = Story(lake, table)
    free, held = twin.of(table.category)[:2]
    mine, others = story.of(free), story.of(held)
    story.upsert(mine[0], remote_id="changed")
    story.delete(mine[1])
    story.absent(mine[2])
    story.upsert(mine[3], id="a-new-one")
    story.delete(mine[4])
    story.upsert(mine[9], remote_id="changed at that very instant")
    in_the_midst = story.clock
    story.upsert(mine[4], remote_id="back again")
    story.upsert(mine[0], remote_id="changed again")

    story.delete(others[0])
    since = story.clock + SECOND
    story.delete(others[1])
    story.absent(others[2])
    story.upsert(others[3], remote_id="changed while removals are held")

    # An integration without a row in `current`.
    of_stranger = {"integration_key": STRANGER.key, "_integration_id": STRANGER.id}
    story.upsert(mine[5] | of_stranger)
    story.delete(mine[6] | of_stranger)
    story.commit()

    story.hold(held, "held", since)
    story.hold(free, "accepted", in_the_midst - 10 * SECOND)
    story.drift(mine[7], in_the_midst - 2 * SECOND)
    story.drift(mine[8], in_the_midst + 2 * SECOND)
    story.drift(others[8], in_the_midst + 2 * SECOND)
    # Kombo's ids repeat between tables.
    story.drift(mine[10], in_the_midst + 2 * SECOND, of="ats/offers")
    return in_the_midst


def _printed(
    engine: str, lake: Path, table: Endpoint, view: str, at: dt.datetime | None = None
) -> str:
    flag = {"as-of": "--at", "changes": "--since"}.get(view)
    times = [flag, at.isoformat().replace("+00:00", "Z")] if flag and at else []
    wanted = ["--table", table.table, "--view", view, "--lake-url", str(lake)]
    return printed(engine, *wanted, *times)


def _assert_same(
    expected: list[Row], found: list[Row], what: str, engine: Engine | None = None
) -> None:
    """Fails unless the rows are equal, value by value. The message names columns, never values."""
    wanted, got = (_by_key(rows) for rows in (expected, found))
    assert len(got) == len(found), f"{what}: rows stand twice"
    missing, more = len(wanted.keys() - got.keys()), len(got.keys() - wanted.keys())
    assert not missing and not more, f"{what}: {missing} rows are missing, {more} too many"
    nulls = engine is None or engine.nested_nulls
    wrong = {
        column
        for key, row in wanted.items()
        for column in row.keys() | got[key].keys()
        if column not in got[key]
        or column not in row
        or _comparable(row[column], nulls) != _comparable(got[key][column], nulls)
    }
    assert not wrong, f"{what}: {sorted(wrong)} differ"


def _by_key(rows: list[Row]) -> dict[tuple[str, str], Row]:
    return {(row["integration_key"], row["id"]): row for row in rows}


def _comparable(value: Any, nested_nulls: bool) -> Any:
    """Returns the value. For an engine without nested nulls, nulls become empty structs and lists."""
    if nested_nulls:
        return value
    if isinstance(value, dict):
        members = {name: _comparable(member, False) for name, member in value.items()}
        return members if any(member is not None for member in members.values()) else None
    if isinstance(value, list):
        return [_comparable(one, False) for one in value] or None
    return value
