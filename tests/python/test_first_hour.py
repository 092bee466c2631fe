"""Tests what a newcomer meets: no integration, a wrong key, a longer list, a file with ids, a plan."""

import json
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from living import Living, living_twin
from product import BINARY, backfill_of, free_port, run, running_twin
from schemas import endpoint
from service import Service, service_of
from webhooks import data_changed

TAGS = endpoint("ats/tags")
FAILED, NO_PERMISSION, CONFIGURATION = 1, 77, 78
SECONDS = 20


def test_run_says_what_it_waits_for_when_no_integration_is_known() -> None:
    with _service(integrations=[]) as (_living, service):
        service.start_and_wait()
        text = service.printed()
        assert "nothing is fetched until a webhook of Kombo names an integration" in text, text
        assert "Kombo's dashboard shows the id" in text and "integrations_file" in text, text
        assert service.stop() == 0
        check = service.verb("check")
        assert check.code == 0 and "note    no integration is known" in check.stdout, check.text
        status = service.verb("status")
        assert "no integration is in the lake yet" in status.stdout, status.text


def test_run_without_webhooks_and_integrations_is_refused_with_78() -> None:
    with _service(integrations=[]) as (_living, service):
        del service.source["webhook"]
        service.start()
        assert service.wait(SECONDS) == CONFIGURATION, service.printed()
        text = service.printed()
        assert "no webhook is configured" in text and "or configure webhook" in text, text
        check = service.verb("check")
        assert check.code == FAILED and "failed  integrations" in check.stdout, check.text


def test_a_key_that_is_refused_at_the_start_ends_run_with_77_and_names_its_source() -> None:
    with _service() as (_living, service):
        right = service.environment["KOMBO_API_KEY"]
        service.environment["KOMBO_API_KEY"] = "not-the-key-of-anyone"
        service.start()
        assert service.wait(SECONDS) == NO_PERMISSION, service.printed()
        text = service.printed()
        assert "error: Kombo refuses the API key; the key came from the variable KOMBO_API_KEY" in text, text
        assert service.source["endpoint"] in text and "not-the-key" not in text, text
        for verb in (("backfill",), ("backfill", "--plan")):
            outcome = service.verb(*verb)
            assert outcome.code == NO_PERMISSION, outcome.text
            assert "the variable KOMBO_API_KEY" in outcome.stderr, outcome.text

        file = service.folder / "key"
        file.write_text("not-the-key-of-anyone")
        file.chmod(0o600)
        service.environment["KOMBO_API_KEY"] = ""
        service.source["api_key_file"] = str(file)
        check = service.verb("check")
        assert check.code == FAILED and f'came from the file "{file}"' in check.stdout, check.text
        # The cure: the right key in that file.
        file.write_text(right)
        assert service.verb("check").code == 0
        service.start_and_wait()
        service.until_fetched(1)
        assert service.stop() == 0


def test_an_unreachable_kombo_does_not_stop_run_and_webhooks_are_taken() -> None:
    with _service() as (living, service):
        service.start_and_wait()
        service.until_fetched(1)
        assert service.stop() == 0
        service.source["endpoint"] = f"http://127.0.0.1:{free_port()}/v1"
        service.source["request"]["retry_attempts"] = 1
        service.start_and_wait()
        service.until(lambda: "the API key could not be tested" in service.printed(), "says it", SECONDS)
        (one,) = living.twin.truth.integrations
        service.accepts(data_changed(one.id, ["ats_tags"]))
        assert service.stop() == 0, service.printed()


def test_sighup_with_another_list_of_integrations_takes_effect_without_a_restart() -> None:
    with _service(customers=3) as (living, service):
        service.source["endpoints"] = []
        first, second, third = (one.id for one in living.twin.truth.integrations)
        service.source["integrations"] = [first]
        service.start_and_wait()
        service.until(lambda: _fetched(service) == {first}, "fetches the first", SECONDS)
        _reload(service, [first, second])
        service.until(lambda: _fetched(service) == {first, second}, "fetches the second", SECONDS)
        _reload(service, [third])
        service.until(lambda: _fetched(service) == {first, second, third}, "fetches the third", SECONDS)
        service.until(lambda: _counted(service) == 1, "counts the third alone", SECONDS)
        # An empty list means all that the lake knows: also those that the service had left out.
        _reload(service, [])
        service.until(lambda: _counted(service) == 3, "counts all three", SECONDS)
        assert service.metrics().total("kombo_reloaded_total") == 3
        assert service.stop() == 0


def test_a_file_with_ids_is_read_at_the_start_and_again_at_sighup() -> None:
    with _service(integrations=[], customers=3) as (living, service):
        first, second, third = (one.id for one in living.twin.truth.integrations)
        file = service.folder / "ids.txt"
        many = [f"personio:{number:024}" for number in range(10_000)]
        file.write_text("\n".join(["# our customers", first, "", *many]))
        service.source["integrations_file"] = str(file)
        validate = service.verb("validate")
        assert "10,001 integrations" in validate.stdout, validate.text
        file.write_text(f"# our customers\n{first}\n")
        service.start_and_wait()
        service.until(lambda: _counted(service) == 1, "counts the one", SECONDS)
        # A file that is empty for a moment changes nothing: it would mean every integration that the lake knows.
        file.write_text("")
        service.send(signal.SIGHUP)
        service.until(lambda: "holds no integration id" in service.printed(), "refuses it", SECONDS)
        file.write_text(f"{first}\n{second}  # new\n")
        service.send(signal.SIGHUP)
        service.until(lambda: _counted(service) == 2, "counts both", SECONDS)
        assert service.stop() == 0
        file.write_text(f"{first}\nnot an id\n")
        check = service.verb("check")
        assert check.code == CONFIGURATION and f"{file}:2:" in check.stderr, check.text
        file.write_text(f"{third}\n")
        done = service.verb("backfill", "--integrations-file", str(file), "--no-rate-limit", "--endpoint", "*/*")
        assert done.code == 0 and _fetched(service) >= {third}, done.text


def test_the_ranges_of_a_plan_hold_what_came_also_as_json(lake: Path) -> None:
    with running_twin("--no-rate-limit", integrations=2, rows=1_000) as twin:
        plan = backfill_of(twin, lake, "--plan", "--json").must_succeed().summary()
        assert plan["tables_of_unknown_size"] > 0
        text = backfill_of(twin, lake, "--plan").must_succeed().stdout
        assert "unknown: " in text and " to " in text, text
        came = backfill_of(twin, lake, "--json").must_succeed().summary()
        again = backfill_of(twin, lake, "--plan", "--json").must_succeed().summary()
        assert again["tables_of_unknown_size"] == 0
        for planned in (plan, again):
            for what in ("rows", "requests"):
                least, most = planned[what]["least"], planned[what]["most"]
                print(f"    {what}: {least} to {most} planned, {came[what]} came", flush=True)
                assert least <= came[what] <= most
        assert again["rows"]["least"] == again["rows"]["most"] == came["rows"]


def _reload(service: Service, integrations: list[str]) -> None:
    service.source["integrations"] = integrations
    service.write()
    service.send(signal.SIGHUP)


def _counted(service: Service) -> float:
    """Returns how many integrations the service works for."""
    return service.metrics().total("kombo_integrations")


def _fetched(service: Service) -> set[str]:
    """Returns the integrations whose rows are in the lake."""
    # Not `service.verb`: it writes the configuration, which the service may be reading.
    command = [BINARY, "status", "--json", "--lake-url", service.lake]
    registered = json.loads(run(command).stdout or "{}").get("integrations", [])
    return {one["integration"] for one in registered if any(table["rows"] for table in one["tables"])}


@contextmanager
def _service(
    integrations: list[str] | None = None, customers: int = 1, rows: int = 20
) -> Iterator[tuple[Living, Service]]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        living = stack.enter_context(living_twin(integrations=customers, rows=rows))
        living.pause()
        service = stack.enter_context(service_of(living.twin, Path(name), integrations=integrations))
        service.source["endpoints"] = [TAGS.path]
        yield living, service
