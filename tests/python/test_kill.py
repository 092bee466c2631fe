"""A backfill that is killed and run again ends where an undisturbed one ends."""

import os
import random
import signal
import subprocess
import time

import lake as lakes
from product import backfill_of, running_twin

KILLS = 50
MAX_RUNS = 150
SKIP = ("--skip-newer-than", "12h")


def test_fifty_kills_at_random_moments_change_nothing_in_the_end() -> None:
    seed = int(os.environ.get("KOMBO_TEST_SEED") or time.time_ns() % 1_000_000)
    print(f"    seed {seed}: repeat with KOMBO_TEST_SEED={seed}", flush=True)
    chance = random.Random(seed)
    with (
        running_twin("--no-rate-limit", rows=20) as twin,
        lakes.temporary_lake() as undisturbed,
        lakes.temporary_lake() as lake,
    ):
        began = time.monotonic()
        backfill_of(twin, undisturbed).must_succeed()
        whole_run = time.monotonic() - began

        kills = runs = 0
        start_over = True
        while kills < KILLS and runs < MAX_RUNS:
            runs += 1
            # A run that got to its end is followed by one that fetches everything anew, so that there is work to kill.
            process = backfill_of(twin, lake, *(() if start_over else SKIP)).start()
            start_over = not _killed(process, chance.uniform(0, whole_run))
            kills += not start_over
        assert kills == KILLS, f"only {kills} of {runs} runs could be killed"

        backfill_of(twin, lake, *SKIP).must_succeed()
        lakes.assert_equals_truth(lake, twin.truth)
        assert lakes.hashes(lake, twin.truth) == lakes.hashes(undisturbed, twin.truth)


def _killed(process: "subprocess.Popen[bytes]", after: float) -> bool:
    """Kills a run at the given moment; says whether it was still running, and not just ended."""
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)
        return process.returncode == -signal.SIGKILL
    assert process.returncode == 0, f"a run that was not killed ended with {process.returncode}"
    return False
