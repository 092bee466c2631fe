"""Tests that of two services on one lake one works, and that the other one takes over when it is killed or stands still."""

import http.client
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import lake as lakes
from living import Living
from newest import assert_newest_equal_truth
from product import running_twin
from proxy import Proxy, running_proxy
from service import PATH, SECRET, Service, service_of
from webhooks import SIGNATURE, data_changed, signature

# 20 of each kind for the figures in the evidence.
KILLS = int(os.environ.get("KOMBO_TEST_LEASE_KILLS") or 2)
STOPS = int(os.environ.get("KOMBO_TEST_LEASE_STOPS") or 1)
TAKEOVER_SECONDS = 2
# A standby looks every sixth of the time, reads the lake and then asks Kombo. The machine may be busy.
PATIENCE_SECONDS = 30
# The requests that may be under way: `request.concurrency`.
IN_FLIGHT = 4
LIMIT = 300
# Longer than a request that was under way takes.
SETTLED_SECONDS = 3
ENDPOINT = "hris/employees"


@dataclass
class Side:
    """One of the two services, and what it has asked Kombo."""

    service: Service
    proxy: Proxy

    def first_request_after(self, at: float) -> float | None:
        """Returns when the first request after an instant came."""
        return next((one.at for one in list(self.proxy.exchanges) if one.at > at), None)

    def requests_after(self, at: float) -> int:
        """Returns how many requests came after an instant."""
        return sum(one.at > at for one in list(self.proxy.exchanges))


@dataclass
class Senders:
    """Changes records at Kombo and posts their webhooks until one of the services takes them, as Kombo would."""

    living: Living
    sides: tuple[Side, Side]
    accepted: int = 0
    ending: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Posts until the end."""
        integrations = self.living.twin.of("hris")
        for index in range(1_000_000):
            if self.ending.is_set():
                return
            one = integrations[index % len(integrations)]
            self.living.change("edit", one.id, ENDPOINT)
            body = data_changed(one.id, ["hris_employees"])
            while not self._is_taken(body):
                if self.ending.wait(0.05):
                    return
            self.accepted += 1
            self.ending.wait(0.1)

    def _is_taken(self, body: bytes) -> bool:
        for side in self.sides:
            status = _post(side.service, body)
            assert status in (None, 200, 503), f"a webhook was answered with {status}"
            if status == 200:
                return True
        return False


@contextmanager
def _two(folder: Path) -> Iterator[tuple[Living, tuple[Side, Side]]]:
    """Starts a twin and two services on one lake. The first one works."""
    with ExitStack() as stack:
        flags = ("--control", "--rate-limit", str(LIMIT))
        living = Living(stack.enter_context(running_twin(*flags, integrations=4, rows=20)))
        sides = []
        for name in ("first", "second"):
            proxy = stack.enter_context(running_proxy(living.twin.url))
            ids = [one.id for one in living.twin.of("hris")]
            made = service_of(living.twin, folder, name, str(folder / "lake"), ids)
            service = stack.enter_context(made)
            service.source["endpoint"] = proxy.url
            service.source["endpoints"] = [ENDPOINT]
            service.source["lease"] = {"takeover_secs": TAKEOVER_SECONDS}
            service.source["request"] = {"rate_limit_num": LIMIT}
            service.start_and_live()
            side = Side(service, proxy)
            if not sides:
                _until(lambda side=side: side.first_request_after(0) is not None, "it works")  # type: ignore[misc]
            sides.append(side)
        yield living, (sides[0], sides[1])


def test_a_standby_takes_over_from_a_service_that_is_killed_or_stands_still(tmp_path: Path) -> None:
    with _two(tmp_path) as (living, sides):
        senders = Senders(living, sides)
        thread = threading.Thread(target=senders.run, daemon=True)
        thread.start()
        working, standby = sides
        _until(lambda: senders.accepted > 0, "a webhook is taken")
        assert not standby.proxy.exchanges, "the standby sends nothing"
        seconds, overlapping = [], 0
        for number in range(KILLS + STOPS):
            is_kill = number < KILLS
            taken, overlaps = _takes_over(working, standby, is_kill=is_kill)
            print(f"    {'killed' if is_kill else 'stopped'}: taken over after {taken:.2f} s, {overlaps} overlap", flush=True)
            seconds.append(taken)
            overlapping += overlaps
            working, standby = standby, working
            before = senders.accepted
            _until(lambda before=before: senders.accepted > before, "webhooks are taken again")  # type: ignore[misc]
        senders.ending.set()
        thread.join(PATIENCE_SECONDS)
        told = f"{min(seconds):.2f} {statistics.median(seconds):.2f} {max(seconds):.2f}"
        print(f"    takeover seconds min/median/max {told}; {overlapping} requests overlap", flush=True)
        print(f"    {senders.accepted} webhooks answered with 200", flush=True)
        assert not thread.is_alive(), "the webhooks end"
        _assert_one_budget(sides, len(seconds))
        working.service.until_quiet()
        assert working.service.stop() == 0
        truth = living.truth(tmp_path / "truth")
        only = [one for one in lakes.expected_endpoints(truth.integrations) if one.path == ENDPOINT]
        compared = assert_newest_equal_truth(
            working.service.lake, truth, lambda _, one: one.category == "hris", only
        )
        assert compared > 0


def test_after_an_orderly_end_the_standby_takes_over_at_once_and_a_killed_service_returns_at_once(
    tmp_path: Path,
) -> None:
    with _two(tmp_path) as (_living, (first, second)):
        assert first.service.stop() == 0
        _until(lambda: second.first_request_after(0) is not None, "the standby works")
        assert "this service takes over" in second.service.printed()
        second.service.kill()
        killed = time.monotonic()
        second.service.start()
        _until(lambda: second.first_request_after(killed) is not None, "it works again")
        # It never waited for the takeover time: it has the lock of the killed process.
        assert second.service.printed().count("this service is a standby") == 1


def _post(service: Service, body: bytes) -> int | None:
    """Posts a webhook, and returns the status; `None` without an answer: a service that stands still gives none."""
    address = service.source["webhook"]["address"]
    connection = http.client.HTTPConnection(address, timeout=1)
    headers = {"Content-Type": "application/json", SIGNATURE: signature(SECRET, body)}
    try:
        connection.request("POST", PATH, body=body, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _takes_over(working: Side, standby: Side, *, is_kill: bool) -> tuple[float, int]:
    """Lets the working service fail. Returns the seconds until the standby works, and the requests that overlap."""
    began = time.monotonic()
    if is_kill:
        working.service.kill()
    else:
        working.service.send(signal.SIGSTOP)
    _until(lambda: standby.first_request_after(began) is not None, "the standby sends a request")
    taken = standby.first_request_after(began)
    assert taken is not None
    if is_kill:
        working.service.start_and_live()
    else:
        working.service.send(signal.SIGCONT)
        time.sleep(SETTLED_SECONDS)
        assert "has taken the lease over" in working.service.printed()
    overlaps = working.requests_after(taken)
    assert overlaps <= IN_FLIGHT, f"{overlaps} requests after the takeover"
    return taken - began, overlaps


def _assert_one_budget(sides: tuple[Side, Side], takeovers: int) -> None:
    """Fails if both services together sent more than one of them may send."""
    exchanges = sorted((one for side in sides for one in side.proxy.exchanges), key=lambda one: one.at)
    limited = sum(one.status == 429 for one in exchanges)
    most = max(sum(one.at <= other.at < one.at + 60 for other in exchanges) for one in exchanges)
    print(f"    {len(exchanges)} requests, {most} within a minute, {limited} answered 429", flush=True)
    assert most <= LIMIT + IN_FLIGHT * takeovers
    assert limited == 0


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.02)
