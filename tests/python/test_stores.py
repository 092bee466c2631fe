"""Whole runs on other store servers: two that keep put-if-absent, and two that overwrite and have to be refused."""

import os
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import lake as lakes
import pytest
from clock import Clock
from current import assert_current_equals_truth, current
from product import BINARY, Backfill, Outcome, Twin, backfill_of, run, running_twin
from readers import READERS, Row, read_deltalake
from s3_proxy import Loss, running_lossy_s3
from s3_server import BUCKET, environment, running_s3
from schemas import REPOSITORY, Endpoint, endpoint
from service import service_of
from store_servers import (
    StoreServer,
    bucket_is_empty,
    running_azurite,
    running_rclone,
    running_s3rver,
    running_seaweedfs,
    s3_client,
)

Running = Callable[[], AbstractContextManager[StoreServer]]
TABLES = [endpoint("ats/tags"), endpoint("ats/users")]
ENDPOINTS = ("--endpoint", "ats/tags", "--endpoint", "ats/users")
DELTA_RS = [reader for reader in READERS if reader.name == "deltalake"]
CERTIFICATE = REPOSITORY / "fixtures" / "tls" / "localhost.crt.pem"
# Whatever the machine of the tests sets.
ONLY_A_FILE = {"SSL_CERT_DIR": ""}
FAILED, CONFIGURATION = 1, 78


@pytest.mark.parametrize("running", [running_seaweedfs, running_azurite])
def test_a_lake_lives_on_a_store_that_keeps_its_promises(running: Running) -> None:
    with _twin() as twin, running() as server:
        backfill = _backfill(twin, server)
        for _ in range(2):
            backfill.must_succeed()
            _assert_right(twin, server)
        assert "nothing to fold" in _verb(server, "fold", expected=0).text
        assert "nothing to do" in _verb(server, "upkeep", expected=0).text
        assert "2 tables" in _verb(server, "status", expected=FAILED).text, "the twin's base is old"
        _at_once(backfill, backfill)
        _assert_right(twin, server)
        _verb(server, "repair", expected=0)


def test_a_wrong_secret_and_a_wrong_clock_are_called_by_their_names(tmp_path: Path) -> None:
    with _twin() as twin, running_seaweedfs() as server:
        _backfill(twin, server).must_succeed()
        wrong = server.with_options(aws_secret_access_key="not-the-secret-of-the-test")
        for outcome in _every_verb(twin, wrong):
            _assert_says(outcome, "there are no credentials that the store accepts")
            assert "not-the-secret" not in outcome.text
        clock = Clock(tmp_path / "clock", int((time.time() + 20 * 60) * 1000))
        for outcome in _every_verb(twin, server, clock.environment()):
            _assert_says(outcome, "the clock of this machine differs too much from the store's")
            _assert_says(outcome, "set this machine's clock right")
        clock.show(int(time.time() * 1000))
        _verb(server, "fold", clock.environment(), expected=0)


def test_a_bucket_that_does_not_exist_is_called_so() -> None:
    with _twin() as twin, ExitStack() as servers:
        for running in (running_seaweedfs, running_azurite):
            server = servers.enter_context(running())
            nowhere = replace(server, uri=server.uri.replace(BUCKET, f"{BUCKET}-of-nobody"))
            for outcome in _every_verb(twin, nowhere):
                _assert_says(outcome, "the bucket or container does not exist")


@pytest.mark.parametrize("running", [running_rclone, running_s3rver])
def test_a_store_that_overwrites_is_refused_at_each_start(running: Running, tmp_path: Path) -> None:
    with _twin() as twin, running() as server:
        # Twice: nothing that the first start leaves behind may make the second one succeed.
        for _ in range(2):
            for outcome in (_backfill(twin, server).run(), _check(twin, server)):
                assert outcome.code == CONFIGURATION, outcome.text
                _assert_says(outcome, "the store overwrites existing objects")
                _assert_says(outcome, "use a store that honours put-if-absent")
            with service_of(
                twin, tmp_path, lake=server.uri, environment=server.environment()
            ) as service:
                service.start()
                assert service.wait() == CONFIGURATION
                assert "the store overwrites existing objects" in service.log.read_text()
            assert bucket_is_empty(server)
        # A lake that was copied to such a server is not written to either.
        s3_client(server.options).put_object(
            Bucket=BUCKET, Key="customers/one/kombo_layout.json", Body=b'{"layout_version":3}'
        )
        for verb in ("fold", "upkeep"):
            outcome = _verb(server, verb, expected=CONFIGURATION)
            _assert_says(outcome, "the store overwrites existing objects")
        assert "overwrites" not in _verb(server, "status").text, "reading is safe"


def test_an_authority_that_is_not_trusted_and_a_broken_list_have_names_for_kombo_and_stores(
    tmp_path: Path,
) -> None:
    """One certificate stands before the store and before Kombo; the cure is what the errors advise."""
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate\n")
    variable = "SSL_CERT_FILE"
    with _twin() as twin, running_s3() as options, ExitStack() as stack:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(CERTIFICATE, str(CERTIFICATE).replace(".crt.", ".key."))
        store = stack.enter_context(
            running_lossy_s3(options["aws_endpoint"], Loss.AFTER, 0, tls=tls)
        )
        proxy = stack.enter_context(running_lossy_s3(twin.url, Loss.AFTER, 0, tls=tls))
        kombo = replace(twin, url=f"{proxy.url}{urlsplit(twin.url).path}")
        encrypted = {**options, "aws_endpoint": store.url}
        server = StoreServer("moto", f"s3://{BUCKET}/one", encrypted)
        for value, text, code in (
            (None, "this machine does not trust the authority", FAILED),
            (tmp_path / "missing.pem", "no certificate can be read from the file", CONFIGURATION),
            (broken, "no certificate can be read from the file", CONFIGURATION),
        ):
            trusted = ONLY_A_FILE if value is None else {**ONLY_A_FILE, variable: str(value)}
            for outcome in _every_verb(twin, server, trusted):
                assert outcome.code == code, outcome.text
                _assert_says(outcome, text)
                _assert_says(outcome, variable)
            outcome = _with(backfill_of(kombo, tmp_path / "lake", *ENDPOINTS), trusted).run()
            assert outcome.code == code, outcome.text
            _assert_says(outcome, text)
            _assert_says(outcome, variable)
        both = {variable: str(tmp_path / "missing.pem"), "SSL_CERT_DIR": "/etc/ssl/certs"}
        outcome = _verb(server, "status", both, expected=FAILED)
        _assert_says(outcome, "no certificate can be read from the file")
        trusted = {**ONLY_A_FILE, variable: str(CERTIFICATE)}
        _with(_backfill(kombo, server), trusted).must_succeed()
        _assert_right(twin, replace(server, options=options))


def test_nothing_to_do_costs_a_few_requests() -> None:
    with _twin() as twin, running_s3() as options, ExitStack() as stack:
        proxy = stack.enter_context(running_lossy_s3(options["aws_endpoint"], Loss.AFTER, 0))
        server = StoreServer(
            "moto", f"s3://{BUCKET}/one", {**options, "aws_endpoint": proxy.url}
        )
        backfill = backfill_of(twin, server.uri, "--endpoint", "ats/tags")
        backfill = _with(backfill, server.environment())
        for most in (150, 150):
            proxy.requests = 0
            backfill.must_succeed()
            print(f"    backfill: {proxy.requests} requests", flush=True)
            assert proxy.requests <= most, proxy.requests
        for verb, most, code in (("fold", 40, 0), ("status", 100, FAILED), ("upkeep", 90, 0)):
            proxy.requests = 0
            _verb(server, verb, expected=code)
            print(f"    {verb}: {proxy.requests} requests", flush=True)
            assert proxy.requests <= most, f"{verb}: {proxy.requests}"


def _twin() -> AbstractContextManager[Twin]:
    return running_twin("--no-rate-limit", integrations=1, rows=10)


def _backfill(twin: Twin, server: StoreServer) -> Backfill:
    return _with(backfill_of(twin, server.uri, *ENDPOINTS), server.environment())


def _with(backfill: Backfill, variables: dict[str, str]) -> Backfill:
    return replace(backfill, environment=(*backfill.environment, *variables.items()))


def _verb(
    server: StoreServer,
    verb: str,
    variables: dict[str, str] | None = None,
    expected: int | None = None,
) -> Outcome:
    own = {**os.environ, **server.environment(), **(variables or {})}
    outcome = run([BINARY, verb, "--lake-url", server.uri], own)
    assert expected in (None, outcome.code), f"{verb} ended with {outcome.code}:\n{outcome.text}"
    return outcome


def _check(twin: Twin, server: StoreServer, variables: dict[str, str] | None = None) -> Outcome:
    own = {"KOMBO_API_KEY": twin.key, "KOMBO_API_URL": twin.url, **(variables or {})}
    return _verb(server, "check", own)


def _every_verb(
    twin: Twin, server: StoreServer, variables: dict[str, str] | None = None
) -> list[Outcome]:
    """Runs the verbs that open a lake, writers and readers; none may succeed."""
    verbs = [_verb(server, verb, variables) for verb in ("fold", "status", "upkeep")]
    backfill = _with(_backfill(twin, server), variables or {}).run()
    outcomes = [*verbs, backfill, _check(twin, server, variables)]
    assert all(outcome.code for outcome in outcomes), [outcome.text for outcome in outcomes]
    return outcomes


def _assert_says(outcome: Outcome, text: str) -> None:
    assert text in outcome.text, f"{text!r} is missing in:\n{outcome.text[-3000:]}"


def _assert_right(twin: Twin, server: StoreServer) -> None:
    lakes.assert_equals_truth(server.uri, twin.truth, DELTA_RS, server.options, only=TABLES)
    tables = [(one, integration) for one in TABLES for integration in twin.of("ats")]

    def read(lake: Path | str, one: Endpoint) -> list[Row]:
        return read_deltalake(current(lake, one), storage_options=server.options)

    assert_current_equals_truth(server.uri, twin.truth, tables, read)


def _at_once(*backfills: Backfill) -> None:
    processes = [backfill.start() for backfill in backfills]
    try:
        codes = [one.wait(timeout=120) for one in processes]
    finally:
        for one in processes:
            one.kill()
            one.wait(timeout=10)
    assert codes == [0] * len(codes), f"exit codes {codes}"
