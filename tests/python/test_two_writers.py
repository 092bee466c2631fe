"""Tests that two processes on one lake cannot hide each other's rows."""

import time
from pathlib import Path

import lake as lakes
from product import RUN_SECONDS, Backfill, backfill_of, running_twin


def test_two_backfills_of_the_same_tables_at_once_leave_every_table_right(lake: Path) -> None:
    with running_twin("--no-rate-limit", integrations=5) as twin:
        backfill = backfill_of(twin, lake)
        # The first pair also races to create the lake, and the second pair to replace its snapshots.
        for _ in range(2):
            _run_at_once(backfill, backfill)
            lakes.assert_equals_truth(lake, twin.truth)


def test_two_backfills_of_different_integrations_at_once_leave_both(lake: Path) -> None:
    with running_twin("--no-rate-limit", integrations=6) as twin:
        everybody = twin.truth.integrations
        halves = everybody[:3], everybody[3:]
        _run_at_once(*(backfill_of(twin, lake, only=half) for half in halves))
        lakes.assert_equals_truth(lake, twin.truth)


def _run_at_once(*backfills: Backfill) -> None:
    deadline = time.monotonic() + RUN_SECONDS
    processes = [backfill.start() for backfill in backfills]
    try:
        codes = [one.wait(timeout=max(1.0, deadline - time.monotonic())) for one in processes]
    finally:
        for one in processes:
            if one.poll() is None:
                one.kill()
                one.wait(timeout=10)
    # The loser of a race either adopts the winner's rows or writes its own rows after them.
    assert codes == [0] * len(codes), f"exit codes {codes}"
