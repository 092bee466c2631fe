"""Tests the verbs around a backfill: their output, that they change nothing else, and their exit codes."""

import re
import signal
import time
from pathlib import Path

import lake as lakes
from product import BINARY, Backfill, Outcome, backfill_of, run, running_twin
from schemas import endpoint

FAILED = 1
INTERRUPTED = 130
TABLES = 36


def test_a_generated_configuration_is_valid(lake: Path) -> None:
    generated = run([BINARY, "generate"])
    config = lake.parent / "kombo.yaml"
    config.write_text(generated.stdout)
    checked = run([BINARY, "validate", "--config", str(config)])
    assert (generated.code, checked.code) == (0, 0), checked.text


def test_check_says_ok_of_everything(lake: Path) -> None:
    with running_twin("--no-rate-limit") as twin:
        done = _like_backfill(backfill_of(twin, lake), "check")
        lines = done.stdout.splitlines()
        assert done.code == 0 and all(line.startswith("ok ") for line in lines), done.text
        for one in twin.truth.integrations:
            assert one.id in done.stdout, f"{one.id} is not mentioned"


def test_a_plan_names_every_table_and_writes_nothing(lake: Path) -> None:
    with running_twin("--no-rate-limit", rows=600) as twin:
        done = backfill_of(twin, lake, "--plan").must_succeed()
        planned = [line for line in done.stdout.splitlines() if re.match(r"\w+/[\w-]+ of ", line)]
        assert len(planned) == TABLES, done.stdout
        assert not list(lake.rglob("*")), "a plan wrote to the lake"

        # With a snapshot in the lake, the plan knows how many rows to expect.
        told = backfill_of(twin, lake, "--json").must_succeed().summary()
        again = backfill_of(twin, lake, "--plan").must_succeed()
        assert f"{told['rows']:,} rows" not in done.stdout
        assert f"{told['rows']:,} rows" in again.stdout, again.stdout[-300:]


def test_files_of_a_lake_that_is_not_there_say_so(lake: Path) -> None:
    done = run([BINARY, "files", "--table", "ats_jobs", "--lake-url", str(lake)])
    assert done.code == FAILED and "no lake" in done.text, done.text
    assert not list(lake.rglob("*")), "asking for files made a lake"


def test_an_interrupted_backfill_ends_with_130_and_shows_nothing_half_done(lake: Path) -> None:
    applications = endpoint("ats/applications")
    with (
        running_twin("--no-rate-limit", "--latency-ms", "100", rows=2_000) as twin,
    ):
        process = backfill_of(twin, lake).start()
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if any(lake.glob("*/snapshots/*/*.parquet")):
                process.send_signal(signal.SIGINT)
                break
            time.sleep(0.01)
        assert process.wait(timeout=30) == INTERRUPTED
        visible = lakes.row_count(lake, applications, twin.of("ats")[0])
        assert visible in (0, len(twin.truth.rows(applications)))
        backfill_of(twin, lake, "--skip-newer-than", "12h").must_succeed()
        lakes.assert_equals_truth(lake, twin.truth, only=[applications])


def _like_backfill(backfill: Backfill, verb: str) -> Outcome:
    command = [verb if word == "backfill" else word for word in backfill.command()]
    return run(command, backfill.environ())
