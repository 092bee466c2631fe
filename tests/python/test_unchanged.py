"""Tests that an unchanged row is written once, however often the service starts or a backfill runs."""

from pathlib import Path

import lake as lakes
from living import living_twin
from newest import assert_newest_equal_truth
from product import backfill_of
from schemas import endpoint, endpoints
from service import Service, service_of
from webhooks import data_changed

TAGS = endpoint("ats/tags")
RESTARTS = 3


def test_a_service_that_is_restarted_writes_no_row_again(tmp_path: Path) -> None:
    with (
        living_twin(integrations=3, rows=20) as living,
        service_of(living.twin, tmp_path) as service,
    ):
        one = living.twin.of("ats")[0]
        service.start_and_wait()
        service.until_quiet()
        for index in range(3):
            living.change("edit", one.id, TAGS.path, index)
        service.accepts(data_changed(one.id, ["ats_tags"]))
        service.until_quiet()
        written = _written(service)
        assert written[TAGS.path] == 3, written
        for _ in range(RESTARTS):
            assert service.stop() == 0, service.printed()[-2000:]
            service.start_and_wait()
            service.until_quiet()
            again = service.metrics().total("kombo_rows_total", result="unchanged")
            assert again >= 3, "the rows came again"
            assert _written(service) == written
        # A row that changed meanwhile is written, even if it has its earlier values again.
        living.change("edit", one.id, TAGS.path, 0)
        service.accepts(data_changed(one.id, ["ats_tags"]))
        service.until_quiet()
        assert _written(service)[TAGS.path] == 4
        assert service.stop() == 0
        truth = living.truth(tmp_path / "truth")
        assert assert_newest_equal_truth(service.lake, truth, lambda table, _: table == TAGS)


def test_a_backfill_that_runs_again_writes_no_row_again(lake: Path) -> None:
    with living_twin(integrations=3, rows=20) as living:
        one = living.twin.of("ats")[0]
        backfill_of(living.twin, lake).must_succeed()
        backfill = backfill_of(living.twin, lake, "--mode", "delta")
        for index in range(3):
            living.change("edit", one.id, TAGS.path, index)
        backfill.must_succeed()
        written = _rows(lake)
        assert written[TAGS.path] == 3, written
        for _ in range(RESTARTS):
            backfill.must_succeed()
            assert _rows(lake) == written


def _written(service: Service) -> dict[str, int]:
    return _rows(Path(service.lake))


def _rows(lake: Path) -> dict[str, int]:
    """Counts the rows of `deltas`, by endpoint."""
    tables = [one for one in endpoints() if any(_log(lake, one.table).glob("*.json"))]
    return {
        one.path: len(lakes.read_reference(lakes.deltas(lake, one), columns=["id"]))
        for one in tables
    }


def _log(lake: Path, table: str) -> Path:
    return lake / table / "deltas" / "_delta_log"
