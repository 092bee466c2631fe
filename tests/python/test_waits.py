"""Tests that a wait for Kombo is seen (in the log, in `status`) and that SIGTERM ends it."""

import dataclasses
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from product import Backfill, Twin, backfill_of, running_twin
from proxy import Answer, running_proxy
from schemas import endpoint
from service import service_of

TAGS = endpoint("ats/tags")
SAYS_WAITING = "waiting for Kombo's rate limit until "
LONG_SECONDS = 600
END_SECONDS = 20
LEFT_AT_ONCE = {-signal.SIGTERM, 130, 143}


@pytest.mark.parametrize("form", ["seconds", "epoch seconds", "epoch milliseconds"])
def test_sigterm_ends_a_backfill_that_waits_and_the_wait_is_logged_once(
    lake: Path, form: str
) -> None:
    printed = lake.parent / "printed"
    with _refusing(form) as (backfill, _twin), printed.open("wb") as output:
        backfill = dataclasses.replace(backfill, lake=str(lake))
        process = subprocess.Popen(
            backfill.command(),
            env=backfill.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
        )
        try:
            _until_waiting(printed)
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=END_SECONDS)
        finally:
            process.kill()
            process.wait(timeout=10)
        text = printed.read_text()
        assert code in LEFT_AT_ONCE, text
        assert text.count(SAYS_WAITING) == 1, text


def test_sigterm_ends_a_service_that_waits_and_status_shows_the_wait() -> None:
    with tempfile.TemporaryDirectory() as name, _refusing("seconds") as (backfill, twin):
        refused = dataclasses.replace(twin, url=backfill.api_url)
        with service_of(refused, Path(name)) as service:
            service.source["endpoints"] = [TAGS.path]
            service.start_and_wait()
            service.until(lambda: SAYS_WAITING in service.printed(), "says that it waits", 30)
            shown = lambda: SAYS_WAITING in service.verb("status").stdout  # noqa: E731
            service.until(shown, "`status` shows the wait", 30)
            waits = json.loads(service.verb("status", "--json").stdout)["service"]["waits"]
            assert waits["reason"] == "Kombo's rate limit"
            assert 0 < waits["until_ms"] / 1000 - time.time() <= LONG_SECONDS + 1
            before = time.monotonic()
            assert service.stop() == 0, service.printed()[-2000:]
            assert time.monotonic() - before < END_SECONDS
            assert service.printed().count(SAYS_WAITING) == 1, service.printed()[-3000:]


@contextmanager
def _refusing(form: str) -> Iterator[tuple[Backfill, Twin]]:
    """Yields a backfill whose requests for tags are all refused for ten minutes."""

    def script(path: str, _integration: str) -> Answer | None:
        if not path.endswith("/ats/tags"):
            return None
        until = time.time() + LONG_SECONDS
        texts = {
            "seconds": str(LONG_SECONDS),
            "epoch seconds": str(int(until)),
            "epoch milliseconds": str(int(until * 1000)),
        }
        return Answer(429, b"", headers=(("ratelimit-reset", texts[form]),))

    with (
        running_twin(integrations=1, rows=20) as twin,
        running_proxy(twin.url, script) as proxy,
    ):
        backfill = backfill_of(twin, "", "--endpoint", "ats/tags")
        yield dataclasses.replace(backfill, api_url=proxy.url), twin


def _until_waiting(printed: Path) -> None:
    deadline = time.monotonic() + END_SECONDS
    while SAYS_WAITING not in printed.read_text():
        assert time.monotonic() < deadline, printed.read_text()
        time.sleep(0.1)
