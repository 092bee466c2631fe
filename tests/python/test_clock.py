"""Tests that a wrong local clock loses no row, while the guide's example loses rows under the same clock and changes."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clock import Clock
from living import Living, living_twin
from newest import assert_newest_equal_truth
from schemas import endpoint
from service import SECRET, Service, service_of
from truth import Truth, load_json
from webhooks import data_changed

APPLICATIONS = endpoint("ats/applications")
SECOND_MS = 1_000
HOUR_MS = 3_600 * SECOND_MS
ROWS = 120
PAGE_SIZE = 25
ROUNDS = 3
LATENCY_MS = 400

Step = Callable[["Beside"], None]


@dataclass(frozen=True)
class Beside:
    """A service and the guide's example, with one clock and one twin."""

    living: Living
    clock: Clock
    service: Service
    guide: "Example"
    server_is_ahead_ms: int
    """Of this machine's clock: to ask for it takes as long as any answer."""

    @property
    def integration(self) -> str:
        """Returns the only integration."""
        return self.living.twin.truth.integrations[0].id

    def set_apart(self, ms: int) -> None:
        """Sets the local clock `ms` milliseconds ahead of the server's clock, or behind it if negative."""
        self.clock.show(int(time.time() * 1000) + self.server_is_ahead_ms + ms)


class Example:
    """The program `guide.py`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def order(self, what: str) -> Any:
        """Sends one order to the program, and returns the answer."""
        assert self.process.stdin and self.process.stdout, "both are pipes"
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the example ended before it had done {what!r}"
        return load_json(answer)


def test_a_clock_45_seconds_ahead_loses_no_row() -> None:
    _no_row_is_lost(45 * SECOND_MS, lambda _beside: None)


def test_a_clock_one_hour_behind_loses_no_row() -> None:
    _no_row_is_lost(-HOUR_MS, lambda _beside: None)


def test_a_clock_that_steps_in_the_middle_of_fetches_loses_no_row() -> None:
    steps = iter((HOUR_MS, -HOUR_MS, 45 * SECOND_MS, 0, 24 * HOUR_MS, -HOUR_MS, 60 * SECOND_MS))
    hits = 0

    def step(beside: Beside) -> None:
        nonlocal hits
        fetches = beside.service.fetches()
        time.sleep(LATENCY_MS / 2_000)
        beside.set_apart(next(steps))
        # A hit: the fetch that the earlier webhook caused has not ended yet.
        hits += beside.service.fetches() == fetches

    # Answers are slow, so that a step of the clock comes in the middle of a fetch.
    _no_row_is_lost(30 * SECOND_MS, step, "--latency-ms", str(LATENCY_MS))
    print(f"    {hits} steps came in the middle of a fetch", flush=True)
    assert hits >= ROUNDS // 2, f"only {hits} steps came in the middle of a fetch"


def _no_row_is_lost(apart_ms: int, step: Step, *arguments: str) -> None:
    """Changes rows one by one, each with a webhook. Fails unless the lake equals the truth and the guide's copy does not."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        living = stack.enter_context(living_twin(*arguments, integrations=1, rows=ROWS))
        living.pause()
        began_ms = int(time.time() * 1000)
        ahead_ms = living.now_ms() - began_ms
        clock = Clock(folder / "clock", began_ms + ahead_ms + apart_ms)
        service = stack.enter_context(_service(living, folder, clock))
        guide = stack.enter_context(_example(living, clock))
        beside = Beside(living, clock, service, guide, ahead_ms)
        service.start()
        service.until(service.is_listening, "takes webhooks", 60)
        step(beside)
        service.until_fetched(1)
        beside.guide.order("cron")
        for number in range(ROUNDS):
            _one_round(beside, number, step)
        assert service.stop() == 0, service.printed()[-2000:]

        truth = living.truth(folder / "truth")
        assert_newest_equal_truth(service.lake, truth, only=[APPLICATIONS])
        lost = _lost(beside.guide, truth)
        print(f"    the guide's example has {lost} of {ROUNDS + 1} changes wrong", flush=True)
        assert lost, "the guide's example lost nothing: this test proves nothing"


def _one_round(beside: Beside, number: int, step: Step) -> None:
    """Changes a row, sends the webhook to both, and waits until both have finished."""
    kind = "delete" if number % 3 == 2 else "edit"
    fetches = beside.service.fetches()
    beside.living.change(kind, beside.integration, APPLICATIONS.path)
    beside.service.accepts(data_changed(beside.integration, ["ats_applications"]))
    step(beside)
    beside.guide.order("webhook")
    beside.service.until_fetched(fetches + 1)


@contextmanager
def _service(living: Living, folder: Path, clock: Clock) -> Iterator[Service]:
    with service_of(living.twin, folder, environment=clock.environment()) as service:
        service.environment["KOMBO_WEBHOOK_SECRET"] = SECRET
        service.source["endpoints"] = [APPLICATIONS.path]
        service.source["request"]["page_size"] = PAGE_SIZE
        yield service


@contextmanager
def _example(living: Living, clock: Clock) -> Iterator[Example]:
    """Starts the guide's example with this clock; stops it at the end of the block."""
    integration = living.twin.truth.integrations[0].id
    program = Path(__file__).with_name("guide.py")
    process = subprocess.Popen(
        [sys.executable, str(program), living.twin.url, living.twin.key, integration],
        env={**os.environ, **clock.environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Example(process)
    finally:
        process.kill()
        process.communicate(timeout=10)


def _lost(guide: Example, truth: Truth) -> int:
    """Counts the rows that the example's copy lacks or has with other values than Kombo."""
    (integration,) = truth.integrations
    kept = guide.order("rows")
    right = {row["id"]: row for row in truth.records(APPLICATIONS, integration)}
    # Rows that were deleted before the example's first fetch do not count.
    gone = {row_id for row_id, row in right.items() if row["remote_deleted_at"] and row_id not in kept}
    return sum(1 for row_id in right.keys() - gone if kept.get(row_id) != right[row_id])
