"""Tests that a service that is killed again and again forgets no webhook, and that its lake ends as the twin's truth."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lake as lakes
from living import Living, living_twin
from newest import assert_newest_equal_truth, assert_no_id_twice_in_a_snapshot, bases
from product import free_port
from schemas import Endpoint
from service import PATH, Service, service_of
from truth import Integration, Truth
from webhooks import integration_created, post, signature

SECONDS = float(os.environ.get("KOMBO_TEST_SERVICE_SECONDS") or 40)
INTEGRATIONS = int(os.environ.get("KOMBO_TEST_SERVICE_INTEGRATIONS") or 12)
CHANGES_PER_MINUTE = int(os.environ.get("KOMBO_TEST_SERVICE_CHANGES") or 600)
# Whether integrations come and go meanwhile. The service may never hear of one that comes while it is down.
TURNOVER = os.environ.get("KOMBO_TEST_SERVICE_TURNOVER") != "0"
# At full size, one comparison of everything takes minutes.
PATIENCE_SECONDS = 300
LIFE_SECONDS = (0.5, 6.0)
FULL_INTERVAL_SECONDS = 5
# The twin still answers for a switched-off model during this time.
SCOPE_GRACE_SECONDS = 61
LEAST_ACCEPTED = 20
LEAST_KILLS = 5
# A base is floored to the second of the server's Date, and is earlier than the arrival of the answer.
BASE_SLACK_MS = 2_000


@dataclass(frozen=True)
class Delivered:
    """A `data-changed` webhook that was answered with 200."""

    at_ms: int
    integration: str
    models: tuple[str, ...]


def test_a_service_killed_every_few_seconds_forgets_nothing_and_ends_as_the_truth(
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("KOMBO_TEST_SEED") or time.time_ns() % 1_000_000)
    print(f"    seed {seed}: repeat with KOMBO_TEST_SEED={seed}", flush=True)
    folder, port = tmp_path, free_port()
    with ExitStack() as stack:
        living = stack.enter_context(_twin(port))
        service = stack.enter_context(service_of(living.twin, folder, integrations=()))
        service.source["webhook"]["address"] = f"127.0.0.1:{port}"
        service.environment["KOMBO_WEBHOOK_SECRET"] = living.twin.webhook_secret

        service.start_and_wait()
        _introduce(living, service)
        kills = _live(living, service, random.Random(seed))
        living.until_told()
        service.until_quiet(PATIENCE_SECONDS)
        assert service.stop() == 0, service.printed()[-2000:]

        # Models that were switched off lately are refused from now on, and not in the middle of the next steps.
        living.advance(SCOPE_GRACE_SECONDS)
        truth = living.truth(folder / "truth")
        accepted = list(_accepted(living))
        print(f"    {kills} kills, {len(accepted)} webhooks answered with 200", flush=True)
        assert kills >= LEAST_KILLS, f"only {kills} kills"
        assert len(accepted) >= LEAST_ACCEPTED, f"only {len(accepted)} webhooks were accepted"
        _assert_none_forgotten(living, service.lake, truth, accepted)

        known = _known(living, truth)

        def is_known(endpoint: Endpoint, one: Integration) -> bool:
            return one.id in known and living.is_readable(endpoint, one)

        _fetch_everything_again(living, service, truth, is_known)
        compared = assert_newest_equal_truth(service.lake, truth, is_known)
        assert compared >= 5 * INTEGRATIONS, f"only {compared} tables could be compared"
        assert_no_id_twice_in_a_snapshot(service.lake, truth)


def _twin(port: int):  # type: ignore[no-untyped-def]  # noqa: ANN202, a context manager's type is long
    return living_twin(
        *("--webhook-url", f"http://127.0.0.1:{port}{PATH}"),
        *("--changes-per-minute", str(CHANGES_PER_MINUTE)),
        *("--debounce-ms", "1000"),
        *(("--turnover",) if TURNOVER else ()),
        integrations=INTEGRATIONS,
        rows=30,
    )


def _introduce(living: Living, service: Service) -> None:
    """Connects every integration by webhook, because the configuration names none."""
    living.pause()
    for one in living.twin.truth.integrations:
        body = integration_created(one.id, one.category)
        answer = post(service.url, body, signature(living.twin.webhook_secret, body))
        assert answer.status == 200, f"integration-created was answered with {answer.status}"


def _live(living: Living, service: Service, chance: random.Random) -> int:
    """Lets the companies change while the service is killed at random. Returns the number of kills."""
    kills = 0
    living.resume()
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert service.process is not None, "it runs"
        # A crash of the service itself would show here as an end without a kill.
        try:
            code = service.process.wait(timeout=chance.uniform(*LIFE_SECONDS))
        except subprocess.TimeoutExpired:
            service.kill()
            assert service.codes[-1] == -signal.SIGKILL
            kills += 1
        else:
            raise AssertionError(f"the service ended by itself with {code}:\n{service.printed()[-3000:]}")
        service.start()
    living.pause()
    service.until(service.is_listening, "takes webhooks", 60)
    return kills


def _known(living: Living, truth: Truth) -> set[str]:
    """Returns the integrations of webhooks that were answered with 200. Kombo has no list of integrations. So one that came
    while the service was down, and had no webhook since, cannot be known."""
    heard = {str(one["integration"]) for one in living.deliveries() if one.get("status") == 200}
    introduced = {one.id for one in living.twin.truth.integrations}
    known = (heard | introduced) & {one.id for one in truth.integrations}
    print(f"    {len(known)} of {len(truth.integrations)} integrations were heard of", flush=True)
    return known


def _accepted(living: Living) -> Iterator[Delivered]:
    for one in living.deliveries():
        if one.get("status") == 200 and one.get("models"):
            yield Delivered(_at_ms(one), str(one["integration"]), tuple(one["models"]))


def _at_ms(delivery: dict[str, Any]) -> int:
    at = delivery["at_ms"]
    assert isinstance(at, int), json.dumps(delivery)[:200]
    return at


def _assert_none_forgotten(
    living: Living, lake: str, truth: Truth, accepted: list[Delivered]
) -> None:
    """Fails unless the base of every table that a webhook affects is later than the webhook's delivery."""
    by_id = {one.id: one for one in truth.integrations}
    judged = 0
    late: list[str] = []
    for endpoint in lakes.expected_endpoints(truth.integrations):
        known = bases(lake, endpoint, [one.key for one in truth.integrations])
        for one, at_ms in _latest(endpoint, by_id, accepted).items():
            # A table that is refused at the end may have been refused at every fetch since.
            if not living.is_readable(endpoint, one):
                continue
            judged += 1
            if known[one.key] + BASE_SLACK_MS < at_ms:
                behind = (at_ms - known[one.key]) / 1000
                late.append(f"{endpoint.path} of {one.id}: base {behind:.1f} s before the webhook")
    assert not late, "\n".join(late[:40])
    assert judged >= INTEGRATIONS, f"only {judged} tables could be judged"
    print(f"    {judged} tables have a base later than their last webhook", flush=True)


def _latest(
    endpoint: Endpoint, by_id: dict[str, Integration], accepted: list[Delivered]
) -> dict[Integration, int]:
    """Returns when each integration last got a webhook about a change that a delta of this endpoint brings."""
    latest: dict[Integration, int] = {}
    if not endpoint.updated_after:
        # The endpoint has snapshots instead of deltas, at most every six hours.
        return latest
    surfaced = {name for name, told in endpoint.models if told is not False}
    for one in accepted:
        found = by_id.get(one.integration)
        if found and found.category == endpoint.category and surfaced & set(one.models):
            latest[found] = max(latest.get(found, 0), one.at_ms)
    return latest


def _fetch_everything_again(
    living: Living,
    service: Service,
    truth: Truth,
    is_known: Callable[[Endpoint, Integration], bool],
) -> None:
    """Runs the service with a short full interval until each table has a snapshot that began after its start."""
    service.source["schedule"]["full_interval_secs"] = FULL_INTERVAL_SECONDS
    began_ms = living.now_ms()
    service.start_and_wait()
    waiting = {
        (endpoint, one)
        for endpoint in lakes.expected_endpoints(truth.integrations)
        for one in truth.integrations
        if one.category == endpoint.category and is_known(endpoint, one)
    }

    def all_are_new() -> bool:
        for endpoint in {endpoint for endpoint, _ in waiting}:
            keys = [one.key for table, one in waiting if table == endpoint]
            known = bases(service.lake, endpoint, keys, "snapshots")
            fresh = {(endpoint, one) for table, one in waiting if table == endpoint and known[one.key] > began_ms}
            waiting.difference_update(fresh)
        return not waiting

    try:
        service.until(all_are_new, "every table has a new snapshot", PATIENCE_SECONDS)
    except AssertionError:
        some = [f"{endpoint.path} of {one.id}" for endpoint, one in waiting]
        print(f"    {len(waiting)} tables got no new snapshot: {some[:20]}", flush=True)
        raise
    assert service.stop() == 0, service.printed()[-2000:]
