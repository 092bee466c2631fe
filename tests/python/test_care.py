"""What is done to a lake of years: deleted integrations leave it, and it says how well it can be read."""

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
from product import BINARY, Outcome, run
from schemas import endpoint
from service import Service, service_of
from webhooks import data_changed, integration_deleted

TAGS, USERS = endpoint("ats/tags"), endpoint("ats/users")
PARTS = ("snapshots", "deltas", "current")


def test_a_deleted_integration_is_purged_beside_the_service_and_never_fetched_again() -> None:
    with _service() as (living, service):
        gone, stays = (one for one in living.twin.truth.integrations if one.category == "ats")
        for one in (gone, stays):
            living.change("edit", one.id, TAGS.path)
            service.accepts(data_changed(one.id, ["ats_tags"]))
        service.until_quiet()
        service.accepts(integration_deleted(gone.id, gone.category))
        assert service.verb("purge", "--integration", stays.id).code == 64
        shown = service.verb("purge", "--after", "0d")
        assert shown.code == 0 and f"to purge {gone.id}" in shown.stdout, shown.text
        assert "without --yes" in shown.stdout and _keys(service) == {gone.key, stays.key}
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


def test_verbs_for_a_lake_that_is_not_there_say_so() -> None:
    with lakes.temporary_lake() as lake:
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
    """Returns whose rows the tables have."""
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


@contextmanager
def _service() -> Iterator[tuple[Living, Service]]:
    with (
        tempfile.TemporaryDirectory() as name,
        living_twin(integrations=6, rows=20) as living,
    ):
        living.pause()
        ats = [one.id for one in living.twin.truth.integrations if one.category == "ats"]
        with service_of(living.twin, Path(name), integrations=ats) as service:
            # Both tell the same time: days are counted from when Kombo said that it was deleted.
            clock = Clock(Path(name) / "clock", living.now_ms())
            service.environment.update(clock.environment())
            service.source["endpoints"] = [TAGS.path, USERS.path]
            service.start_and_wait()
            service.until_fetched(4)
            service.until_quiet()
            yield living, service
