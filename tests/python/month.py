"""Thirty days in a few minutes: the twin's time is set forward step by step beside a running service."""

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lake
from drifts import World, concerning
from living import Living
from schemas import Endpoint, endpoints
from service import Service
from webhooks import data_changed, post, signature

MINUTE, HOUR, DAY = 60, 3_600, 86_400
# Both are counters that move at once, so a short stillness says enough where a late delta does no harm.
STILL_SECONDS = 1.2
WAIT_SECONDS = 120
# A service that hears of a table it may ask for asks at once.
RING_SECONDS = 0.5


def start_of(days_ago: int) -> str:
    """Returns midnight so many days ago as `twin --start` takes it."""
    day = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=days_ago)
    return f"{day.isoformat()}T00:00:00.000Z"


@dataclass
class Bell:
    """Tells a service that time has passed: it learns the twin's time with its next answer, and asks for nothing by itself.

    An announced table is asked for every ten seconds at most, and by the service's clock none may have passed since it
    was asked. So each ring is webhooks about one model of an integration after the other, until the service asks. What
    they announce is as good as announced by the twin, so they are among the deliveries.
    """

    living: Living
    service: Service
    integration: str
    models: Iterator[str]
    rung: list[dict[str, Any]]

    @staticmethod
    def of(living: Living, service: Service, integration: str, category: str) -> "Bell":
        """Makes the bell of one integration."""
        own = [one for one in endpoints() if _rings(one, category)]
        turns = (own[nth % len(own)].models[0][0] for nth in range(1_000_000))
        return Bell(living, service, integration, turns, [])

    def ring(self) -> None:
        """Posts webhooks until one causes a request."""
        before, deadline = _asked(self.living), time.monotonic() + WAIT_SECONDS
        while _asked(self.living) == before:
            assert time.monotonic() < deadline, "the service asks for nothing, whatever it is told"
            self._post()
            again = time.monotonic() + RING_SECONDS
            while _asked(self.living) == before and time.monotonic() < again:
                time.sleep(0.02)

    def _post(self) -> None:
        model = next(self.models)
        body = data_changed(self.integration, [model])
        answer = post(self.service.url, body, signature(self.living.twin.webhook_secret, body))
        assert answer.status == 200, f"the bell was answered with {answer.status}"
        at_ms = self.living.now_ms()
        heard = {"at_ms": at_ms, "integration": self.integration, "models": [model], "status": 200}
        self.rung.append(heard)


def _rings(endpoint: Endpoint, category: str) -> bool:
    usual = endpoint.category == category and endpoint.updated_after and not endpoint.deprecated
    return usual and bool(endpoint.models) and endpoint.models[0][1] is not False


class Days:
    """Lets days go by."""

    def __init__(self, living: Living, bell: Bell) -> None:
        self.living = living
        self.bell = bell
        self.written = 0

    def live(self, seconds: int) -> int:
        """Lets the world change for a while, and waits until its webhooks are sent or lost; returns how much changed."""
        told, rung = len(self.living.deliveries()), len(self.bell.rung)
        before = _by_path(self.living)
        self.living.resume()
        self.living.advance(seconds)
        self.living.pause()
        journal = self.living.journal()
        new, self.written = journal[self.written :], len(journal)
        until_told(self.living, new)
        # By the service's clock their tables may have been asked for a moment ago: then they wait for ten seconds of it.
        self.bell.ring()
        announced = [*self.living.deliveries()[told:], *self.bell.rung[rung:]]
        until_asked(self.living, announced, before)
        return len(new)

    def rest(self, seconds: int) -> None:
        """Lets time pass in which nothing changes, and waits until the service has done what became due."""
        self.living.advance(seconds)
        self.bell.ring()
        until_still(self.living, self.bell.service)


def until_told(living: Living, changes: list[dict[str, Any]]) -> None:
    """Waits until a webhook about each change was sent or lost."""
    last: dict[str, int] = {}
    for one in changes:
        if one["models"]:
            last[one["integration"]] = one["at_ms"]
    deadline = time.monotonic() + WAIT_SECONDS
    while last:
        for one in living.deliveries():
            # One about the integration itself has no models, and no say here.
            if one["models"] and one["at_ms"] >= last.get(one["integration"], one["at_ms"] + 1):
                del last[one["integration"]]
        assert time.monotonic() < deadline, f"{len(last)} integrations' changes were not told"
        time.sleep(0.02)


def until_asked(living: Living, announced: list[dict[str, Any]], before: Counter[str]) -> None:
    """Waits until each table that a webhook spoke of was asked for again; `before` counts the pages from before it.

    A delta that is owed must not wait until the day has passed: a full fetch that became due meanwhile may come first.
    Then nothing is wrong, and the drift of what was announced is rightly not told.
    """
    tables = {
        (endpoint.path, one.integration)
        for endpoint in lake.expected_endpoints(living.twin.truth.integrations)
        for one in World.read([], announced).told
        if endpoint.updated_after and one.models & concerning(endpoint)
    }
    needed = before + Counter(path for path, _ in tables)
    deadline = time.monotonic() + WAIT_SECONDS
    while owed := needed - _by_path(living):
        assert time.monotonic() < deadline, f"told of and not asked for: {sorted(owed)}"
        time.sleep(0.02)


def _asked(living: Living) -> int:
    """Returns how many pages of tables a twin was asked for."""
    kinds = living.requests()["by_kind"]
    return int(kinds["delta"]) + int(kinds["snapshot"])


def _by_path(living: Living) -> Counter[str]:
    return Counter({path.lstrip("/"): count for path, count in living.requests()["by_path"].items()})


def until_still(living: Living, service: Service, seconds: float = STILL_SECONDS) -> None:
    """Waits until the service asks for nothing and ends no fetch for a while."""
    deadline = time.monotonic() + WAIT_SECONDS
    seen, since = (-1.0, -1.0), time.monotonic()
    while time.monotonic() - since < seconds:
        now = (float(living.requests()["total"]), service.fetches())
        if now != seen:
            seen, since = now, time.monotonic()
        assert time.monotonic() < deadline, "the service goes on asking"
        time.sleep(0.1)
