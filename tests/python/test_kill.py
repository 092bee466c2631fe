"""Tests that a backfill that is killed and run again gives the same lake as an undisturbed one."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import lake as lakes
from product import backfill_of, running_twin

KILLS = 50
MAX_RUNS = 150
SKIP = ("--skip-newer-than", "12h")


def test_fifty_kills_at_random_moments_change_nothing_in_the_end(tmp_path: Path) -> None:
    seed = int(os.environ.get("KOMBO_TEST_SEED") or time.time_ns() % 1_000_000)
    print(f"    seed {seed}: repeat with KOMBO_TEST_SEED={seed}", flush=True)
    chance = random.Random(seed)
    undisturbed = tmp_path / "undisturbed"
    with running_twin("--no-rate-limit", rows=20) as twin:
        began = time.monotonic()
        backfill_of(twin, undisturbed).must_succeed()
        whole_run = time.monotonic() - began
        wanted = lakes.hashes(undisturbed, twin.truth)

        kills = runs = after_commits = 0
        lake, ended = tmp_path / "lake-0", True
        while kills < KILLS and runs < MAX_RUNS:
            runs += 1
            commits = _commits(lake)
            # A killed run continues where it stopped. After a run that ended, the next one starts again: with an empty
            # lake, or with a lake in which all snapshots are replaced.
            process = backfill_of(twin, lake, *(() if ended else SKIP)).start()
            ended = not _killed(process, chance.uniform(0, whole_run))
            if ended:
                assert lakes.hashes(lake, twin.truth) == wanted, f"run {runs} ended wrong"
                lake = chance.choice((lake, tmp_path / f"lake-{runs}"))
            else:
                kills += 1
                after_commits += _commits(lake) > commits
        print(f"    {kills} kills in {runs} runs, {after_commits} after a commit", flush=True)
        assert kills == KILLS, f"only {kills} of {runs} runs could be killed"
        assert after_commits, "every kill came before the first commit: nothing was proven"

        backfill_of(twin, lake, *SKIP).must_succeed()
        lakes.assert_equals_truth(lake, twin.truth)
        assert lakes.hashes(lake, twin.truth) == wanted


def _commits(lake: Path) -> int:
    return len(list(lake.glob("*/*/_delta_log/*.json")))


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
