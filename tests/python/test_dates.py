"""Tests impossible `Date` headers: they move nothing into the future, and a lake in the future is reported and repaired."""

import dataclasses
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lake as lakes
import pytest
import verbs
from clock import Clock
from current import read_current
from newest import assert_newest_equal_truth
from product import Backfill, Outcome, Twin, backfill_of, run, running_twin
from proxy import Dates, running_proxy
from schemas import endpoint

ABSURD = {
    "9999": "Fri, 31 Dec 9999 23:59:59 GMT",
    "2099": "Thu, 01 Jan 2099 00:00:00 GMT",
    "1970": "Thu, 01 Jan 1970 00:00:00 GMT",
}
YEAR_2099_MS = 4_070_908_800_000
APPLICATIONS = endpoint("ats/applications")
TABLE = "ats_applications"
# More than three pages.
ROWS = 900
LEAD_US = 15 * 60 * 1_000_000


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    """Starts a twin with one integration at the machine's time."""
    with running_twin("--no-rate-limit", "--now", integrations=1, rows=ROWS) as twin:
        yield twin


@pytest.mark.parametrize("place", ["first", "middle", "last", "every"])
@pytest.mark.parametrize("date", ABSURD.values(), ids=ABSURD)
def test_an_absurd_date_on_any_page_leaves_no_trace_in_the_lake(
    twin: Twin, lake: Path, date: str, place: str
) -> None:
    _absurd_pages(twin, lake, date, place)


def test_a_lake_that_lies_in_the_future_is_told_of_refused_and_mended(lake: Path) -> None:
    with running_twin("--no-rate-limit", "--now", integrations=2, rows=ROWS) as twin:
        _written_in_2099(twin, lake, lake.parent)
        before, records = _order(lake), _records(lake)
        assert max(at for at, *_ in before) > YEAR_2099_MS * 1_000

        told = verbs.verb("status", lake)
        verbs.shown("status of a lake in the future", told)
        assert told.code == 1 and "kombo-source repair" in told.stdout, told.text
        assert re.search(r"future  ats_applications of .*: snapshots, .* reach to 2099-", told.stdout)
        checked = _like(_backfill(twin, lake), "check")
        verbs.shown("check", checked)
        assert checked.code == 1 and "2099-" in checked.stdout, checked.text
        refused = _backfill(twin, lake).run()
        verbs.shown("backfill", refused)
        assert refused.code == 1 and "kombo-source repair" in refused.text, refused.text
        assert _order(lake) == before, "a refused fetch wrote rows"

        looked = verbs.must("repair", lake)
        verbs.shown("repair", looked)
        assert "nothing is changed without --yes" in looked.stdout, looked.text
        assert _order(lake) == before, "without --yes something was changed"
        mended = verbs.must("repair", lake, "--yes")
        verbs.shown("repair --yes", mended)
        after = _order(lake)
        assert [row for _, *row in after] == [row for _, *row in before], "the order changed"
        _assert_present(lake)
        again = verbs.must("repair", lake, "--yes")
        assert again.stdout == "nothing to repair\n", again.text

        well = verbs.must("status", lake)
        assert "future" not in well.stdout, well.text
        assert _like(_backfill(twin, lake), "check").code == 0
        verbs.fold(lake)
        assert _records(lake) == records, "current has other rows"
        _backfill(twin, lake).must_succeed()
        _backfill(twin, lake, "--mode", "delta").must_succeed()
        assert_newest_equal_truth(lake, twin.truth, only=[APPLICATIONS])
        _assert_present(lake)
        verbs.must("status", lake)


def _absurd_pages(twin: Twin, lake: Path, date: str, place: str) -> None:
    """Fills a lake through answers with such a `Date`, and again without. Fails if any instant is one that no clock had."""
    with running_proxy(twin.url, dates=_on(place, date)) as proxy:
        first = dataclasses.replace(_backfill(twin, lake), api_url=proxy.url).must_succeed()
        assert "cannot be true" in first.text, first.text
        assert_newest_equal_truth(lake, twin.truth, only=[APPLICATIONS])
        _assert_present(lake)
        # The same answers to another process.
        delta = _backfill(twin, lake, "--mode", "delta")
        dataclasses.replace(delta, api_url=proxy.url).must_succeed()
        _assert_present(lake)
    _backfill(twin, lake, "--mode", "delta").must_succeed()
    assert_newest_equal_truth(lake, twin.truth, only=[APPLICATIONS])
    _assert_present(lake)
    table = _table(lake)
    assert table["base_age_secs"] < LEAD_US // 1_000_000, table
    assert verbs.must("repair", lake).stdout == "nothing to repair\n"


def _on(place: str, date: str) -> Dates:
    """Sets the `Date` of the first, second, last or every page of the applications, or of every answer."""
    pages = 0

    def decide(target: str) -> str | None:
        nonlocal pages
        if place == "every":
            return date
        if not target.startswith("/v1/ats/applications"):
            return None
        pages = pages + 1 if "cursor=" in target else 1
        wanted = {"first": 1, "middle": 2, "last": 4}[place]
        return date if pages == wanted else None

    return decide


def _written_in_2099(twin: Twin, lake: Path, folder: Path) -> None:
    """Fills a lake as with a wrong clock: half of it today, the rest with all clocks in 2099."""
    _backfill(twin, lake).must_succeed()
    clock = Clock(folder / "clock", YEAR_2099_MS + 5_000)
    with running_proxy(twin.url, dates=lambda _target: ABSURD["2099"]) as proxy:
        full = _backfill(twin, lake)
        environment = tuple(clock.environment().items())
        wrong = dataclasses.replace(full, api_url=proxy.url, environment=environment)
        wrong.must_succeed()
    with running_proxy(
        twin.url, updated_after="1990-01-01T00:00:00.000Z", dates=lambda _target: ABSURD["2099"]
    ) as proxy:
        delta = _backfill(twin, lake, "--mode", "delta")
        dataclasses.replace(delta, api_url=proxy.url, environment=environment).must_succeed()


def _backfill(twin: Twin, lake: Path, *arguments: str) -> Backfill:
    only = twin.of("ats")
    return backfill_of(twin, lake, "--endpoint", APPLICATIONS.path, *arguments, only=only)


def _like(backfill: Backfill, verb: str) -> Outcome:
    command = [verb if word == "backfill" else word for word in backfill.command()]
    return run(command, backfill.environ())


def _order(lake: Path) -> list[tuple[int, str, str, int]]:
    """Returns every row of both tables, sorted by the instant of observation."""
    rows = []
    for part in (lakes.snapshots, lakes.deltas):
        uri = part(lake, APPLICATIONS)
        columns = ["id", "_fetched_at", "_hash"]
        for row in lakes.read_reference(uri, columns=columns):
            rows.append((_micros(row["_fetched_at"]), uri, row["id"], row["_hash"]))
    return sorted(rows)


def _records(lake: Path) -> set[tuple[str, int]]:
    """Returns the id and the hash of each row of `current`."""
    return {(row["id"], row["_hash"]) for row in read_current(lake, APPLICATIONS)}


def _micros(instant: Any) -> int:
    return int(instant.timestamp() * 1_000_000)


def _assert_present(lake: Path) -> None:
    """Fails when a row or a transaction in the logs has an instant that no clock had."""
    now_us = time.time() * 1_000_000
    stamps = [at for at, *_ in _order(lake)]
    assert stamps, "no rows"
    assert now_us - LEAD_US < min(stamps), f"{min(stamps)} is long ago"
    assert max(stamps) < now_us + LEAD_US, f"{max(stamps)} is in the future"
    assert _table(lake)["future"] == []


def _table(lake: Path) -> dict[str, Any]:
    document = verbs.verb("status", lake, "--json").summary()
    tables = [table for one in document["integrations"] for table in one["tables"]]
    (found,) = [table for table in tables if table["table"] == TABLE]
    assert isinstance(found, dict)
    return found

