"""Tests that `files` lists exactly the live Parquet files that another reader of the log finds."""

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

import deltalake
import duckdb

import lake as lakes
from product import BINARY, backfill_of, run, running_twin
from schemas import Endpoint, endpoint


def test_files_are_those_another_reader_of_the_log_finds(lake: Path) -> None:
    with running_twin("--no-rate-limit", integrations=5) as twin:
        # The second snapshot replaces every file, so the folder then has twice as many files as are live.
        for _ in range(2):
            backfill_of(twin, lake).must_succeed()
        for one in lakes.expected_endpoints(twin.truth.integrations):
            listed = _listed(lake, one)
            assert listed, f"no file of {one.path}"
            assert sorted(listed) == sorted(_by_deltalake(lake, one)), one.path
            parts = (lake / one.table / part for part in ("snapshots", "deltas"))
            on_disk = [file for part in parts for file in part.rglob("*.parquet")]
            assert len(on_disk) == 2 * len(listed), f"nothing of {one.path} was replaced"
            current = _listed(lake, one, "--part", "current")
            assert sorted(current) == sorted(_files_of(f"{lake}/{one.table}/current")), one.path

        applications = endpoint("ats/applications")
        files = _listed(lake, applications)
        (rows,) = duckdb.execute("SELECT count(*) FROM read_parquet(?)", [files]).fetchone() or ()
        assert rows == len(twin.truth.rows(applications))


def test_files_of_one_integration_and_as_json(lake: Path) -> None:
    tags = endpoint("ats/tags")
    with running_twin("--no-rate-limit", integrations=5) as twin:
        backfill_of(twin, lake, "--endpoint", tags.path).must_succeed()
        everybody = _listed(lake, tags)
        for one in twin.of("ats"):
            mine = _listed(lake, tags, "--integration", one.id)
            assert mine == [file for file in everybody if one.key in file] and len(mine) == 1
            (described,) = json.loads(_files(lake, tags, "--integration", one.id, "--json"))
            assert described["integration_key"] == one.key
            assert described["rows"] == len(list(twin.truth.records(tags, one)))
            assert described["bytes"] == Path(mine[0]).stat().st_size


def _listed(lake: Path, one: Endpoint, *arguments: str) -> list[str]:
    return _files(lake, one, *arguments).splitlines()


def _files(lake: Path, one: Endpoint, *arguments: str) -> str:
    done = run([BINARY, "files", "--table", one.table, "--lake-url", str(lake), *arguments])
    assert done.code == 0, done.text[-2000:]
    return done.stdout


def _by_deltalake(lake: Path, one: Endpoint) -> list[str]:
    return _files_of(lakes.snapshots(lake, one)) + _files_of(lakes.deltas(lake, one))


def _files_of(table: str) -> list[str]:
    uris = deltalake.DeltaTable(table).file_uris()
    return [unquote(urlsplit(uri).path) for uri in uris]
