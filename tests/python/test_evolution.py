"""Tests a growing schema, also inside nested structs: old rows, new rows, old binaries, and a newer layout version."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import lake as lakes
import pytest
from comparison import differences
from product import Backfill, Twin, backfill_of, running_twin
from readers import READERS
from schemas import SCHEMAS, Endpoint, endpoint
from truth import Integration, Row, expected_row

# Fields that the older `schemas/` lacks: members of nested structs and of list elements, and a complete column.
REMOVED = {
    "ats/applications": ("candidate.source", "interviews[].title", "remote_url"),
    "hris/employees": ("work_location.address.city", "employments[].pay_rate"),
}


def test_old_and_new_rows_are_right_in_every_engine_while_binaries_of_both_ages_write(
    lake: Path, older: Path
) -> None:
    with running_twin("--no-rate-limit", integrations=6) as twin:
        for backfill in _backfills(twin, lake, older):
            backfill.must_succeed()
        for path in REMOVED:
            old, new = endpoint(path, older), endpoint(path)
            _assert_rest_is_used(old, twin)
            everybody = twin.of(new.category)
            ages = dict.fromkeys(everybody, old)
            # So far the tables have only the older binary's columns.
            _assert_rows(lake, old, _rows(twin, ages))

        newer = backfill_of(twin, lake, *_endpoints(), only=_firsts(twin))
        newer.must_succeed()
        for path in REMOVED:
            old, new = endpoint(path, older), endpoint(path)
            everybody = twin.of(new.category)
            ages = dict.fromkeys(everybody, old) | {everybody[0]: new}
            _assert_rows(lake, new, _rows(twin, ages))

        dataclasses.replace(newer, schemas=older).must_succeed()
        for path in REMOVED:
            old, new = endpoint(path, older), endpoint(path)
            _assert_rows(lake, new, _rows(twin, dict.fromkeys(twin.of(new.category), old)))

        # With the newer binary again, every value is in its column.
        backfill_of(twin, lake, *_endpoints()).must_succeed()
        lakes.assert_equals_truth(lake, twin.truth, only=[endpoint(path) for path in REMOVED])


def test_a_row_has_the_same_hash_whatever_the_schema(lake: Path, older: Path) -> None:
    other = lake.with_name("other")
    with running_twin("--no-rate-limit", integrations=2) as twin:
        backfill_of(twin, lake).must_succeed()
        dataclasses.replace(backfill_of(twin, other), schemas=older).must_succeed()
        assert lakes.hashes(lake, twin.truth) == lakes.hashes(other, twin.truth)


def test_a_layout_from_the_future_is_refused(lake: Path) -> None:
    with running_twin("--no-rate-limit", integrations=1) as twin:
        backfill = backfill_of(twin, lake, "--endpoint", "ats/tags")
        backfill.must_succeed()
        document = lake / "kombo_layout.json"
        layout = json.loads(document.read_text())
        (version,) = (name for name, value in layout.items() if type(value) is int)
        document.write_text(json.dumps(layout | {version: 99}))
        files = sorted(lake.rglob("*"))

        outcome = backfill.run()
        assert outcome.code == 78, f"exit code {outcome.code}:\n{outcome.text[-2000:]}"
        assert "99" in outcome.text and "layout" in outcome.text, outcome.text
        assert sorted(lake.rglob("*")) == files, "a refused lake was written to"


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """Returns the schemas of an older binary."""
    older = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, older)
    for name, paths in REMOVED.items():
        file = older / f"{name}.json"
        raw = json.loads(file.read_text())
        for path in paths:
            _remove(raw["fields"], path.split("."))
        file.write_text(json.dumps(raw))
    return older


def _remove(fields: list[dict[str, Any]], path: list[str]) -> None:
    name, *below = path
    at, found = next(
        (at, one) for at, one in enumerate(fields) if one["name"] == name.removesuffix("[]")
    )
    if not below:
        del fields[at]
    else:
        _remove((found["item"] if name.endswith("[]") else found)["fields"], below)


def _endpoints() -> list[str]:
    return [word for path in REMOVED for word in ("--endpoint", path)]


def _firsts(twin: Twin) -> list[Integration]:
    return [twin.of("ats")[0], twin.of("hris")[0]]


def _backfills(twin: Twin, lake: Path, older: Path) -> list[Backfill]:
    return [dataclasses.replace(backfill_of(twin, lake, *_endpoints()), schemas=older)]


def _rows(twin: Twin, ages: dict[Integration, Endpoint]) -> list[Row]:
    return [
        expected_row(age, integration, record)
        for integration, age in ages.items()
        for record in twin.truth.records(age, integration)
    ]


def _assert_rows(lake: Path, shape: Endpoint, expected: list[Row]) -> None:
    for reader in READERS:
        actual = reader.read(lakes.snapshots(lake, shape))
        lines = differences(shape, expected, actual, reader.nested_nulls)
        assert not lines, f"{shape.path} read by {reader.name}: {lines[:20]}"


def _assert_rest_is_used(old: Endpoint, twin: Twin) -> None:
    """Fails when no row has a value in a removed field, because then the suite would prove nothing."""
    rows = _rows(twin, dict.fromkeys(twin.of(old.category), old))
    pointers = {pointer for row in rows if row["_rest"] for pointer in row["_rest"].value}
    for path in REMOVED[old.path]:
        last = f"/{path.rsplit('.', 1)[-1]}"
        assert any(one.endswith(last) for one in pointers), f"no row of {old.path} has {path}"
