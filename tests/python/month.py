"""Simulates thirty days in a few minutes: advances the twin's time step by step beside a running service."""

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
# Both counters move at once. So a short time without movement is enough where a late delta does no harm.
STILL_SECONDS = 1.2
WAIT_SECONDS = 120
# A service asks at once for an announced table that it may ask for.
RING_SECONDS = 0.5


def start_of(days_ago: int) -> str:
    """Returns midnight of `days_ago` days ago, in the format of `twin --start`."""
    day = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=days_ago)
    return f"{day.isoformat()}T00:00:00.000Z"


@dataclass
class Bell:
    """Makes a service notice the twin's new time, by a request: the service learns the time from the answer.

    The service asks for an announced table at most every ten seconds, and by its clock no time may have passed since the
    last request. So each ring posts webhooks about one model after the other, until the service asks. These webhooks count
    as if the twin had posted them, so they are among the deliveries.
    """

    living: Living
    service: Service
    integration: str
    models: Iterator[str]
    rung: list[dict[str, Any]]

    @staticmethod
    def of(living: Living, service: Service, integration: str, category: str) -> "Bell":
        """Creates the bell of one integration."""
        own = [one for one in endpoints() if _rings(one, category)]
        turns = (own[nth % len(own)].models[0][0] for nth in range(1_000_000))
        return Bell(living, service, integration, turns, [])

    def ring(self) -> None:
        """Posts webhooks until one causes a request."""
        before, deadline = _asked(self.living), time.monotonic() + WAIT_SECONDS
        while _asked(self.living) == before:
            assert time.monotonic() < deadline, "the service asks for nothing, whatever webhook it gets"
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
    """Advances the twin's time by days."""

    def __init__(self, living: Living, bell: Bell) -> None:
        self.living = living
        self.bell = bell
        self.written = 0

    def live(self, seconds: int) -> int:
        """Lets the world change for a while, and waits until its webhooks are sent or lost. Returns the number of changes."""
        told, rung = len(self.living.deliveries()), len(self.bell.rung)
        before = _by_path(self.living)
        self.living.resume()
        self.living.advance(seconds)
        self.living.pause()
        journal = self.living.journal()
        new, self.written = journal[self.written :], len(journal)
        until_told(self.living, new)
        # By its own clock the service may have asked for these tables a moment ago. Then it waits for ten seconds.
        self.bell.ring()
        announced = [*self.living.deliveries()[told:], *self.bell.rung[rung:]]
        until_asked(self.living, announced, before)
        return len(new)

    def rest(self, seconds: int) -> None:
        """Advances the time without changes, and waits until the service has done all due work."""
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
            # A webhook about the integration itself has no models and is ignored here.
            if one["models"] and one["at_ms"] >= last.get(one["integration"], one["at_ms"] + 1):
                del last[one["integration"]]
        assert time.monotonic() < deadline, f"{len(last)} integrations' changes were not told"
        time.sleep(0.02)


def until_asked(living: Living, announced: list[dict[str, Any]], before: Counter[str]) -> None:
    """Waits until the service has asked again for each announced table. `before` has the page counts from before.

    Such a delta must not wait until the day has passed, because a full fetch that becomes due meanwhile may come first.
    Then nothing is wrong, and the drift of announced changes is rightly not reported.
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
    """Returns how many pages of tables the twin has served."""
    kinds = living.requests()["by_kind"]
    return int(kinds["delta"]) + int(kinds["snapshot"])


def _by_path(living: Living) -> Counter[str]:
    return Counter({path.lstrip("/"): count for path, count in living.requests()["by_path"].items()})


def until_still(living: Living, service: Service, seconds: float = STILL_SECONDS) -> None:
    """Waits until the service sends no request and ends no fetch for a while."""
    deadline = time.monotonic() + WAIT_SECONDS
    seen, since = (-1.0, -1.0), time.monotonic()
    while time.monotonic() - since < seconds:
        now = (float(living.requests()["total"]), service.fetches())
        if now != seen:
            seen, since = now, time.monotonic()
        assert time.monotonic() < deadline, "the service goes on asking"
        time.sleep(0.1)
