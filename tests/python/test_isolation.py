"""Tests that an unreadable table stops no other: output of each verb, continued work, and remedies that work."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lake as lakes
from living import Living, living_twin
from newest import assert_newest_equal_truth
from product import Outcome, Twin, backfill_of, running_twin
from schemas import Endpoint, endpoint
from service import Service, service_of
from truth import Integration, Truth
from verbs import must, shown, verb
from webhooks import data_changed

TAGS, USERS = endpoint("ats/tags"), endpoint("ats/users")
ENDPOINTS = ("--endpoint", TAGS.path, "--endpoint", USERS.path)
FAILED = 1


def test_a_log_cut_short_is_one_line_of_the_status_and_everything_else_goes_on() -> None:
    with _filled() as (twin, lake, (mine, other)):
        entry = _truncate_newest(lake / TAGS.table / "deltas")
        for status in (verb("status", lake), verb("status", lake, "--integration", other.id)):
            shown("status", status)
            assert status.code == FAILED and entry in status.stdout, status.text
            assert "unread  ats_tags/deltas: " in status.stdout and "from a backup" in status.stdout
            assert other.id in status.stdout
        assert mine.id in verb("status", lake).stdout
        told = json.loads(verb("status", lake, "--json").stdout)
        assert [one["table"] for one in told["unreadable"]] == ["ats_tags/deltas"]
        assert len(told["integrations"]) == 2 and not told["success"]

        again = backfill_of(twin, lake, *ENDPOINTS, only=[mine, other]).run()
        shown("backfill", again)
        assert again.code == FAILED and entry in again.text, again.text
        assert f"failed    ats/tags of {mine.id}" in again.stdout
        lakes.assert_equals_truth(lake, twin.truth, only=[USERS])

        for name in ("fold", "upkeep", "lint"):
            outcome = verb(name, lake)
            shown(name, outcome)
            assert outcome.code == FAILED and entry in outcome.text, outcome.text
            assert "ats_users" not in "".join(_lines(outcome, "failed")), outcome.text
        files = verb("files", lake, "--table", "ats_tags")
        shown("files", files)
        assert files.code == FAILED and entry in files.stderr, files.text
        assert len(files.stdout.splitlines()) == 2, "the snapshots are listed"
        assert verb("files", lake, "--table", "ats_users").code == 0
        assert verb("drift", lake).code == 0


def test_the_service_starts_beside_a_log_cut_short_and_takes_the_table_up_again() -> None:
    with _service() as (living, service, one):
        deltas = Path(service.lake) / TAGS.table / "deltas"
        whole = _newest(deltas).read_bytes()
        entry = _truncate_newest(deltas)
        service.start_and_wait()
        assert service.is_listening()
        living.change("edit", one.id, USERS.path)
        living.change("edit", one.id, TAGS.path)
        service.accepts(data_changed(one.id, ["ats_users", "ats_tags"]))
        truth = living.truth(service.folder / "users")
        service.until(lambda: _newest_is(service, truth, USERS), "fetched the other table", 60)
        assert entry in service.printed() and "cannot be read from the lake" in service.printed()
        status = service.verb("status")
        assert status.code == FAILED and entry in status.stdout, status.text

        _newest(deltas).write_bytes(whole)
        service.until(lambda: _newest_is(service, truth, TAGS), "took it up again", 120)
        assert service.stop() == 0, service.printed()[-2000:]
        assert "unread" not in service.verb("status").stdout


def test_without_the_registry_customers_who_are_named_are_fetched_and_shown() -> None:
    with _filled() as (twin, lake, (mine, other)):
        gone = _take_data(lake / "kombo_integrations")
        status = verb("status", lake)
        shown("status", status)
        assert status.code == FAILED and gone in status.stdout, status.text
        assert mine.key in status.stdout and other.key in status.stdout, "named by their keys"

        again = backfill_of(twin, lake, *ENDPOINTS, only=[mine, other]).run()
        shown("backfill", again)
        assert again.code == FAILED and "failed    kombo_integrations: " in again.stdout
        lakes.assert_equals_truth(lake, twin.truth, only=[TAGS, USERS])
        unnamed = backfill_of(twin, lake, *ENDPOINTS, only=[]).run()
        shown("backfill of whom the registry knows", unnamed)
        assert unnamed.code == FAILED and "kombo-source repair" in unnamed.stderr, unnamed.text

        must("repair", lake, "--yes")
        backfill_of(twin, lake, *ENDPOINTS, only=[]).must_succeed()
        cured = _readable(lake)
        assert mine.id in cured.stdout and other.id in cured.stdout, cured.text


def test_the_service_starts_without_the_registry_and_fetches_others_once_kombo_confirms_them() -> None:
    with _service() as (living, service, one):
        _take_data(Path(service.lake) / "kombo_integrations")
        service.start_and_wait()
        living.change("edit", one.id, TAGS.path)
        service.accepts(data_changed(one.id, ["ats_tags"]))
        truth = living.truth(service.folder / "truth")
        service.until(lambda: _newest_is(service, truth, TAGS), "fetched it", 60)
        assert "the registry of integrations cannot be read" in service.printed()
        assert service.stop() == 0
        # Whom the configuration does not name is a candidate, until Kombo confirms it.
        service.source["integrations"] = []
        service.start_and_wait()
        living.change("edit", one.id, TAGS.path)
        service.accepts(data_changed(one.id, ["ats_tags"]))
        truth = living.truth(service.folder / "truth-2")
        service.until(lambda: _newest_is(service, truth, TAGS), "fetched it", 60)
        assert service.stop() == 0

        repaired = service.verb("repair", "--yes")
        assert repaired.code == 0, repaired.text
        service.start_and_wait()
        service.accepts(data_changed(one.id, ["ats_tags"]))
        service.until(lambda: one.id in service.verb("status").stdout, "registered it", 60)
        assert service.stop() == 0


def test_without_the_holds_everything_is_folded_of_which_nothing_is_held() -> None:
    with _filled() as (twin, lake, (mine, other)):
        entry = _truncate_newest(lake / "kombo_holds")
        backfill_of(twin, lake, *ENDPOINTS, only=[mine, other]).must_succeed()
        for name in ("status", "upkeep", "accept"):
            outcome = verb(name, lake)
            shown(name, outcome)
            assert outcome.code == FAILED and entry in outcome.text, outcome.text
            assert outcome.text.count(entry) == 1, "the error is not reported exactly once"
        assert must("fold", lake, "--rebuild").stdout.count("ats_") == 2
        must("repair", lake, "--yes")
        must("fold", lake)
        _readable(lake)
        must("upkeep", lake)


def test_without_kombo_drift_a_backfill_folds_once_it_is_written_anew() -> None:
    with _filled() as (twin, lake, (mine, other)):
        entry = _truncate_newest(lake / "kombo_drift")
        again = backfill_of(twin, lake, *ENDPOINTS, only=[mine, other]).run()
        shown("backfill", again)
        assert again.code == FAILED and entry in again.text, again.text
        assert f"current of {mine.key}" in again.stdout
        drift = verb("drift", lake)
        assert drift.code == FAILED and entry in drift.text, drift.text
        must("repair", lake, "--yes")
        must("fold", lake)
        _readable(lake)
        must("drift", lake)


def test_a_missing_file_of_current_is_the_matter_of_the_customers_who_share_it() -> None:
    with _filled() as (twin, lake, (mine, other)):
        current = lake / TAGS.table / "current"
        gone = _take_data(current, "part-")
        again = backfill_of(twin, lake, *ENDPOINTS, only=[mine, other]).run()
        shown("backfill", again)
        failed = "".join(_lines(again, "failed"))
        assert again.code == FAILED and gone in failed, again.text
        assert mine.key in failed and other.key in failed and "ats_users" not in failed
        lint = verb("lint", lake, "--table", "ats_tags")
        assert lint.code == FAILED and gone in lint.stdout, lint.text
        must("repair", lake, "--yes")
        must("fold", lake)
        assert "failed" not in verb("lint", lake, "--table", "ats_tags").stdout
        listed = must("files", lake, "--table", "ats_tags", "--part", "current").stdout
        assert listed.strip() and gone not in listed
        lakes.assert_equals_truth(lake, twin.truth, only=[TAGS, USERS])


def test_snapshots_and_deltas_are_fetched_again_after_a_repair() -> None:
    for part in ("snapshots", "deltas"):
        with _filled() as (twin, lake, (mine, other)):
            _truncate_newest(lake / TAGS.table / part)
            backfill = backfill_of(twin, lake, *ENDPOINTS, only=[mine, other])
            assert backfill.run().code == FAILED
            must("repair", lake, "--yes")
            backfill.must_succeed()
            lakes.assert_equals_truth(lake, twin.truth, only=[TAGS, USERS])
            _readable(lake)


def test_every_other_layout_is_refused_and_a_new_folder_is_the_cure() -> None:
    with _filled() as (twin, lake, (mine, _)):
        for version in (1, 99):
            (lake / "kombo_layout.json").write_text(json.dumps({"layout_version": version}))
            refused = backfill_of(twin, lake, *ENDPOINTS, only=[mine]).run()
            shown("backfill", refused)
            assert refused.code == 78 and "new folder" in refused.stderr, refused.text
            assert verb("status", lake).code == 78
        fresh = lake.parent / "fresh"
        backfill_of(twin, fresh, *ENDPOINTS, only=[mine]).must_succeed()


@contextmanager
def _filled() -> Iterator[tuple[Twin, Path, list[Integration]]]:
    """Creates a lake of two integrations and two endpoints, with a delta each, completely folded."""
    with running_twin("--no-rate-limit", integrations=5) as twin, tempfile.TemporaryDirectory() as name:
        lake = Path(name) / "lake"
        two = twin.of("ats")
        assert len(two) == 2, "two customers with the same kind of tool"
        backfill_of(twin, lake, *ENDPOINTS, only=two).must_succeed()
        yield twin, lake, two


@contextmanager
def _service() -> Iterator[tuple[Living, Service, Integration]]:
    """Creates a service that has fetched everything and is stopped."""
    with (
        tempfile.TemporaryDirectory() as folder,
        living_twin(integrations=1) as living,
        service_of(living.twin, Path(folder)) as service,
    ):
        living.pause()
        (one,) = living.twin.truth.integrations
        service.source["endpoints"] = [TAGS.path, USERS.path]
        service.start_and_wait()
        service.until_fetched(2)
        assert service.stop() == 0
        yield living, service, one


def _readable(lake: Path) -> Outcome:
    """Returns the status, and fails if anything is unreadable. All tables are late, because the twin is in another year."""
    status = verb("status", lake)
    assert "unread" not in status.text, status.text
    return status


def _newest_is(service: Service, truth: Truth, one: Endpoint) -> bool:
    """Returns whether the newest rows of an endpoint equal the truth."""
    try:
        assert_newest_equal_truth(service.lake, truth, only=[one])
    except AssertionError:
        return False
    return True


def _newest(table: Path) -> Path:
    return max((table / "_delta_log").glob("*.json"))


def _truncate_newest(table: Path) -> str:
    """Truncates the newest entry of a log to half; returns its name."""
    newest = _newest(table)
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    return f"_delta_log/{newest.name}"


def _take_data(table: Path, text: str = "") -> str:
    """Deletes the data files of a table with `text` in their paths; returns the name of the newest file."""
    files = [file for file in table.rglob("part-*.parquet") if text in str(file)]
    newest = max(files, key=lambda file: file.stat().st_mtime_ns)
    for file in files:
        file.unlink()
    return newest.name


def _lines(outcome: Outcome, word: str) -> list[str]:
    return [line for line in outcome.stdout.splitlines() if line.startswith(word)]
