"""Tests commits with a lost answer, whether they took effect or not: the lake is right, and no row exists twice."""

import dataclasses

import lake as lakes
from product import backfill_of, running_twin
from readers import READERS
from s3_proxy import Loss, running_lossy_s3
from s3_server import BUCKET, environment, running_s3
from schemas import endpoint

TABLES = ("ats/applications", "ats/tags", "hris/employees")
LAKE = f"s3://{BUCKET}/lake"
TWO_ENGINES = [reader for reader in READERS if reader.name in ("duckdb", "deltalake")]


def test_commits_that_took_effect_unheard_are_recognised() -> None:
    _assert_right_in_spite_of(Loss.AFTER, times=1)


def test_commits_that_never_arrived_are_made_again() -> None:
    _assert_right_in_spite_of(Loss.BEFORE, times=2)


def _assert_right_in_spite_of(loss: Loss, times: int) -> None:
    """Loses the answer or request of every commit of a lake, including creation and replacement of tables."""
    tables = [endpoint(path) for path in TABLES]
    arguments = [word for path in TABLES for word in ("--endpoint", path)]
    with (
        running_twin("--no-rate-limit", integrations=6) as twin,
        running_s3() as options,
        running_lossy_s3(options["aws_endpoint"], loss, times) as proxy,
    ):
        through_proxy = environment(options | {"aws_endpoint": proxy.url})
        only = [*twin.of("ats"), *twin.of("hris")]
        backfill = dataclasses.replace(
            backfill_of(twin, LAKE, *arguments, only=only), environment=through_proxy
        )
        for run in (1, 2):
            before = dict(proxy.lost)
            backfill.must_succeed()
            lakes.assert_equals_truth(LAKE, twin.truth, TWO_ENGINES, options, only=tables)
            lost = [path for path in proxy.lost if path not in before]
            for one in tables:
                assert any(f"/{one.table}/snapshots/" in path for path in lost), (run, one.path)
        # No commit was sent, and lost, once more: a commit that took effect is found, not repeated.
        assert set(proxy.lost.values()) == {times}, set(proxy.lost.values())
        print(f"    lost {loss.value}: {len(proxy.lost)} commits", flush=True)
