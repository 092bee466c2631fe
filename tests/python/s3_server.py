"""An S3 on loopback: the moto server, kept in memory."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

from product import free_port, running, wait_until_listening

BUCKET = "kombo-lake"


@contextmanager
def running_s3() -> Iterator[dict[str, str]]:
    """Starts the server with one empty bucket; yields the options by which clients reach it."""
    port = free_port()
    program = Path(sys.executable).with_name("moto_server")
    with running([str(program), "-H", "127.0.0.1", "-p", str(port)]) as process:
        wait_until_listening(process, port)
        options = {
            "aws_endpoint": f"http://127.0.0.1:{port}",
            "aws_region": "eu-central-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "aws_allow_http": "true",
        }
        _client(options).create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": options["aws_region"]}
        )
        yield options


def environment(options: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Returns the same options as environment variables."""
    return tuple((name.upper(), value) for name, value in options.items())


def _client(options: dict[str, str]):  # type: ignore[no-untyped-def]  # noqa: ANN202, boto3 makes its types at run time
    return boto3.client(
        "s3",
        endpoint_url=options["aws_endpoint"],
        region_name=options["aws_region"],
        aws_access_key_id=options["aws_access_key_id"],
        aws_secret_access_key=options["aws_secret_access_key"],
    )
