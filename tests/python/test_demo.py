"""Tests that what `demo` prints works as printed, and says what the truth says."""

import datetime as dt
import os
import re
import statistics
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import lake as lakes
from product import BINARY, Outcome, Twin, backfill_of, run, running_twin
from proxy import running_proxy
from readers import READERS, duckdb_with_extensions
from schemas import endpoint

APPLICATIONS = endpoint("ats/applications")
ROWS = 300
CHANGES = 3
LONG_AGO = "1990-01-01T00:00:00.000Z"
Records = list[dict[str, Any]]


def test_the_printed_queries_say_what_the_truth_says(lake: Path) -> None:
    start = _midnight()
    with running_twin("--no-rate-limit", "--start", start, rows=1_500) as twin:
        printed = _demo(lake, "--rows", "1500", "--start", start).stdout
        employees = _live(twin, "hris/employees")
        jobs = _live(twin, "ats/jobs")
        applications = _live(twin, "ats/applications")
        offers = _live(twin, "ats/offers")
    answers = _answers(printed)
    assert len(answers) == 5, list(answers)

    working = [one for one in employees if one.get("employment_status") in ("ACTIVE", "LEAVE")]
    cities = Counter(_inside(one, "work_location", "address", "city") or "unknown" for one in working)
    _assert_top(answers["headcount by city"], cities)
    groups = [group for one in working for group in one.get("groups") or []]
    departments = Counter(group.get("name") for group in groups if group.get("type") == "DEPARTMENT")
    _assert_top(answers["headcount by department"], departments)
    today = dt.datetime.now(dt.UTC).date()
    left = [one for one in employees if one.get("termination_date")]
    left = [(dt.date.fromisoformat(one["termination_date"][:10]), one) for one in left]
    leavers = [(day, one) for day, one in left if today - dt.timedelta(days=30) <= day <= today]
    leavers.sort(key=lambda leaver: (-leaver[0].toordinal(), leaver[1]["id"]))
    assert leavers, "nobody left: nothing is proven"
    assert answers["who left in the last 30 days"] == [
        (day, one.get("display_full_name"), one.get("job_title")) for day, one in leavers[:5]
    ]
    open_jobs = Counter(one.get("department") for one in jobs if one.get("status") == "OPEN")
    _assert_top([row[:2] for row in answers["open jobs, and for how many days they have been open"]], open_jobs)

    accepted = {one["application_id"]: one for one in offers if one.get("status") == "ACCEPTED"}
    hired = [one for one in applications if one.get("outcome") == "HIRED" and one["id"] in accepted]
    hires = Counter(_job(one) for one in hired)
    answer = answers["time to hire: days from the application to the offer that was accepted"]
    _assert_top([row[:2] for row in answer], hires)
    for job, _, days in answer:
        pairs = [(one, accepted[one["id"]]) for one in hired if _job(one) == job]
        took = [(_day(offer) - _day(one)).days for one, offer in pairs if _day(offer) and _day(one)]
        assert days == statistics.median(took), job


def test_right_after_the_demo_every_table_is_fresh(lake: Path) -> None:
    _demo(lake, "--rows", "60")
    status = run([BINARY, "status", "--lake-url", str(lake)])
    assert status.code == 0, status.text
    assert "36 tables fresh" in status.text


def test_the_demo_says_how_many_rows_are_deleted(lake: Path) -> None:
    printed = _demo(lake, "--rows", str(ROWS)).stdout
    tables = [path for path in lake.iterdir() if (path / "current").is_dir()]
    rows = {
        part: sum(len(lakes.read_reference(str(path / part), columns=["id"])) for path in tables)
        for part in ("snapshots", "current")
    }
    assert printed.startswith(f"{rows['snapshots']:,} rows of 4 made-up customers"), printed[:200]
    deleted = rows["snapshots"] - rows["current"]
    assert deleted > 0
    assert f"Deleted records are in `snapshots` only: {deleted:,} rows here." in printed


def test_duckdb_takes_its_extension_from_pypi_as_printed(lake: Path, tmp_path: Path) -> None:
    printed = _demo(lake, "--rows", "20").stdout
    command = printed[printed.index('python3 -c "') :].replace("python3", sys.executable, 1)
    home = {**os.environ, "HOME": str(tmp_path)}
    done = run(["sh", "-c", command], home)
    assert done.code == 0, done.text
    program = "import duckdb, sys; print(duckdb.sql(sys.argv[1]).fetchone())"
    query = f"INSTALL delta; LOAD delta; SELECT count(*) FROM delta_scan('{lake}/ats_jobs/current')"
    done = run([sys.executable, "-c", program, query], home)
    assert done.code == 0, done.text


def test_a_delta_after_the_demo_repeats_deleted_rows_only_and_each_engine_reads_current(lake: Path) -> None:
    start = _midnight()
    with running_twin("--no-rate-limit", "--start", start, rows=ROWS) as twin:
        _demo(lake, "--rows", str(ROWS), "--start", start)
        live = sorted(one["id"] for one in _live(twin, "ats/applications"))
        # The demo's companies are those of any twin with its seed and start, so a delta can follow. Asked for changes
        # since long ago, the twin sends all rows again. Unchanged rows of `current` are dropped. Only rows that were
        # deleted before the first full fetch are written once more, so their ids are both in the snapshot and in the
        # deltas.
        with running_proxy(twin.url, updated_after=LONG_AGO) as proxy:
            arguments = ("--mode", "delta", "--endpoint", APPLICATIONS.path, "--api-url", proxy.url)
            ids = [word for one in twin.of("ats") for word in ("--integration", one.id)]
            command = [BINARY, "backfill", "--lake-url", str(lake), *ids, *arguments]
            outcome = run([*command, "--no-rate-limit"], backfill_of(twin, lake).environ())
            assert outcome.code == 0, outcome.text[-4000:]
        observed = lakes.read_reference(lakes.deltas(lake, APPLICATIONS), columns=["id"])
        # An anonymised row has no `changed_at` that could be later than anything.
        rows = twin.truth.rows(APPLICATIONS)
        deleted = [row for row in rows if row["_op"] == "delete" and row["changed_at"] is not None]
        assert deleted, "nothing was deleted"
        assert sorted(row["id"] for row in observed) == sorted(row["id"] for row in deleted)
        for reader in READERS:
            found = reader.read(f"{lake}/ats_applications/current", columns=["id"])
            assert sorted(row["id"] for row in found) == live, f"{reader.name} lacks rows or repeats them"


def test_the_live_demo_shows_each_change_up_to_its_row_and_ends_by_itself(lake: Path) -> None:
    lines = _demo(lake, "--live", "--changes", str(CHANGES), "--rows", str(ROWS)).stdout.splitlines()
    text = "\n".join(lines)
    for stage in ("change", "webhook", "fetched", "committed", "row visible"):
        told = [line for line in lines if line[20:].startswith(f"{stage} ")]
        assert len(told) >= CHANGES, f"{stage}: {text}"
    assert all(len(line) <= 80 for line in lines if "delta_scan" not in line), text
    queries = re.findall(r"  SELECT id, _op(?s:.)*?;", text)
    found = []
    for query in queries:
        ((row, op, changed, fetched),) = duckdb_with_extensions().execute(query).fetchall()
        assert op in ("upsert", "delete")
        assert changed is not None and fetched is not None
        found.append(row)
    assert len(set(found)) == CHANGES, "the queries do not find one row for each change"
    assert f"{CHANGES} changes, {CHANGES} of them in the lake; {CHANGES} webhooks." in lines

    # The second change hires a person. At the end the person is in `current`.
    hired = text.split("The person who was hired is in `current` now:\n")[1]
    ((name, *_),) = duckdb_with_extensions().execute(hired).fetchall()
    assert name is None or " " in name
    assert found[1] in hired


def _demo(lake: Path, *arguments: str) -> Outcome:
    done = run([BINARY, "demo", "--lake-url", str(lake), *arguments])
    assert done.code == 0, done.text[-4000:]
    return done


def _midnight() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT00:00:00.000Z")


def _answers(printed: str) -> dict[str, list[Any]]:
    """Runs what is printed for DuckDB, and returns the rows by the title of each query."""
    connection = duckdb_with_extensions().cursor()
    setup, *queries = printed[printed.index("INSTALL delta") :].split("\n\n-- ")
    # The extension comes from a wheel here, not from DuckDB's site.
    install, views = setup.split("\n", 1)
    assert install == "INSTALL delta; LOAD delta;", install
    connection.execute("CREATE SCHEMA demo; USE demo")
    try:
        connection.execute(views)
        answers = {}
        for query in queries:
            title, sql = query.split("\n\n")[0].split("\n", 1)
            answers[title] = connection.execute(sql).fetchall()
        return answers
    finally:
        connection.execute("USE main; DROP SCHEMA demo CASCADE")


def _live(twin: Twin, name: str) -> Records:
    """Returns the records of an endpoint that are not deleted."""
    table = endpoint(name)
    records = [one for whose in twin.of(table.category) for one in twin.truth.records(table, whose)]
    live = [one for one in records if one["remote_deleted_at"] is None]
    assert 5 < len(live) < len(records), f"no deleted rows in {name}: nothing is proven"
    return live


def _inside(record: Any, *path: str) -> Any:
    for name in path:
        record = record and record.get(name)
    return record


def _job(application: Any) -> Any:
    return _inside(application, "job", "name") or "unknown"


def _day(record: dict[str, Any]) -> dt.date | None:
    created = record.get("remote_created_at")
    return dt.date.fromisoformat(created[:10]) if created else None


def _assert_top(rows: list[Any], counts: Counter[Any]) -> None:
    """Asserts that the rows are five values with the highest counts. Equal counts may be in any order."""
    assert [number for _, number in rows] == sorted(counts.values(), reverse=True)[:5]
    assert all(counts[value] == number for value, number in rows), rows
