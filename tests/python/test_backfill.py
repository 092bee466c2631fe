"""Tests that a backfill from the twin gives the truth: every table, row and value, read by four engines."""

import dataclasses
import json
from collections import Counter
from pathlib import Path

import lake as lakes
from product import backfill_of, running_twin
from proxy import running_proxy
from schemas import Endpoint, endpoint, endpoints
from truth import Row, Truth

INTEGRATIONS = 5
ROWS = 400
UNLISTED = "SOMETHING_NEW"
LONG_AGO = "1990-01-01T00:00:00.000Z"


def test_every_table_equals_the_truth_once_twice_and_after_a_delta(lake: Path) -> None:
    with (
        running_twin("--no-rate-limit", "--oddities", integrations=INTEGRATIONS, rows=ROWS) as twin,
    ):
        first = backfill_of(twin, lake, "--json").must_succeed()
        lakes.assert_equals_truth(lake, twin.truth)
        _assert_summary(first.summary(), twin.truth)
        before = lakes.hashes(lake, twin.truth)
        # `deltas` exist even when empty, so that queries over both tables need no special case for the first days.
        delta_tables = [one for one in endpoints() if one.updated_after and not one.deprecated]
        lakes.assert_deltas_equal(lake, {one: [] for one in delta_tables})

        backfill_of(twin, lake).must_succeed()
        lakes.assert_equals_truth(lake, twin.truth)
        assert lakes.hashes(lake, twin.truth) == before, "the same rows have other hashes"

        # The twin is asked for changes since long ago, so it sends all its rows again.
        with running_proxy(twin.url, updated_after=LONG_AGO) as proxy:
            delta = backfill_of(twin, lake, "--mode", "delta")
            dataclasses.replace(delta, api_url=proxy.url).must_succeed()
        lakes.assert_equals_truth(lake, twin.truth)
        # The rows are unchanged, so they are not written again, although this is another process. `current` lacks rows that
        # were deleted before the first full fetch, so these rows are written once more, with the same hash.
        lakes.assert_deltas_equal(lake, {one: _deleted(one, twin.truth) for one in delta_tables})
        for one in delta_tables:
            columns = ["integration_key", "id", "_hash"]
            for row in lakes.read_reference(lakes.deltas(lake, one), columns=columns):
                key = (one.path, row["integration_key"], row["id"])
                assert before[key] == row["_hash"], f"{one.path}: the same row has another hash"


def test_a_deprecated_endpoint_is_fetched_only_when_named(lake: Path) -> None:
    teams = endpoint("hris/teams")
    with running_twin("--no-rate-limit", integrations=2) as twin:
        backfill_of(twin, lake, "--endpoint", "hris/*").must_succeed()
        assert not lakes.has_table(lake, teams), "hris/teams was fetched without being named"
        backfill_of(twin, lake, "--endpoint", "hris/teams", only=twin.of("hris")).must_succeed()
        lakes.assert_equals_truth(lake, twin.truth, only=[teams])


def test_the_truth_is_worth_comparing_with() -> None:
    with running_twin(
        "--no-rate-limit", "--oddities", integrations=INTEGRATIONS, rows=ROWS
    ) as twin:
        for one in endpoints():
            assert twin.truth.rows(one), f"the twin has no rows of {one.path}"
        applications = twin.truth.rows(endpoint("ats/applications"))
        assert {row["_op"] for row in applications} == {"upsert", "delete"}
        text = json.dumps(applications, default=str, ensure_ascii=False)
        assert not text.isascii(), "the twin's rows hold ASCII alone"
        kinds = Counter(kind for one in endpoints() for kind in _oddities(one, twin.truth))
        print(f"    {dict(kinds)}", flush=True)
        assert min(kinds["anonymised"], kinds["in _rest"], kinds["odd enum"]) > 0, kinds


def _oddities(one: Endpoint, truth: Truth) -> list[str]:
    kinds = []
    for row in truth.rows(one):
        values = [row.get(field.name) for field in one.fields]
        if row["_op"] == "delete" and sum(value is not None for value in values) == 2:
            kinds.append("anonymised")
        if row["_rest"] is not None:
            kinds.append("in _rest")
        if UNLISTED in values:
            kinds.append("odd enum")
    return kinds


def _deleted(one: Endpoint, truth: Truth) -> list[Row]:
    """Returns the deleted rows. Anonymised rows have no `changed_at`, so the twin's filter leaves them out."""
    rows = truth.rows(one)
    return [row for row in rows if row["_op"] == "delete" and row["changed_at"] is not None]


def _assert_summary(summary: dict[str, object], truth: Truth) -> None:
    expected = {one.path: len(truth.rows(one)) for one in endpoints() if not one.deprecated}
    told: Counter[str] = Counter()
    tables = summary["tables"]
    assert isinstance(tables, list)
    for table in tables:
        assert table["outcome"] == "committed", table
        told[table["endpoint"]] += table["rows"]
    assert told == expected and summary["rows"] == sum(expected.values())
    assert summary["success"] is True and sum(table["rest_values"] for table in tables) > 0
