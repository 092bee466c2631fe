"""A backfill from the twin brings the truth: every table, every row, every value, read by four engines."""

import json
from pathlib import Path

import lake as lakes
from product import backfill_of, running_twin
from readers import READERS
from schemas import endpoint, endpoints


def test_every_table_equals_the_truth_once_twice_and_after_a_delta() -> None:
    with running_twin("--no-rate-limit", integrations=5) as twin, lakes.temporary_lake() as lake:
        first = backfill_of(twin, lake, "--json").must_succeed()
        lakes.assert_equals_truth(lake, twin.truth)
        assert first.summary(), "the summary is empty"
        before = lakes.hashes(lake, twin.truth)

        backfill_of(twin, lake).must_succeed()
        lakes.assert_equals_truth(lake, twin.truth)
        assert lakes.hashes(lake, twin.truth) == before, "the same rows have other hashes"

        backfill_of(twin, lake, "--mode", "delta").must_succeed()
        lakes.assert_equals_truth(lake, twin.truth)
        _assert_deltas_say_nothing_new(lake, before)


def test_a_deprecated_endpoint_is_fetched_only_when_named() -> None:
    teams = endpoint("hris/teams")
    with running_twin("--no-rate-limit", integrations=2) as twin, lakes.temporary_lake() as lake:
        backfill_of(twin, lake, "--endpoint", "hris/*").must_succeed()
        assert not lakes.has_table(lake, teams), "hris/teams was fetched without being named"
        backfill_of(twin, lake, "--endpoint", "hris/teams", only=twin.of("hris")).must_succeed()
        lakes.assert_equals_truth(lake, twin.truth, only=[teams])


def test_the_truth_is_worth_comparing_with() -> None:
    with running_twin("--no-rate-limit", integrations=5) as twin:
        for one in endpoints():
            assert twin.truth.rows(one), f"the twin has no rows of {one.path}"
        applications = twin.truth.rows(endpoint("ats/applications"))
        assert {row["_op"] for row in applications} == {"upsert", "delete"}
        text = json.dumps(applications, default=str, ensure_ascii=False)
        assert not text.isascii(), "the twin's rows hold ASCII alone"


def _assert_deltas_say_nothing_new(
    lake: Path, snapshot_hashes: dict[tuple[str, str, str], int]
) -> None:
    """The twin does not change: whatever a delta observed again is what the snapshot holds."""
    for one in endpoints():
        if not (lake / one.table / "deltas" / "_delta_log").exists():
            continue
        for reader in READERS:
            rows = reader.read(
                lakes.deltas(lake, one), columns=["integration_key", "id", "_hash", "_op"]
            )
            for row in rows:
                key = (one.path, row["integration_key"], row["id"])
                assert snapshot_hashes.get(key) == row["_hash"], (
                    f"a delta of {one.path} differs from the snapshot, read by {reader.name}"
                )
