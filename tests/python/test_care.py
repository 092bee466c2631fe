"""Tests the care of an old lake: purge of deleted integrations, and lint."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import deltalake
import lake as lakes
from clock import Clock
from living import Living, living_twin
from newest import assert_newest_equal_truth
from product import BINARY, Outcome, free_port, run
from schemas import endpoint
from service import Service, service_of
from verbs import shown
from webhooks import data_changed, integration_deleted

TAGS, USERS = endpoint("ats/tags"), endpoint("ats/users")
PARTS = ("snapshots", "deltas", "current")


def test_one_signed_deletion_deletes_no_customer_that_kombo_answers_for() -> None:
    with _service() as (living, service, _):
        told, other = (one for one in living.twin.truth.integrations if one.category == "ats")
        for _ in range(3):
            fetches = service.fetches()
            service.accepts(integration_deleted(told.id, told.category))
            service.accepts(integration_deleted(other.id, other.category))
            purge = service.verb("purge", "--after", "0d", "--yes")
            assert (purge.code, purge.stdout) == (0, "nothing to purge\n"), purge.text
            living.change("edit", told.id, TAGS.path)
            service.accepts(data_changed(told.id, ["ats_tags"]))
            service.until_fetched(fetches + 1)
            service.until_quiet()
        assert _states(service) == {told.id: "active", other.id: "active"}
        assert service.stop() == 0, service.printed()[-2000:]
        truth = living.truth(service.folder / "truth")
        ats = (told.id, other.id)
        assert_newest_equal_truth(
            service.lake, truth, lambda _, one: one.id in ats, only=[TAGS, USERS]
        )
        assert "is parked" not in service.printed() and "deleted:" not in service.printed()


def test_a_deleted_integration_is_purged_beside_the_service_and_never_fetched_again() -> None:
    with _service() as (living, service, clock):
        gone, stays = (one for one in living.twin.truth.integrations if one.category == "ats")
        for one in (gone, stays):
            living.change("edit", one.id, TAGS.path)
            service.accepts(data_changed(one.id, ["ats_tags"]))
        service.until_quiet()
        living.change("integration_deleted", gone.id)
        service.accepts(integration_deleted(gone.id, gone.category))
        _until_state(service, gone.id, "deleting")
        assert service.verb("purge", "--integration", stays.id).code == 64
        early = service.verb("purge", "--integration", gone.id, "--after", "0d", "--yes")
        assert early.code == 64 and "is deleting, not deleted" in early.stderr, early.text
        _a_day_later(living, service, clock, stays.id)
        _until_state(service, gone.id, "deleted")
        planned = service.verb("purge", "--after", "0d")
        assert planned.code == 0 and f"to purge {gone.id}" in planned.stdout, planned.text
        assert "without --yes" in planned.stdout and _keys(service) == {gone.key, stays.key}
        waits = service.verb("purge")
        assert "waits" in waits.stdout and "nothing to purge" in waits.stdout, waits.text

        done = service.verb("purge", "--after", "0d", "--yes")
        assert done.code == 0 and f"purged   {gone.id}" in done.stdout, done.text
        assert _keys(service) == {stays.key}
        fetches = service.fetches()
        service.accepts(data_changed(gone.id, ["ats_tags"]))
        service.accepts(integration_deleted(gone.id, gone.category))
        service.accepts(data_changed(stays.id, ["ats_tags"]))
        service.until_fetched(fetches + 1)
        service.until_quiet()
        assert service.stop() == 0, service.printed()[-2000:]
        service.start_and_wait()
        service.until_fetched(2)
        service.until_quiet()
        assert service.stop() == 0, service.printed()[-2000:]
        assert _keys(service) == {stays.key}
        assert _states(service) == {gone.id: "purged", stays.id: "active"}
        again = service.verb("purge", "--after", "0d", "--yes")
        assert again.stdout == "nothing to purge\n", again.text
        truth = living.truth(service.folder / "truth")
        assert_newest_equal_truth(
            service.lake, truth, lambda _, one: one.id == stays.id, only=[TAGS, USERS]
        )
        lint = service.verb("lint", "--json")
        assert lint.code == 0, lint.text
        _lint_says_what_is_there(lint, service)


def test_a_purge_asks_kombo_once_more_and_every_cure_that_it_names_works() -> None:
    with _service() as (living, service, clock):
        lost, stays = (one for one in living.twin.truth.integrations if one.category == "ats")
        _lose(living, lost.id, True)
        service.accepts(integration_deleted(lost.id, lost.category))
        _until_state(service, lost.id, "deleting")
        _a_day_later(living, service, clock, stays.id)
        _until_state(service, lost.id, "deleted")
        assert service.stop() == 0, service.printed()[-2000:]
        now = ("purge", "--after", "0d", "--yes")

        key = service.environment.pop("KOMBO_API_KEY")
        refused = service.verb(*now)
        assert refused.code == 1 and "set KOMBO_API_KEY" in refused.stderr, refused.text
        service.environment["KOMBO_API_KEY"] = "a-wrong-one"
        refused = service.verb(*now)
        assert refused.code == 1 and "nothing is purged" in refused.stderr, refused.text
        service.environment["KOMBO_API_KEY"] = key
        away = service.verb(*now, "--api-url", f"http://127.0.0.1:{free_port()}/v1")
        assert away.code == 1 and "nothing is purged" in away.stderr, away.text
        for outcome in (refused, away):
            shown("a purge that is refused", outcome)

        _lose(living, lost.id, False)
        alive = service.verb(*now)
        assert alive.code == 0 and f"stays    {lost.id}" in alive.stdout, alive.text
        shown("a purge of one that lives", alive)
        assert _states(service) == {lost.id: "active", stays.id: "active"}
        assert _keys(service) == {lost.key, stays.key}
        service.start_and_wait()
        service.until_fetched(4)
        service.until_quiet()

        _lose(living, lost.id, True)
        service.accepts(integration_deleted(lost.id, lost.category))
        _until_state(service, lost.id, "deleting")
        _a_day_later(living, service, clock, stays.id)
        _until_state(service, lost.id, "deleted")
        assert service.verb(*now).code == 0 and _keys(service) == {stays.key}
        _lose(living, lost.id, False)
        assert service.stop() == 0, service.printed()[-2000:]
        service.start_and_wait()
        service.accepts(data_changed(lost.id, ["ats_tags"]))
        cure = f"kombo-source backfill --integration {lost.id}"
        service.until(lambda: cure in service.printed(), "it names the cure", 60)
        assert _states(service)[lost.id] == "purged"
        assert service.verb("backfill", "--integration", lost.id).code == 0
        assert service.stop() == 0, service.printed()[-2000:]
        service.start_and_wait()
        service.until_fetched(4)
        service.until_quiet()
        assert _states(service) == {lost.id: "active", stays.id: "active"}
        assert _keys(service) == {lost.key, stays.key}


def test_backfills_alone_find_a_deletion_and_wait_a_day() -> None:
    with _service(starts=False) as (living, service, clock):
        gone, stays = (one for one in living.twin.truth.integrations if one.category == "ats")
        del service.source["integrations"]
        for one in (gone, stays):
            assert service.verb("backfill", "--integration", one.id).code == 0
        living.change("integration_deleted", gone.id)
        for _ in range(2):
            failed = service.verb("backfill", "--mode", "delta")
            assert failed.code == 1 and "a day later" in failed.text, failed.text
            assert _states(service) == {gone.id: "deleting", stays.id: "active"}
        living.advance(25 * 3600)
        clock.show(living.now_ms())
        failed = service.verb("backfill", "--mode", "delta")
        assert failed.code == 1 and "it is deleted" in failed.text, failed.text
        shown("a backfill that finds a deletion", failed)
        assert _states(service) == {gone.id: "deleted", stays.id: "active"}
        assert service.verb("backfill", "--mode", "delta").code == 0
        purge = service.verb("purge", "--after", "0d", "--yes")
        assert purge.code == 0 and f"purged   {gone.id}" in purge.stdout, purge.text


def test_verbs_for_a_lake_that_is_not_there_say_so(lake: Path) -> None:
    for verb in ("lint", "purge", "upkeep"):
        done = run([BINARY, verb, "--lake-url", str(lake)])
        assert done.code == 1 and "there is no lake" in done.stderr, done.text


def _lint_says_what_is_there(lint: Outcome, service: Service) -> None:
    tables = {table["table"]: table for table in json.loads(lint.stdout)["tables"]}
    for one in (TAGS, USERS):
        for part in ("snapshots", "current"):
            name = f"{one.table}/{part}"
            table = deltalake.DeltaTable(f"{service.lake}/{name}")
            assert tables[name]["files"] == len(table.file_uris()), name
            assert tables[name]["rows"] == table.to_pyarrow_table(columns=["id"]).num_rows, name
            costs = {cost["query"]: cost for cost in tables[name]["queries"]}
            assert 0 < costs["one_record"]["bytes"] <= tables[name]["bytes"], costs


def _keys(service: Service) -> set[str]:
    """Returns the keys of the integrations with rows."""
    keys: set[str] = set()
    for one in (TAGS, USERS):
        for part in PARTS:
            uri = f"{service.lake}/{one.table}/{part}"
            if deltalake.DeltaTable.is_deltatable(uri):
                rows = lakes.read_reference(uri, columns=["integration_key"])
                keys |= {row["integration_key"] for row in rows}
    return keys


def _states(service: Service) -> dict[str, str]:
    told = json.loads(service.verb("status", "--json").stdout)["integrations"]
    return {one["integration"]: one["state"] for one in told}


def _lose(living: Living, integration: str, lost: bool) -> None:
    """Makes the twin answer as if the integration did not exist, or as before."""
    living.refuse(integration, None, "PLATFORM.INTEGRATION_NOT_FOUND" if lost else None)


def _until_state(service: Service, integration: str, state: str) -> None:
    what = f"{integration} is {state}"
    service.until(lambda: _states(service)[integration] == state, what, 60)


def _a_day_later(living: Living, service: Service, clock: Clock, heard: str) -> None:
    """Advances the time by a day. The service learns the time from Kombo's next answer."""
    living.advance(25 * 3600)
    clock.show(living.now_ms())
    service.accepts(data_changed(heard, ["ats_tags"]))


@contextmanager
def _service(starts: bool = True) -> Iterator[tuple[Living, Service, Clock]]:
    with (
        tempfile.TemporaryDirectory() as name,
        living_twin(integrations=6, rows=20) as living,
    ):
        living.pause()
        ats = [one.id for one in living.twin.truth.integrations if one.category == "ats"]
        with service_of(living.twin, Path(name), integrations=ats) as service:
            # Both clocks show the same time, because days count from Kombo's answer about the deletion.
            clock = Clock(Path(name) / "clock", living.now_ms())
            service.environment.update(clock.environment())
            service.source["endpoints"] = [TAGS.path, USERS.path]
            if starts:
                service.start_and_wait()
                service.until_fetched(4)
                service.until_quiet()
            yield living, service, clock
