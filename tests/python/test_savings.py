"""Tests the savings of `plan: changed`: of two services with the same webhooks, one fetches what changed, one everything."""

import os
import time
from contextlib import ExitStack
from pathlib import Path

from living import Living, living_twin
from newest import assert_newest_equal_truth
from relay import Relay, running_relay
from service import Service, service_of, until_all_quiet

SECONDS = float(os.environ.get("KOMBO_TEST_SAVINGS_SECONDS") or 15)
INTEGRATIONS = int(os.environ.get("KOMBO_TEST_SAVINGS_INTEGRATIONS") or 8)
LEAST_WEBHOOKS = 10
REQUESTS = "kombo_http_client_requests_sent_total"


def test_what_changed_costs_fewer_requests_than_everything_and_gives_the_same_rows(
    tmp_path: Path,
) -> None:
    folder = tmp_path
    with ExitStack() as stack:
        relay = stack.enter_context(running_relay())
        living = stack.enter_context(_twin(relay))
        changed, everything = (
            stack.enter_context(service_of(living.twin, folder, plan))
            for plan in ("changed", "all")
        )
        changed.source["plan"], everything.source["plan"] = "changed", "all"
        both = (changed, everything)
        for service in both:
            # The twin's webhooks are signed with the twin's secret.
            service.environment["KOMBO_WEBHOOK_SECRET"] = living.twin.webhook_secret
            service.start_and_wait()
        until_all_quiet(both)
        before = [service.metrics().total(REQUESTS) for service in both]
        relay.targets = [service.url for service in both]
        _live(living, both)
        after = [service.metrics().total(REQUESTS) for service in both]
        few, many = (int(late - early) for early, late in zip(before, after, strict=True))
        _report(relay.passed_on, few, many)
        assert relay.passed_on >= LEAST_WEBHOOKS, f"only {relay.passed_on} webhooks: no proof"
        assert 0 < few < many, f"{few} requests for what changed, {many} for everything"
        _same_rows(living, both, folder)


def _twin(relay: Relay):  # type: ignore[no-untyped-def]  # noqa: ANN202, a context manager's type is long
    return living_twin(
        *("--webhook-url", relay.url),
        *("--changes-per-minute", "240"),
        *("--debounce-ms", "2000"),
        integrations=INTEGRATIONS,
        rows=30,
    )


def _live(living: Living, services: tuple[Service, ...]) -> None:
    """Lets the companies change for a while, and waits until both services are idle."""
    living.resume()
    time.sleep(SECONDS)
    living.pause()
    living.until_told()
    until_all_quiet(services)


def _report(webhooks: int, few: int, many: int) -> None:
    each = [f"{count / max(1, webhooks):.1f}" for count in (few, many)]
    print(
        f"    {webhooks} webhooks caused {few} requests by what changed ({each[0]} each),"
        f" {many} by everything ({each[1]} each)",
        flush=True,
    )


def _same_rows(living: Living, services: tuple[Service, ...], folder: Path) -> None:
    """Fails unless both lakes are equal after another full fetch, which refreshes nested copies that no delta refreshes."""
    truth = living.truth(folder / "truth")
    for service in services:
        assert service.stop() == 0
        outcome = service.verb("backfill")
        assert outcome.code in (0, 1), outcome.text[-2000:]
        assert_newest_equal_truth(service.lake, truth, living.is_readable)
