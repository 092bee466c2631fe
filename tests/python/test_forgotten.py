"""Tests that what Kombo has forgotten is in no byte of the lake: of deleted customers, and of single records."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import deltalake
import lake as lakes
from canaries import found
from clock import Clock
from people_api import BIRTHDAY, GONE, STAYS, PeopleApi, forgotten, running_people
from product import BINARY, Outcome, Twin, run
from schemas import endpoint
from service import service_of
from truth import Truth
from webhooks import data_changed

EMPLOYEES = endpoint("hris/employees")
DAY = 86_400
MARK, OTHERS = "CNRYA", "CNRYB"
# Of the customer that stays: of a person that Kombo forgets, and of a row without an id.
PERSON, NAMELESS = "CNRYX", "CNRYB without an id"
LEFTOVER = "part-00000000-0000-4000-8000-000000000000.zstd.parquet#1"


@dataclass
class Past:
    """A lake whose history begins months ago: the program, Kombo and the files of the lake show the same day."""

    folder: Path
    api: PeopleApi
    clock: Clock
    begun: float
    printed: list[str] = field(default_factory=list)

    @property
    def lake(self) -> Path:
        """Returns the lake's folder."""
        return self.folder / "lake"

    def on_day(self, days: float, verb: str, *arguments: str) -> Outcome:
        """Runs a verb on a day, and dates the files that it wrote."""
        at = self.begun + days * DAY
        self.api.now = at
        self.clock.show(int(at * 1000))
        environment = {**os.environ, **self.clock.environment(), "KOMBO_API_KEY": "a-key"}
        command = [BINARY, verb, *arguments, "--lake-url", str(self.lake)]
        done = run(command, environment)
        for path in self.lake.rglob("*"):
            if path.is_file() and path.stat().st_mtime > at:
                os.utime(path, (at, at))
        self.printed.append(done.text)
        return done

    def backfill(self, days: float, *arguments: str) -> Outcome:
        """Fetches both customers."""
        both = ("--integration", GONE, "--integration", STAYS)
        table = ("--endpoint", EMPLOYEES.path, "--api-url", self.api.url, "--no-rate-limit")
        return self.on_day(days, "backfill", *both, *table, *arguments)

    def purge(self, days: float, *arguments: str) -> Outcome:
        """Purges whoever is deleted."""
        return self.on_day(days, "purge", "--after", "0d", "--api-url", self.api.url, *arguments)

    def marks(self) -> dict[str, list[str]]:
        """Returns which marks of the deleted customer are in the lake."""
        return found(self.lake, [MARK, BIRTHDAY])

    def rows(self, part: str) -> list[tuple[str, str | None]]:
        """Returns id and first name of the rows of a table."""
        uri = f"{self.lake}/{EMPLOYEES.table}/{part}"
        rows = lakes.read_reference(uri, columns=["id", "first_name"])
        return sorted((row["id"], row["first_name"]) for row in rows)

    def assert_printed_no_mark(self) -> None:
        """Fails if any verb has printed a value of a row."""
        text = "\n".join(self.printed)
        for mark in (MARK, OTHERS, PERSON, BIRTHDAY):
            assert mark not in text, f"{mark} was printed"


def test_after_a_purge_and_upkeep_no_byte_of_the_customer_is_left() -> None:
    with _deleted_customer() as past:
        done = past.purge(10.2, "--yes")
        assert done.code == 0 and f"purged   {GONE}" in done.stdout, done.text
        assert all(MARK not in row[0] for part in _PARTS for row in past.rows(part))
        assert past.marks(), "the scan finds what is still there"

        early = past.on_day(11, "upkeep")
        assert early.code == 0 and past.marks(), early.text
        before = {part: past.rows(part) for part in _PARTS}
        aged = past.on_day(30, "upkeep")
        assert aged.code == 0, aged.text
        assert past.marks() == {}
        assert not (past.lake / EMPLOYEES.table / "deltas" / LEFTOVER).exists()
        assert {part: past.rows(part) for part in _PARTS} == before
        _the_lake_goes_on(past, 31)
        past.assert_printed_no_mark()


def test_a_purge_at_once_leaves_no_byte_of_the_customer() -> None:
    with _deleted_customer() as past:
        planned = past.purge(10.2, "--now")
        assert "nothing is changed" in planned.stdout and past.marks(), planned.text
        for warning in ("running fail and have to start again", "versioning, soft delete"):
            assert warning in planned.stdout, planned.text
        done = past.purge(10.2, "--now", "--yes")
        assert done.code == 0 and f"purged   {GONE}" in done.stdout, done.text
        assert "versioning, soft delete" in done.stdout, done.text
        assert past.marks() == {}
        _no_earlier_version_can_be_read(past)
        _the_lake_goes_on(past, 11)
        again = past.purge(11.1, "--now", "--yes", "--integration", GONE)
        assert again.code == 0 and past.marks() == {}, again.text
        kept = past.on_day(30, "upkeep")
        assert kept.code == 0, kept.text
        _the_lake_goes_on(past, 31)
        past.assert_printed_no_mark()


def test_what_was_purged_before_can_be_deleted_at_once() -> None:
    with _deleted_customer() as past:
        assert past.purge(10.2, "--yes").code == 0
        assert past.marks()
        unnamed = past.purge(10.3, "--now", "--yes")
        assert unnamed.stdout == "nothing to purge\n" and past.marks(), unnamed.text
        named = past.purge(10.3, "--now", "--yes", "--integration", GONE)
        assert named.code == 0 and past.marks() == {}, named.text
        past.api.missing.clear()
        alive = past.purge(10.4, "--now", "--yes", "--integration", GONE)
        assert alive.code == 0 and f"stays    {GONE}" in alive.stdout, alive.text


def test_what_kombo_forgot_of_one_person_is_in_no_byte_after_retention_and_upkeep() -> None:
    with _history() as past:
        key = f"{OTHERS}000007"
        past.api.edit(STAYS, key, True, first_name=f"{PERSON} Jane", ssn=f"{PERSON}-1")
        assert past.backfill(1, "--mode", "delta").code == 0
        assert (key, f"{PERSON} Jane") in past.rows("current")
        deleted_at = time.strftime("%Y-%m-%dT00:00:00.000Z", time.gmtime(past.begun + DAY))
        past.api.people[STAYS][key] = forgotten(key, deleted_at)
        assert past.backfill(16).code == 0
        assert past.rows("current") and key not in dict(past.rows("current"))
        assert past.on_day(20, "upkeep").code == 0
        assert found(past.lake, [PERSON]) and found(past.lake, [NAMELESS])
        for day in (44, 60):
            kept = past.on_day(day, "upkeep")
            assert kept.code == 0, kept.text
        assert found(past.lake, [PERSON, NAMELESS]) == {}
        assert len(found(past.lake, [OTHERS])[OTHERS]) > 1, "the others are still there"
        past.assert_printed_no_mark()


def test_values_of_rows_are_in_data_files_only_and_the_log_tells_ids_at_most() -> None:
    with tempfile.TemporaryDirectory() as name, running_people() as api:
        api.say(GONE, MARK)
        api.say(STAYS, OTHERS)
        (Path(name) / "integrations.json").write_text("[]")
        twin = Twin(api.url, "a-key", Truth(Path(name)), "")
        with service_of(twin, Path(name), integrations=[GONE, STAYS]) as service:
            service.source["endpoints"] = [EMPLOYEES.path]
            service.start_and_wait()
            service.until_fetched(2)
            service.until_quiet()
            for key in (f"{MARK}000001", f"{MARK}000002"):
                api.changed.clear()
                api.edit(GONE, key, True, first_name=f"{MARK} edited")
                fetches = service.fetches()
                service.accepts(data_changed(GONE, ["hris_employees"]))
                service.until_fetched(fetches + 1)
                service.until_quiet()
            assert MARK not in service.metrics().text
            status = service.verb("status", "--json")
            assert MARK not in status.text, "the status shows a value"
            # Notes for the next start are there as well after a crash.
            service.kill()
        below = Path(name)
        for file in found(below, [MARK])[MARK]:
            parts = file.split("/")
            assert MARK.lower() not in file.lower(), f"the path {file} shows a value"
            assert parts[1] == "lake" and parts[2] in _WITH_ROWS, f"{file} holds a value"
        texts = [f"{MARK} ", f"{MARK}-", f"{MARK}@", BIRTHDAY]
        everywhere = found(below, texts)
        assert set(everywhere) == set(texts), "the data files hold every text"
        for text, files in everywhere.items():
            told = [file for file in files if "_delta_log" in file]
            assert not told, f"{text!r} is in the logs {told}"


_PARTS = ("snapshots", "deltas", "current")
_WITH_ROWS = ("hris_employees", "kombo_drift", "kombo_quarantine")


def _the_lake_goes_on(past: Past, day: float) -> None:
    """Fetches the other customer once more: a change arrives, and nothing else changes."""
    before = past.rows("current")
    key = f"{OTHERS}000003"
    name = f"{OTHERS} on day {day}"
    past.api.edit(STAYS, key, True, first_name=name)
    table = ("--endpoint", EMPLOYEES.path, "--api-url", past.api.url, "--no-rate-limit")
    done = past.on_day(day, "backfill", "--mode", "delta", "--integration", STAYS, *table)
    assert done.code == 0, done.text
    expected = [(one, name if one == key else said) for one, said in before]
    assert past.rows("current") == expected
    status = past.on_day(day, "status", "--json")
    states = {one["integration"]: one["state"] for one in json.loads(status.stdout)["integrations"]}
    assert states == {GONE: "purged", STAYS: "active"}


def _no_earlier_version_can_be_read(past: Past) -> None:
    read = 0
    for part in _PARTS:
        uri = f"{past.lake}/{EMPLOYEES.table}/{part}"
        newest = deltalake.DeltaTable(uri).version()
        for version in range(newest):
            try:
                rows = deltalake.DeltaTable(uri, version=version).to_pyarrow_table(columns=["id"])
            except Exception as error:  # noqa: BLE001, each engine has its own
                assert MARK not in str(error)
                read += 1
            else:
                raise AssertionError(f"version {version} of {part} shows {rows.num_rows} rows")
    assert read, "there are earlier versions"


@contextmanager
def _deleted_customer() -> Iterator[Past]:
    """Makes rows of a customer in every table and in every way, until Kombo has not found it twice."""
    with _history() as past:
        past.api.edit(GONE, f"{MARK}000001", True, first_name=f"{MARK} edited")
        past.api.edit(STAYS, f"{OTHERS}000001", True, first_name=f"{OTHERS} edited")
        assert past.backfill(1, "--mode", "delta").code == 0
        # Nobody announced this change, so the next full fetch finds a drifted row.
        past.api.edit(GONE, f"{MARK}000002", False, first_name=f"{MARK} drifted")
        assert past.backfill(8).code == 0
        past.api.missing.add(GONE)
        for day in (9, 10.1):
            failed = past.backfill(day, "--mode", "delta")
            assert failed.code == 1, failed.text
        leftover = past.lake / EMPLOYEES.table / "deltas" / LEFTOVER
        leftover.write_text(f"{MARK} of a writer that was killed")
        os.utime(leftover, (past.begun + 5 * DAY, past.begun + 5 * DAY))
        tables = ("hris_employees/snapshots", "hris_employees/deltas", "hris_employees/current")
        marked = found(past.lake, [MARK])[MARK]
        for table in (*tables, "kombo_drift", "kombo_quarantine"):
            for kind in ("zstd.parquet", "json"):
                if kind == "json" and table == "kombo_quarantine":
                    continue
                holds = [one for one in marked if one.startswith(table) and one.endswith(kind)]
                assert holds, f"no mark in the {kind} files of {table}: the scan would prove little"
        yield past


@contextmanager
def _history() -> Iterator[Past]:
    """Fetches both customers for the first time, 100 days ago."""
    begun = time.time() - 100 * DAY
    with tempfile.TemporaryDirectory() as name, running_people(begun) as api:
        past = Past(Path(name), api, Clock(Path(name) / "clock", int(begun * 1000)), begun)
        api.say(GONE, MARK)
        api.say(STAYS, OTHERS)
        first = past.backfill(0)
        assert first.code == 0, first.text
        api.nameless.clear()
        yield past
