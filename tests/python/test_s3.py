"""Tests a backfill to S3."""

import dataclasses

import lake as lakes
from product import backfill_of, running_twin
from readers import READERS
from s3_server import BUCKET, environment, running_s3


def test_a_lake_on_s3_equals_the_truth() -> None:
    uri = f"s3://{BUCKET}/customers/one"
    with running_twin("--no-rate-limit") as twin, running_s3() as options:
        backfill = backfill_of(twin, uri)
        backfill = dataclasses.replace(backfill, environment=environment(options))
        backfill.must_succeed()
        lakes.assert_equals_truth(uri, twin.truth, READERS, options)
        # A second snapshot replaces the first, so conditional puts and removes are tested on S3, too.
        backfill.must_succeed()
        two = [reader for reader in READERS if reader.name in ("duckdb", "deltalake")]
        lakes.assert_equals_truth(uri, twin.truth, two, options)
