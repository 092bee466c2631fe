"""Tests that `current` ends with the same rows and columns when it is dropped, interrupted or folded by two at once."""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from current import (
    Table,
    assert_current_equals_truth,
    assert_well_formed,
    current,
    read_current,
    tables_of,
)
from deltalog import last_version
from fulls import rows_of
from living import Living, living_twin
from product import backfill_of
from readers import Row
from service import Service, service_of
from truth import Truth
from verbs import fold, shown, started

KILLS = int(os.environ.get("KOMBO_TEST_REBUILD_KILLS") or 12)
PAIRS = int(os.environ.get("KOMBO_TEST_REBUILD_PAIRS") or 3)
ROWS = int(os.environ.get("KOMBO_TEST_REBUILD_ROWS") or 200)
CHANGES = int(os.environ.get("KOMBO_TEST_REBUILD_CHANGES") or 80)
END_SECONDS = 120
# Tables that are fetched in full again before the fold. Only rows without copies in other rows change after that.
FETCHED_AGAIN = ["ats/*", "lms/users"]
COPIED_NOWHERE = ("ats/notes", "ats/attachments")

Content = dict[Table, dict[str, Row]]


@dataclass(frozen=True)
class Pending:
    """A partly folded lake: later rows wait to be folded."""

    lake: Path
    truth: Truth
    """What Kombo says, which is what `current` says once all is folded."""
    before: Content
    after: Content
    """By one fold that nobody disturbed."""
    seconds: float
    """How long that took."""


def test_current_that_was_dropped_is_folded_again_with_the_same_content(pending: Pending) -> None:
    with _copy(pending.lake) as lake:
        fold(lake)
        for folder in lake.glob("*/current"):
            shutil.rmtree(folder)
        assert not any(_content(lake, pending.truth).values()), "current is still there"
        shown("fold of a lake without current", fold(lake), 3)
        _assert_same(pending.after, _content(lake, pending.truth), "after current was dropped")
        assert_well_formed(lake, pending.truth)

        shown("fold --rebuild", fold(lake, "--rebuild"), 3)
        _assert_same(pending.after, _content(lake, pending.truth), "after --rebuild")
        assert_well_formed(lake, pending.truth)
        # In the other tables, nested copies that no delta refreshes are as old as the last full fetch.
        fetched = [table for table in pending.after if table[0].category == "ats" or table[0].path in FETCHED_AGAIN]
        rows = assert_current_equals_truth(lake, pending.truth, fetched)
        print(f"    {rows} rows of {len(fetched)} tables are the truth", flush=True)


def test_one_table_or_one_integration_is_folded_alone(pending: Pending) -> None:
    with _copy(pending.lake) as lake:
        endpoint, integration = next(
            table for table in pending.after if pending.after[table] != pending.before[table]
        )
        fold(lake, "--table", endpoint.table, "--integration", integration.id)
        found = _content(lake, pending.truth)
        changed = {table for table in found if found[table] != pending.before[table]}
        assert changed == {(endpoint, integration)}, f"{len(changed)} tables changed"
        assert found[endpoint, integration] == pending.after[endpoint, integration]
        fold(lake)
        _assert_same(pending.after, _content(lake, pending.truth), "after the rest was folded")


def test_a_second_fold_does_nothing(pending: Pending) -> None:
    with _copy(pending.lake) as lake:
        fold(lake)
        tables = list(pending.after)
        versions = {table: last_version(current(lake, table[0])) for table in tables}
        drift = last_version(f"{lake}/kombo_drift")
        files = _data_files(lake)
        shown("the second fold", fold(lake))
        assert versions == {table: last_version(current(lake, table[0])) for table in tables}
        assert drift == last_version(f"{lake}/kombo_drift"), "the second fold wrote drift"
        assert files == _data_files(lake), "the second fold wrote files"


def test_a_fold_that_is_killed_again_and_again_ends_as_an_undisturbed_one(pending: Pending) -> None:
    seed = int(os.environ.get("KOMBO_TEST_SEED") or time.time_ns() % 1_000_000)
    print(f"    seed {seed}: repeat with KOMBO_TEST_SEED={seed}", flush=True)
    chance = random.Random(seed)
    kills = halfway = runs = 0
    while kills < KILLS and runs < 5 * KILLS:
        runs += 1
        arguments = chance.choice(((), (), ("--rebuild",)))
        with _copy(pending.lake) as lake:
            process = started("fold", lake, *arguments)
            if not _killed(process, chance.uniform(0, pending.seconds)):
                continue
            kills += 1
            halfway += _assert_each_table_is_old_or_new(lake, pending)
            fold(lake)
            _assert_same(pending.after, _content(lake, pending.truth), f"after kill {kills}")
            assert_well_formed(lake, pending.truth)
    print(f"    {kills} kills in {runs} runs, {halfway} with some tables folded and some not", flush=True)
    assert kills == KILLS, f"only {kills} of {runs} runs could be killed"


def test_two_folds_at_once_are_safe(pending: Pending) -> None:
    for nth in range(PAIRS):
        with _copy(pending.lake) as lake:
            arguments = ((), ("--rebuild",))[nth % 2]
            _assert_all_succeed([started("fold", lake), started("fold", lake, *arguments)])
            _assert_same(pending.after, _content(lake, pending.truth), f"after pair {nth + 1}")
            assert_well_formed(lake, pending.truth)


@pytest.fixture(scope="module")
def pending(tmp_path_factory: pytest.TempPathFactory) -> Pending:
    """Creates a lake with a folded full fetch, and with unfolded deltas and full fetches."""
    folder = tmp_path_factory.mktemp("pending")
    lake = folder / "lake"
    with living_twin(integrations=4, rows=ROWS) as living:
        backfill_of(living.twin, lake).must_succeed()
        with service_of(living.twin, folder, lake=str(lake)) as service:
            service.settings["sinks"]["lake"]["fold"] = {"enabled": False}
            _change(living, ["ats", "hris", "lms"])
            # At its start the service fetches a delta of every table.
            _run_once(service)
            _change(living, ["ats", "hris", "lms"])
            service.source["endpoints"] = FETCHED_AGAIN
            service.source["schedule"]["full_interval_secs"] = 3
            _run_once(service)
            del service.source["endpoints"]
            del service.source["schedule"]["full_interval_secs"]
            _change(living, ["hris"])
            _change(living, ["ats"], COPIED_NOWHERE)
            _run_once(service)
        truth = living.truth(folder / "truth")
    before = _content(lake, truth)
    with _copy(lake) as undisturbed:
        began = time.monotonic()
        outcome = fold(undisturbed)
        seconds = time.monotonic() - began
        shown("fold", outcome, 8)
        after = _content(undisturbed, truth)
    changed = sum(before[table] != after[table] for table in after)
    print(f"    {changed} of {len(after)} tables had something to fold, {seconds:.1f} s", flush=True)
    assert changed > len(after) // 2, "little was pending: little is proven"
    return Pending(lake, truth, before, after, seconds)


def _change(living: Living, categories: list[str], only: Sequence[str] = ()) -> None:
    for category in categories:
        (one,) = living.twin.of(category)
        own = [table[0] for table in tables_of(living.twin.truth) if table[1] == one and table[0].models]
        own = [endpoint for endpoint in own if endpoint.path in only or not only]
        for nth in range(CHANGES):
            kind = ("edit", "edit", "hire", "delete")[nth % 4]
            endpoint = own[nth // 4 % len(own)]
            if kind == "delete" and not endpoint.include_deleted:
                kind = "edit"
            # A hire also creates parent records, of which other rows have copies.
            kind = "edit" if only and kind == "hire" else kind
            living.change(kind, one.id, endpoint.path)


def _run_once(service: Service) -> None:
    service.start_and_wait()
    if "full_interval_secs" in service.source["schedule"]:
        # The service never becomes idle.
        time.sleep(6)
    else:
        service.until_quiet()
    assert service.stop() == 0, service.printed()[-2000:]


@contextmanager
def _copy(lake: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "lake"
        shutil.copytree(lake, copy)
        yield copy


def _content(lake: Path, truth: Truth) -> Content:
    """Returns every row of `current` in every column, by table and id."""
    found: Content = {table: {} for table in tables_of(truth)}
    for endpoint in {table[0]: None for table in found}:
        if last_version(uri := current(lake, endpoint)) < 0:
            continue
        for table in found:
            if table[0] == endpoint:
                found[table] = rows_of(uri, table[1].key)
        rows = len(read_current(lake, endpoint, ["id"]))
        known = sum(len(own) for table, own in found.items() if table[0] == endpoint)
        assert rows == known, f"current of {endpoint.path} has rows of nobody"
    return found


def _assert_same(wanted: Content, found: Content, when: str) -> None:
    wrong = []
    for table, rows in wanted.items():
        other = found[table]
        columns = {
            name
            for key in rows.keys() & other.keys()
            for name in rows[key].keys() | other[key].keys()
            if rows[key].get(name) != other[key].get(name)
        }
        missing, more = len(rows.keys() - other.keys()), len(other.keys() - rows.keys())
        if columns or missing or more:
            wrong.append(f"{table[0].path} of {table[1].id}: {missing} missing, {more} too many, {sorted(columns)} differ")
    assert not wrong, f"{when}:\n" + "\n".join(wrong[:40])


def _assert_each_table_is_old_or_new(lake: Path, pending: Pending) -> bool:
    """Fails when a table is neither as before nor as after the fold. Returns whether there are tables of both kinds."""
    found = _content(lake, pending.truth)
    old = {table for table, rows in found.items() if rows == pending.before[table]}
    new = {table for table, rows in found.items() if rows == pending.after[table]}
    torn = [f"{table[0].path} of {table[1].id}" for table in found.keys() - old - new]
    assert not torn, f"neither before nor after: {torn[:20]}"
    return bool(new - old) and bool(old - new)


def _data_files(lake: Path) -> set[str]:
    return {str(file) for file in lake.glob("**/*.parquet")}


def _killed(process: "subprocess.Popen[bytes]", after: float) -> bool:
    """Kills a run after `after` seconds. Returns whether the run was still running then."""
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)
        return process.returncode == -signal.SIGKILL
    assert process.returncode == 0, f"a run that was not killed ended with {process.returncode}"
    return False


def _assert_all_succeed(processes: "list[subprocess.Popen[bytes]]") -> None:
    try:
        codes = [one.wait(timeout=END_SECONDS) for one in processes]
    finally:
        for one in processes:
            if one.poll() is None:
                one.kill()
                one.wait(timeout=10)
    assert codes == [0] * len(codes), f"exit codes {codes}"
