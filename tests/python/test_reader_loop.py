"""Tests reads of `current` and the live view during writes: no row is missing, repeated or torn."""

import datetime as dt
import os
import time
import uuid
from contextlib import ExitStack
from pathlib import Path

import duckdb
import lake as lakes
from current import (
    Table,
    assert_current_equals_truth,
    assert_well_formed,
    current,
    live_view,
    read_current,
    tables_of,
)
from deltalog import last_version
from living import Living, living_twin
from loops import COLUMNS, Expected, Loop, Pair, reading
from product import free_port
from readers import Row, duckdb_with_extensions
from schemas import Endpoint, endpoint
from service import PATH, Service, service_of
from truth import Integration, Truth
from verbs import must

COMMITS = int(os.environ.get("KOMBO_TEST_READER_COMMITS") or 150)
INTEGRATIONS = int(os.environ.get("KOMBO_TEST_READER_INTEGRATIONS") or 3)
ROWS = int(os.environ.get("KOMBO_TEST_READER_ROWS") or 120)
PATIENCE_SECONDS = 30 + COMMITS
# The twin's time passes faster, so that the service asks for an announced table in each round.
ROUND_SECONDS = 15
FULL_INTERVAL_SECONDS = 90
UPKEEP_EVERY = 4
LEAST_READS = 50
OLD_SECONDS = 40 * 86_400


def test_a_read_that_is_torn_or_not_whole_is_caught() -> None:
    table = endpoint("ats/tags"), Integration("greenhouse:a", "ats", "greenhouse-a-0")
    instants = [dt.datetime(2026, 1, 1, hour, tzinfo=dt.UTC) for hour in range(6)]
    edits = {("ats/tags", "a"): [instants[1], instants[3]], ("ats/tags", "b"): [instants[2], instants[4]]}
    expected = Expected({table: frozenset(("a", "b"))}, {table: Pair("a", "b")}, edits)

    def rows(first: int, second: int) -> list[Row]:
        pair = {"a": instants[first], "b": instants[second]}
        return [
            {"integration_key": table[1].key, "id": key, "changed_at": at, "_fetched_at": at, "_op": "upsert"}
            for key, at in pair.items()
        ]

    def wrong(*reads: list[Row]) -> int:
        left = list(reads)
        loop = Loop("a reader", lambda _: left.pop(0), expected)
        for _ in reads:
            loop.once(table[0])
        loop.judge_pairs()
        return len(loop.wrong)

    assert not wrong(rows(0, 0), rows(1, 0), rows(1, 2), rows(3, 2), rows(3, 4))
    assert wrong(rows(1, 0), rows(1, 4)), "the second row is ahead"
    assert wrong(rows(3, 0)), "the first row is two ahead"
    assert wrong(rows(3, 4), rows(3, 2)), "a row is older than before"
    assert wrong(rows(0, 0)[:1]), "a row is missing"
    assert wrong(rows(0, 0) * 2), "rows stand twice"
    assert wrong([*rows(0, 0), rows(0, 0)[0] | {"id": "c"}]), "a row is too many"
    assert wrong([rows(0, 0)[0], rows(0, 0)[1] | {"_op": "delete"}]), "a row is no upsert"


def test_every_read_of_current_and_of_the_live_view_is_whole_while_they_are_written(
    tmp_path: Path,
) -> None:
    folder, port = tmp_path, free_port()
    with ExitStack() as stack:
        living = stack.enter_context(
            living_twin(
                *("--webhook-url", f"http://127.0.0.1:{port}{PATH}", "--debounce-ms", "200"),
                integrations=INTEGRATIONS,
                rows=ROWS,
            )
        )
        service = stack.enter_context(service_of(living.twin, folder))
        service.source["webhook"]["address"] = f"127.0.0.1:{port}"
        service.environment["KOMBO_WEBHOOK_SECRET"] = living.twin.webhook_secret
        service.source["schedule"]["full_interval_secs"] = FULL_INTERVAL_SECONDS
        service.settings["sinks"]["lake"]["fold"] = {"enabled": True, "max_age_secs": 1}
        service.start_and_wait()
        lake = service.lake
        expected = _expected(living)
        service.until(lambda: _is_there(lake, expected), "every table is folded once", 120)

        loops = _loops(lake, expected)
        began = _commits(lake, expected)
        orphans = _plant_orphans(lake, expected)
        with reading(loops):
            rounds, merged = _write(living, service, expected, began)
        _settle(living, service)
        written = {part: count - began[part] for part, count in _commits(lake, expected).items()}
        print(f"    {rounds} rounds, {written} commits; upkeep: {merged}", flush=True)
        for loop in loops:
            states = loop.judge_pairs()
            print(f"    {loop.name}: {loop.reads} reads, {states} states of pairs", flush=True)
            assert not loop.wrong, "\n".join(loop.wrong[:40])
            assert loop.reads >= LEAST_READS, f"{loop.name} read {loop.reads} times: no proof"
        assert not [one for one in orphans if one.exists()], "upkeep left unreferenced files"
        assert service.stop() == 0, service.printed()[-2000:]
        _ends_as_the_truth(living, service, folder)


def _expected(living: Living) -> Expected:
    ids, pairs = {}, {}
    for table in tables_of(truth := living.twin.truth):
        live, own = _live(truth, table), table[0]
        ids[table] = frozenset(live)
        told = own.models and own.models[0][1] is not False and own.updated_after
        if told and len(live) > 1 and any(one.name == "changed_at" for one in own.fields):
            pairs[table] = Pair(live[0], live[-1])
    return Expected(ids, pairs)


def _live(truth: Truth, table: Table) -> list[str]:
    records = truth.records(*table)
    return [one["id"] for one in records if one.get("remote_deleted_at") is None]


def _loops(lake: str, expected: Expected) -> list[Loop]:
    cursor = duckdb_with_extensions().cursor()

    def by_delta_rs(one: Endpoint) -> list[Row]:
        return read_current(lake, one, COLUMNS)

    def by_duckdb(one: Endpoint) -> list[Row]:
        return _read_duckdb(cursor, current(lake, one))

    def live(one: Endpoint) -> list[Row]:
        return live_view(lake, one, COLUMNS)

    readers = {"current by delta-rs": by_delta_rs, "current by DuckDB": by_duckdb, "the live view": live}
    with_changed_at = [table for table in expected.ids if any(one.name == "changed_at" for one in table[0].fields)]
    kept = Expected({table: expected.ids[table] for table in with_changed_at}, expected.pairs, expected.edits)
    return [Loop(name, read, kept) for name, read in readers.items()]


def _read_duckdb(cursor: duckdb.DuckDBPyConnection, uri: str) -> list[Row]:
    found = cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM delta_scan('{uri}')").fetchall()
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in found]
    for row in rows:
        for name in ("changed_at", "_fetched_at"):
            row[name] = row[name].astimezone(dt.UTC) if row[name] else None
    return rows


def _write(
    living: Living, service: Service, expected: Expected, began: dict[str, int]
) -> tuple[int, list[str]]:
    """Edits the pairs, round by round, until `current` has enough commits. Returns the rounds, and the upkeep's results."""
    positions = _positions(living.twin.truth, expected)
    merged = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    rounds = 0
    while _commits(service.lake, expected)["current"] - began["current"] < COMMITS:
        assert time.monotonic() < deadline, f"too few commits in {PATIENCE_SECONDS} s"
        assert service.process and service.process.poll() is None, service.printed()[-3000:]
        for (own, integration), pair in expected.pairs.items():
            for record in (pair.first, pair.second):
                index = positions[own.path, record]
                (entry, *_) = living.change("edit", integration.id, own.path, index)["changes"]
                assert entry["record"] == record, "another record was edited"
                at = dt.datetime.fromtimestamp(entry["at_ms"] / 1000, dt.UTC)
                expected.edits.setdefault((own.path, record), []).append(at)
        living.advance(ROUND_SECONDS)
        rounds += 1
        if rounds % UPKEEP_EVERY == 0:
            merged.append(must("upkeep", service.lake).text.strip().splitlines()[-1])
        time.sleep(0.5)
    return rounds, merged


def _positions(truth: Truth, expected: Expected) -> dict[tuple[str, str], int]:
    return {
        (own.path, record["id"]): index
        for own, integration in expected.pairs
        for index, record in enumerate(truth.records(own, integration))
    }


def _is_there(lake: str, expected: Expected) -> bool:
    wanted = dict.fromkeys(expected.endpoints, 0)
    for (own, _), ids in expected.ids.items():
        wanted[own] += len(ids)
    return all(len(read_current(lake, own, ["id"])) == count for own, count in wanted.items())


def _commits(lake: str, expected: Expected) -> dict[str, int]:
    """Returns how many commits all tables have, by part."""
    places = {"current": current, "deltas": lakes.deltas, "snapshots": lakes.snapshots}
    return {
        part: sum(last_version(place(lake, own)) + 1 for own in expected.endpoints)
        for part, place in places.items()
    }


def _plant_orphans(lake: str, expected: Expected) -> list[Path]:
    """Stores unreferenced files that are old enough for upkeep to delete."""
    orphans = []
    for own in expected.endpoints[:5]:
        for part in ("current", "deltas", "snapshots"):
            orphan = Path(lake) / own.table / part / f"part-{uuid.uuid4()}.zstd.parquet"
            orphan.write_bytes(b"left by a fold that was killed")
            os.utime(orphan, (time.time() - OLD_SECONDS,) * 2)
            orphans.append(orphan)
    return orphans


def _settle(living: Living, service: Service) -> None:
    living.until_told()
    must("upkeep", service.lake)


def _ends_as_the_truth(living: Living, service: Service, folder: Path) -> None:
    outcome = service.verb("backfill")
    assert outcome.code == 0, outcome.text[-3000:]
    truth = living.truth(folder / "truth")
    rows = assert_current_equals_truth(service.lake, truth)
    assert_well_formed(service.lake, truth)
    print(f"    in the end {rows} rows are the truth", flush=True)
