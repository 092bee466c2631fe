"""Tests what the operator of a service sees: metrics, status, outages, and that no secret is shown."""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from clock import Clock
from living import Living, living_twin
from newest import assert_newest_equal_truth, assert_no_id_twice_in_a_snapshot
from relay import running_relay
from s3_proxy import Loss, running_lossy_s3
from s3_server import BUCKET, environment, running_s3
from schemas import endpoint
from service import SECRET, Service, service_of, until_all_quiet
from truth import Truth
from webhooks import data_changed, event

TAGS, USERS = endpoint("ats/tags"), endpoint("ats/users")
OUTAGE_SECONDS = 8
RECOVERY_SECONDS = 120
ALIVE_SECONDS = 10


def test_at_rest_the_figures_add_up() -> None:
    with _service(integrations=3) as (living, service):
        webhooks = 0
        for one in living.twin.truth.integrations:
            for _ in range(3):
                service.accepts(data_changed(one.id, [_model(one.category)]))
                webhooks += 1
        service.until_quiet()
        now = service.metrics()
        received = now.total("kombo_component_received_events_total", component_kind="source")
        sent = now.total("kombo_component_sent_events_total", component_kind="source")
        again = now.total(
            "kombo_component_discarded_events_total", component_kind="source", intentional="true"
        )
        lost = now.total("kombo_component_discarded_events_total", intentional="false")
        print(f"    {received:.0f} received = {sent:.0f} sent + {again:.0f} known", flush=True)
        assert lost == 0
        assert received > 0 and received == sent + again
        into_the_lake = now.total("kombo_component_received_events_total", component_kind="sink")
        assert into_the_lake == sent
        sent = now.total("kombo_component_sent_events_total", component_kind="sink")
        assert sent == into_the_lake
        rows = sum(one.value for one in now.of("kombo_rows_total"))
        assert rows == received, f"{rows} rows by result, {received} received"
        assert now.total("kombo_notifications_total") == webhooks
        assert now.total("kombo_http_server_requests_received_total") >= webhooks
        assert _counted_once(now.text), "a metric is described twice"


def test_a_parked_integration_shows_in_the_status_and_wakes() -> None:
    with _service(integrations=1, start=False) as (living, service):
        (one,) = living.twin.truth.integrations
        living.refuse(one.id, None, "INTEGRATION.SETUP_SYNC_PENDING")
        service.start_and_wait()
        service.until(lambda: _stands(service, "setup_pending"), "is parked", 60)
        # The service writes its notes for `status` once a minute, and when it ends.
        assert service.stop() == 0, service.printed()[-2000:]
        assert _state(service) == "setup_pending"
        table = service.verb("status")
        assert one.id in table.stdout and "setup" in table.stdout.lower(), table.text

        service.start_and_wait()
        service.until(lambda: _stands(service, "setup_pending"), "is parked again", 60)
        living.refuse(one.id, None, None)
        service.accepts(_became_active(one.id, one.category))
        service.until_fetched(2)
        assert service.stop() == 0
        truth = living.truth(service.folder / "truth")
        assert_newest_equal_truth(service.lake, truth, only=[TAGS, USERS])
        outcome = service.verb("status", "--json")
        assert outcome.code == 0, outcome.text
        assert _state(service) == "active"
        # A minute later no table is as fresh as the objective, so the exit code is 1.
        Clock(service.folder.parent / "clock", living.now_ms() + 60_000)
        late = service.verb("status", "--objective", "1s")
        assert late.code == 1, late.text
        assert "ats_tags" in late.text, late.text


def test_an_integration_that_is_refused_later_loses_no_row() -> None:
    with _service(integrations=1) as (living, service):
        (one,) = living.twin.truth.integrations
        truth = living.truth(service.folder / "truth")
        living.refuse(one.id, None, "INTEGRATION.AUTHENTICATION_INVALID")
        service.accepts(data_changed(one.id, ["ats_tags", "ats_users"]))
        service.until(lambda: _stands(service, "authentication_invalid"), "is parked", 60)
        assert service.stop() == 0, service.printed()[-2000:]
        assert_newest_equal_truth(service.lake, truth, only=[TAGS, USERS])
        assert _state(service) == "authentication_invalid"
        # `status` does not call such a table late: the customer has to sign in again, and no fetch can help.
        assert service.verb("status", "--objective", "1s").code == 0


def test_a_model_that_is_switched_off_parks_its_table_alone() -> None:
    with _service(integrations=1) as (living, service):
        (one,) = living.twin.truth.integrations
        truth = living.truth(service.folder / "before")
        living.refuse(one.id, TAGS.path, "INTEGRATION.MODEL_DISABLED")
        fetches = service.fetches()
        service.accepts(data_changed(one.id, ["ats_tags"]))
        service.until_fetched(fetches + 1)
        assert service.metrics().total("kombo_fetches_total", result="left_out") == 1
        assert_newest_equal_truth(service.lake, truth, only=[TAGS])
        living.change("edit", one.id, USERS.path)
        service.accepts(data_changed(one.id, ["ats_users"]))
        service.until_fetched(fetches + 2)
        truth = living.truth(service.folder / "truth")
        assert_newest_equal_truth(service.lake, truth, only=[USERS])
        # The service writes its notes last when it ends.
        assert service.stop() == 0, service.printed()[-2000:]
        tables = [table for one in _status(service)["integrations"] for table in one["tables"]]
        assert {table["table"]: table["state"] for table in tables}["ats_tags"] == "off", tables


def test_two_services_on_one_lake_give_right_data(
    tmp_path: Path,
) -> None:
    folder = tmp_path
    with ExitStack() as stack:
        relay = stack.enter_context(running_relay())
        changes = ("--webhook-url", relay.url, "--changes-per-minute", "300", "--debounce-ms", "500")
        living = stack.enter_context(living_twin(*changes, integrations=4, rows=25))
        pair = [
            stack.enter_context(service_of(living.twin, folder, part, str(folder / "lake")))
            for part in ("one", "two")
        ]
        for service in pair:
            # Both shall work: without the lease neither stands by.
            service.source["lease"] = {"enabled": False}
            service.environment["KOMBO_WEBHOOK_SECRET"] = living.twin.webhook_secret
            service.start()
        for service in pair:
            service.until(service.is_listening, "takes webhooks", 60)
        relay.targets = [service.url for service in pair]
        time.sleep(ALIVE_SECONDS)
        living.pause()
        living.until_told()
        until_all_quiet(pair)
        for service in pair:
            assert service.stop() == 0, service.printed()[-2000:]
        truth = living.truth(folder / "truth")
        # Nested copies that no delta refreshes need another full fetch.
        assert pair[0].verb("backfill").code in (0, 1)
        assert_newest_equal_truth(pair[0].lake, truth, living.is_readable)
        assert_no_id_twice_in_a_snapshot(pair[0].lake, truth)


def test_a_lake_out_of_reach_for_a_while_costs_time_and_no_row() -> None:
    uri = f"s3://{BUCKET}/service"
    with ExitStack() as stack:
        options = stack.enter_context(running_s3())
        gate = stack.enter_context(
            running_lossy_s3(options["aws_endpoint"], Loss.BEFORE, times=0)
        )
        through = environment({**options, "aws_endpoint": gate.url})
        living, service = stack.enter_context(
            _service(integrations=1, lake=uri, variables=dict(through))
        )
        (one,) = living.twin.truth.integrations
        gate.unreachable = True
        for _ in range(2):
            living.change("edit", one.id, TAGS.path)
            service.accepts(data_changed(one.id, ["ats_tags"]))
            time.sleep(OUTAGE_SECONDS / 2)
        service.until(lambda: _failing(service) >= 1, "tells of it", RECOVERY_SECONDS)
        assert service.is_listening(), "webhooks are cut off, although no restart could help"
        assert _deltas(service, "failed") >= 1, "no fetch met the outage: nothing was proven"
        assert service.metrics().total("kombo_component_errors_total", stage="sending") >= 1
        gate.unreachable = False
        service.until(lambda: _deltas(service, "committed") >= 1, "recovers", RECOVERY_SECONDS)
        service.until(lambda: _failing(service) == 0, "tells of it", RECOVERY_SECONDS)
        assert service.stop() == 0, service.printed()[-2000:]
        truth = living.truth(service.folder / "truth")
        assert_newest_equal_truth(uri, truth, only=[TAGS, USERS], options=options)


def test_no_secret_and_no_row_value_shows_anywhere() -> None:
    with _service(integrations=2, rows=60, verbose=True, endpoints=[]) as (living, service):
        for one in living.twin.truth.integrations:
            service.accepts(data_changed(one.id, [_model(one.category)]))
            service.accepts(_became_active(one.id, one.category))
        service.post(b'{"id": "x", "type": "data-changed", "data": "Canary-of-a-body"}')
        # Failed decoding is where values could get into messages.
        (first, _) = living.twin.truth.integrations
        living.refuse(first.id, TAGS.path, "INTEGRATION.MODEL_DISABLED")
        service.accepts(data_changed(first.id, ["ats_tags"]))
        service.until_quiet()
        places = {
            "the metrics": service.metrics().text,
            "the status": service.verb("status").text + service.verb("status", "--json").text,
        }
        assert service.stop() == 0
        places["the log"] = service.printed()
        files = [*(service.folder / "data").rglob("*"), *Path(service.lake).glob("*.json")]
        places |= {one.name: one.read_text(errors="replace") for one in files if one.is_file()}
        secrets = {SECRET, living.twin.key, "Canary", "example.org"}
        values = _values(living.twin.truth)
        assert len(values) > 100, "too few values to look for"
        print(f"    {len(values)} values looked for in {', '.join(sorted(places))}", flush=True)
        assert len(places["the log"]) > 1_000, "the log says next to nothing"
        for place, text in places.items():
            shown = [kind for kind in secrets if kind in text]
            assert not shown, f"{place} shows {shown}"
            count = sum(1 for value in values if value in text)
            assert not count, f"{place} shows {count} row values"


def _deltas(service: Service, result: str) -> float:
    return service.metrics().total("kombo_fetches_total", kind="delta", result=result)


def _model(category: str) -> str:
    return {"ats": "ats_tags", "hris": "hris_employees", "lms": "lms_users"}[category]


def _became_active(integration: str, category: str) -> bytes:
    data = {
        "integration_tool": integration.partition(":")[0],
        "integration_id": integration,
        "integration_category": category.upper(),
        "end_user": {
            "organization_name": "Canary & Sons",
            "creator_email": "canary@example.org",
            "origin_id": None,
        },
        "qa_status": "PASSED",
        "setup_status": "COMPLETED",
        "state": "ACTIVE",
        "updated_at": "2026-01-05T09:00:00.000Z",
    }
    return event("integration-state-changed", data)


def _failing(service: Service) -> float:
    return service.metrics().total("kombo_failing_tables")


def _status(service: Service) -> Any:
    return json.loads(service.verb("status", "--json").stdout)


def _stands(service: Service, state: str) -> bool:
    """Returns whether the metrics have the only integration in a state."""
    return service.metrics().total("kombo_integrations", state=state) == 1


def _state(service: Service) -> str:
    """Returns the state of the only integration in `status`."""
    states = {one["state"] for one in _status(service)["integrations"]}
    return states.pop() if len(states) == 1 else ""


def _counted_once(text: str) -> bool:
    described = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    return len(described) == len(set(described))


def _values(truth: Truth) -> set[str]:
    """Returns texts that can only come from rows: names, addresses, titles of several words."""
    found: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            for one in value.values():
                collect(one)
        elif isinstance(value, list):
            for one in value:
                collect(one)
        elif isinstance(value, str) and len(value) > 7 and ("@" in value or " " in value):
            found.add(value)

    for path in ("ats/candidates", "ats/applications", "hris/employees"):
        for one in truth.integrations:
            if one.category == path.partition("/")[0]:
                for record in truth.records(endpoint(path), one):
                    collect(record)
    return found


@contextmanager
def _service(
    integrations: int,
    rows: int = 20,
    start: bool = True,
    lake: str | None = None,
    variables: dict[str, str] | None = None,
    verbose: bool = False,
    endpoints: list[str] | None = None,
) -> Iterator[tuple[Living, Service]]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        living = stack.enter_context(living_twin(integrations=integrations, rows=rows))
        living.pause()
        service = stack.enter_context(
            service_of(living.twin, Path(name), lake=lake, environment=variables)
        )
        # `status` measures ages by the local clock, and the twin is in another year.
        clock = Clock(Path(name) / "clock", living.now_ms())
        service.environment.update(clock.environment())
        service.arguments = ("-vv",) if verbose else ()
        service.source["endpoints"] = (
            ([TAGS.path, USERS.path] if integrations == 1 else [])
            if endpoints is None
            else endpoints
        )
        if start:
            service.start_and_wait()
            # One integration has two endpoints here. The number of other integrations varies.
            service.until_fetched(2)
            if integrations > 1:
                service.until_quiet()
        yield living, service
