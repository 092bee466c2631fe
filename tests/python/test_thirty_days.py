"""Tests thirty days with half of the webhooks lost: after each weekly full fetch `current` is the truth, with drift."""

import datetime as dt
import os
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from current import (
    Table,
    assert_current_equals_truth,
    assert_well_formed,
    current,
    whole_live_view,
)
from deltalog import txn
from drifts import Changed, Told, Verdict, World, drift_of
from fulls import Full, Fulls, delta_rows, micros, without_tombstone
from living import Living, living_twin
from month import DAY, HOUR, MINUTE, Bell, Days, start_of, until_still
from product import free_port
from readers import Row
from schemas import endpoint
from service import PATH, Service, service_of
from truth import Integration
from verbs import must, shown, verb

DAYS = int(os.environ.get("KOMBO_TEST_MONTH_DAYS") or 30)
STEP_HOURS = int(os.environ.get("KOMBO_TEST_MONTH_STEP_HOURS") or 24)
INTEGRATIONS = int(os.environ.get("KOMBO_TEST_MONTH_INTEGRATIONS") or 4)
ROWS = int(os.environ.get("KOMBO_TEST_MONTH_ROWS") or 60)
LOST_PERCENT = 50
# In each step the world changes twice for twenty minutes, once a minute, and then rests.
TURNS, TURN = 2, 20 * MINUTE
FOLD_SECONDS = 60
# The weekly full fetch of an integration comes four times in thirty days, and five times for some.
LEAST_FULLS = 3


def test_drift_too_many_too_few_or_for_another_reason_is_caught() -> None:
    table = endpoint("ats/tags"), Integration("greenhouse:a", "ats", "greenhouse-a-0")
    morning, noon = (dt.datetime(2026, 1, 5, hour, tzinfo=dt.UTC) for hour in (8, 12))
    known = {key: _tag(table, key, morning, 1) for key in ("same", "lost", "told", "gone")}
    found = {key: _tag(table, key, noon, 1) for key in ("same", "told")}
    found["lost"] = _tag(table, "lost", noon, 2, name="new", changed_at=morning + dt.timedelta(hours=1))
    found["gone"] = _tag(table, "gone", noon, 2, _op="delete", changed_at=morning + dt.timedelta(hours=2))
    full = Full(table, micros(noon), micros(noon), found, known)
    at = micros(morning)
    changes = [
        Changed(at + HOUR * 1_000_000 * nth, table[1].id, key, frozenset(["ats_tags"]), "edit")
        for nth, key in ((1, "lost"), (2, "gone"))
    ]

    def wrong(drift: list[Row], told: tuple[Told, ...] = ()) -> int:
        verdict = Verdict()
        verdict.judge(full, drift, World(changes, list(told)), at)
        return len(verdict.wrong)

    lost = _drift(full, "lost", "update", ["name"])
    gone = _drift(full, "gone", "delete", [])
    assert not wrong([lost, gone])
    assert wrong([lost]), "a row is not named"
    assert wrong([lost, gone, _drift(full, "same", "update", ["name"])]), "a row is named that is the same"
    assert wrong([lost, gone, gone]), "a row is named twice"
    for other in ({"kind": "nested"}, {"cause": "not_surfaced"}, {"columns": ["color"]}, {"changed_at": noon}):
        assert wrong([lost | other, gone]), f"{other} is wrong"
    late = Told(at + 3 * HOUR * 1_000_000, table[1].id, frozenset(["ats_tags"]))
    assert wrong([lost, gone], (late,)), "a webhook told of it, and no delta brought it"
    early = Told(at + HOUR * 500_000, table[1].id, frozenset(["ats_tags"]))
    assert not wrong([lost, gone], (early,)), "the webhook came before the change"


def _tag(table: Table, key: str, at: dt.datetime, version: int, **changes: Any) -> Row:
    columns = {one.name: None for one in table[0].fields}
    system = {"_op": "upsert", "_hash": version, "_fetched_at": at, "_fetch_id": "f", "_rest": None}
    return {**columns, "id": key, "name": "old", "changed_at": at, **system, **changes}


def _drift(full: Full, key: str, kind: str, columns: list[str]) -> Row:
    assert full.known is not None
    new, fetched = full.found[key], full.found[key]["_fetched_at"]
    return {
        "id": key,
        "kind": kind,
        "cause": "no_notification",
        "columns": columns,
        "_integration_id": full.table[1].id,
        "_fetched_at": fetched,
        "known_fetched_at": full.known[key]["_fetched_at"],
        "changed_at": new["changed_at"],
        "wrong_since": new["changed_at"],
        "wrong_secs": (micros(fetched) - micros(new["changed_at"])) // 1_000_000,
    }


def test_after_each_full_fetch_of_a_month_current_is_the_truth_and_drift_is_what_was_lost() -> None:
    seed, start = int(os.environ.get("KOMBO_TEST_SEED") or 1), start_of(DAYS + 1)
    start = os.environ.get("KOMBO_TEST_START") or start
    print(f"    repeat with KOMBO_TEST_SEED={seed} KOMBO_TEST_START={start}", flush=True)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, port = Path(name), free_port()
        living = stack.enter_context(
            living_twin(
                *("--start", start, "--webhook-url", f"http://127.0.0.1:{port}{PATH}"),
                *("--changes-per-minute", "1", "--debounce-ms", "1000"),
                *("--lose-webhooks", str(LOST_PERCENT)),
                integrations=INTEGRATIONS,
                rows=ROWS,
                seed=seed,
            )
        )
        living.pause()
        service = stack.enter_context(service_of(living.twin, folder))
        service.source["webhook"]["address"] = f"127.0.0.1:{port}"
        service.environment["KOMBO_WEBHOOK_SECRET"] = living.twin.webhook_secret
        service.source["schedule"] = {
            "full_interval_secs": 7 * DAY,
            "heartbeat_interval_secs": 1_000 * DAY,
        }
        service.settings["sinks"]["lake"]["fold"] = {"enabled": True, "max_age_secs": 1}
        service.start_and_wait()
        service.until_quiet()
        month = Month(living, service, folder)
        month.pass_by()
        assert service.stop() == 0, service.printed()[-2000:]
        month.end()


class Month:
    """Thirty days, with the checks during them."""

    def __init__(self, living: Living, service: Service, folder: Path) -> None:
        self.living, self.service, self.folder = living, service, folder
        hris = living.twin.of("hris")[-1]
        self.bell = Bell.of(living, service, hris.id, "hris")
        self.days = Days(living, self.bell)
        self.fulls = Fulls(service.lake, living.twin.truth)
        self.began: dict[Table, int] = {}
        self.verdict = Verdict()
        self.told: Counter[Table] = Counter()
        self.changes = self.rows = self.compared = self.overtaken = 0

    def pass_by(self) -> None:
        """Lets the days pass, and checks each full fetch when it is done."""
        self._look(0)
        for _ in range(DAYS * 24 // STEP_HOURS):
            for _ in range(TURNS):
                self.changes += self.days.live(TURN)
                until_still(self.living, self.service, 0.3)
            until_still(self.living, self.service)
            rested_us = self.living.now_ms() * 1000
            self.days.rest(STEP_HOURS * HOUR - TURNS * TURN)
            self._look(rested_us)

    def end(self) -> None:
        """Makes another full fetch of everything by hand, and checks the totals."""
        outcome = self.service.verb("backfill")
        assert outcome.code == 0, outcome.text[-3000:]
        self._look(0)
        assert_well_formed(self.service.lake, self.living.twin.truth)
        self._report()
        assert not self.verdict.wrong, "\n".join(self.verdict.wrong[:60])
        tables = len(self.fulls.tables)
        assert self.compared >= LEAST_FULLS * tables, f"only {self.compared} full fetches of {tables} tables"
        counts = self.verdict.counts
        assert counts["update/no_notification"] and counts["nested/not_surfaced"], dict(counts)
        silent = without_tombstone(self.service.lake, self.fulls.ever)
        assert not silent, "no tombstone in deltas:\n" + "\n".join(silent[:40])

    def _look(self, rested_us: int) -> None:
        """Checks the full fetches since the last call. Full fetches that began after the rest began saw all changes."""
        new = list(self.fulls.new())
        if not new:
            return
        for full in new:
            self._until_folded(full)
        deliveries = self.living.deliveries() + self.bell.rung
        world = World.read(self.living.journal(), deliveries)
        truth = self.living.truth(self.folder / f"truth-{time.monotonic_ns()}")
        last = {full.table: full for full in new}
        calm = [table for table, full in last.items() if full.since_us >= rested_us]
        self.rows += assert_current_equals_truth(self.service.lake, truth, calm)
        assert_current_equals_truth(self.service.lake, truth, calm, whole_live_view, "the live view")
        self.compared += len(calm)
        self.overtaken += len(new) - len(calm)
        for full in new:
            drift = drift_of(self.service.lake, full)
            if not self._is_compared(full):
                assert not drift, f"{full.name}: nothing could have told of what this full fetch found"
            else:
                self.told[full.table] += 1
                self.verdict.judge(full, drift, world, self.began[full.table])
                if last[full.table] is full:
                    self._completeness(full, len(drift))
            self.began[full.table] = full.since_us

    def _is_compared(self, full: Full) -> bool:
        """Returns whether deltas should have brought any row before a full fetch."""
        return full.known is not None and full.table[0].updated_after

    def _completeness(self, full: Full, drifted: int) -> None:
        """Fails unless the log of `kombo_drift` has the right counts of drifted and compared rows of a full fetch."""
        app = f"kombo/{full.table[1].key}/{full.table[0].table}"
        uri = f"{self.service.lake}/kombo_drift"
        rows, said = txn(uri, f"{app}/rows") or 0, txn(uri, f"{app}/drifted") or 0
        assert said == drifted, f"{full.name}: {drifted} rows drifted, the log says {said}"
        # Rows that are missing on either side count as well, and rows that deltas brought meanwhile.
        brought = {row["id"] for row in delta_rows(self.service.lake, full.table)}
        most = len(full.found.keys() | (full.known or {}).keys() | brought)
        assert drifted <= rows <= most, f"{full.name}: the log says {rows} rows of at most {most}"

    def _until_folded(self, full: Full) -> None:
        """Waits until a full fetch, or a later one, is in `current` and compared."""
        own, integration = full.table
        folded = current(self.service.lake, own)
        drift = f"{self.service.lake}/kombo_drift"
        app = f"kombo/{integration.key}"
        deadline = time.monotonic() + FOLD_SECONDS
        while True:
            snapshot = txn(folded, f"{app}/snapshot") or 0
            compared = txn(drift, f"{app}/{own.table}/compared") or 0
            if snapshot >= full.seen_us and (compared >= full.seen_us or not self._is_compared(full)):
                return
            state = f"current has {snapshot}, kombo_drift {compared}, snapshots {full.seen_us}"
            assert time.monotonic() < deadline, f"{full.name} was not folded: {state}"
            time.sleep(0.1)

    def _report(self) -> None:
        deliveries = [one for one in self.living.deliveries() if one["models"]]
        lost = sum(not one["sent"] for one in deliveries)
        print(
            f"    {DAYS} days, {self.changes} changes, {len(deliveries)} webhooks, {lost} lost; {self.compared} full fetches"
            f" of {len(self.fulls.tables)} tables compared, {self.rows} rows equal; {self.overtaken} overtaken by changes",
            flush=True,
        )
        print(f"    drift: {dict(sorted(self.verdict.counts.items()))}", flush=True)
        shown("drift --summary", verb("drift", self.service.lake, "--summary"))
        shown("drift", verb("drift", self.service.lake), 12)
        shown("status", verb("status", self.service.lake))
        again = must("fold", self.service.lake)
        shown("fold", again)
