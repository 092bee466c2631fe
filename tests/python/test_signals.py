"""Tests the service's reaction to signals: end, and read the configuration again."""

import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import lake as lakes
from living import Living, living_twin
from newest import assert_newest_equal_truth
from schemas import endpoint
from service import Service, service_of
from webhooks import data_changed

TAGS, USERS = endpoint("ats/tags"), endpoint("ats/users")
SLOW = ("--latency-ms", "1500")
LEFT_AT_ONCE = 130
ERRORS, RELOADS = "kombo_component_errors_total", "kombo_reloaded_total"


def test_sigterm_lets_what_is_under_way_be_committed_and_ends_with_0() -> None:
    with _service(*SLOW) as (living, service):
        _change_and_tell(living, service)
        assert service.stop() == 0, service.printed()[-2000:]
        # The service is not started again: the change is in the lake, or SIGTERM discarded it.
        truth = living.truth(service.folder / "truth")
        assert_newest_equal_truth(service.lake, truth, only=[TAGS])


def test_a_second_sigterm_leaves_at_once_with_130_and_a_new_start_makes_good() -> None:
    with _service(*SLOW) as (living, service):
        _change_and_tell(living, service)
        service.send(signal.SIGTERM)
        service.until(lambda: "shut" in service.printed().lower(), "says it shuts down", 20)
        service.send(signal.SIGTERM)
        assert service.wait(20) == LEFT_AT_ONCE, service.printed()[-2000:]
        service.start_and_wait()
        service.until_fetched(1)
        assert service.stop() == 0
        truth = living.truth(service.folder / "truth")
        assert_newest_equal_truth(service.lake, truth, only=[TAGS])


def test_sigint_ends_it_like_sigterm() -> None:
    with _service() as (_living, service):
        service.send(signal.SIGINT)
        assert service.wait() == 0, service.printed()[-2000:]


def test_a_wrong_file_at_sighup_is_counted_and_the_old_one_goes_on() -> None:
    with _service() as (living, service):
        wrongs = (
            "sources: {kombo: {type: kombo, pln: all}}",
            "not: [yaml",
            "",
        )
        for wrong in wrongs:
            before = service.metrics()
            service.config.write_text(wrong)
            service.send(signal.SIGHUP)
            errors = before.total(ERRORS)
            service.until(
                lambda errors=errors: service.metrics().total(ERRORS) > errors,  # type: ignore[misc]
                f"counts the wrong file {wrong!r}",
                20,
            )
            assert service.metrics().total(RELOADS) == before.total(RELOADS)
            assert service.is_listening()
        fetches = service.fetches()
        _change_and_tell(living, service)
        service.until_fetched(fetches + 1)
        assert_newest_equal_truth(
            service.lake, living.truth(service.folder / "truth"), only=[TAGS]
        )


def test_a_right_file_at_sighup_brings_other_endpoints_without_a_new_start() -> None:
    with _service() as (living, service):
        assert not lakes.has_table(Path(service.lake), USERS)
        service.source["endpoints"] = [TAGS.path, USERS.path]
        service.write()
        service.send(signal.SIGHUP)
        service.until(
            lambda: lakes.has_table(Path(service.lake), USERS), "fetches the new endpoint", 30
        )
        assert service.metrics().total(RELOADS) == 1
        truth = living.truth(service.folder / "truth")
        assert_newest_equal_truth(service.lake, truth, only=[TAGS, USERS])
        assert service.stop() == 0


def _change_and_tell(living: Living, service: Service) -> None:
    """Changes a row and posts its webhook."""
    (one,) = living.twin.truth.integrations
    living.change("edit", one.id, TAGS.path)
    service.accepts(data_changed(one.id, ["ats_tags"]))


@contextmanager
def _service(*arguments: str) -> Iterator[tuple[Living, Service]]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        living = stack.enter_context(living_twin(*arguments, integrations=1, rows=20))
        living.pause()
        service = stack.enter_context(service_of(living.twin, Path(name)))
        service.source["endpoints"] = [TAGS.path]
        service.start_and_wait()
        service.until_fetched(1)
        yield living, service
