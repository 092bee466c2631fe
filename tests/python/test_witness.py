"""Tests that walks that end early and wrong answers to `ids` filters remove no row, however often a backfill runs."""

from collections import Counter
from pathlib import Path

import lake as lakes
from current import read_current
from product import Backfill
from schemas import endpoint
from tags_api import INTEGRATION, TagsApi, running_tags
from verbs import shown

TAGS = endpoint("ats/tags")


def test_a_walk_that_ends_early_loses_nothing_however_often_it_is_made(lake: Path) -> None:
    with running_tags(3_000) as api:
        _backfill(api, lake).must_succeed()
        api.cut_after = 1_999
        first = _backfill(api, lake).must_succeed()
        shown("the first backfill after the pages end early", first)
        said = "lacked 1,001 known rows, Kombo was asked for 1,001 of them, 1,001 found and fetched"
        assert said in first.text, "the output does not say how many rows were found"
        assert sum(api.questions) >= 1_001, "Kombo was not asked for the missing rows"
        _assert_current(lake, set(api.ids()))
        for _ in range(2):
            second = _backfill(api, lake).must_succeed()
            _assert_current(lake, set(api.ids()))
        shown("the third", second)
        assert set(_ops(lake)) == {"upsert"}, f"{_ops(lake)}"


def test_a_filter_that_finds_nothing_takes_nothing_away(lake: Path) -> None:
    with running_tags(500) as api:
        _backfill(api, lake).must_succeed()
        api.cut_after, api.finds_ids = 440, False
        for _ in range(3):
            lied_to = _backfill(api, lake)
            shown("a backfill whose questions are answered with nothing", lied_to.run())
            _assert_current(lake, set(api.ids()))
        assert not _ops(lake), f"{_ops(lake)}"
        api.cut_after, api.finds_ids = None, True
        shown("a backfill that has all rows again", _backfill(api, lake).must_succeed())
        _assert_current(lake, set(api.ids()))


def test_more_rows_than_can_be_asked_for_are_not_replaced_by_a_walk_that_ends_early(lake: Path) -> None:
    with running_tags(12_000) as api:
        _backfill(api, lake).must_succeed()
        api.cut_after = 500
        cut = _backfill(api, lake).run()
        shown("a backfill whose pages end early", cut)
        assert cut.code != 0, "a walk that is known to be cut short is called a success"
        _assert_current(lake, set(api.ids()))
        api.cut_after = None
        shown("run again", _backfill(api, lake).must_succeed())
        _assert_current(lake, set(api.ids()))


def test_every_deletion_that_only_a_full_fetch_shows_has_a_tombstone(lake: Path) -> None:
    with running_tags(12_000) as api:
        _backfill(api, lake).must_succeed()
        api.deleted = 1_100
        outcome = _backfill(api, lake).must_succeed()
        shown("a backfill that shows deletions nobody announced", outcome)
        assert not api.questions, "Kombo was asked for rows that it had just shown as deleted"
        assert _ops(lake) == {"delete": 1_100}, f"{_ops(lake)}"
        _assert_current(lake, set(api.ids()[1_100:]))


def _backfill(api: TagsApi, lake: Path) -> Backfill:
    return Backfill(
        api_url=api.url,
        key="secret",
        lake=str(lake),
        integrations=(INTEGRATION,),
        arguments=("--no-rate-limit", "--endpoint", "ats/tags"),
    )


def _assert_current(lake: Path, expected: set[str]) -> None:
    rows = [row["id"] for row in read_current(lake, TAGS, columns=["id"])]
    assert len(rows) == len(set(rows)), "a row exists twice"
    lost, made = expected - set(rows), set(rows) - expected
    assert not lost and not made, f"{len(lost)} rows are lost, {len(made)} made up"


def _ops(lake: Path) -> dict[str, int]:
    rows = lakes.read_reference(lakes.deltas(lake, TAGS), columns=["_op"])
    return dict(Counter(row["_op"] for row in rows))
