"""Tests statistics: engines skip files by them, and a bound that is off by a microsecond would hide rows."""

import datetime as dt
from pathlib import Path

import lake as lakes
from product import backfill_of, running_twin
from readers import READERS, Predicate
from schemas import Endpoint, endpoint

COLUMNS = ("_fetched_at", "changed_at")
MICROSECOND = dt.timedelta(microseconds=1)


def test_rows_in_the_last_millisecond_of_a_file_are_found(lake: Path) -> None:
    paths = ("ats/applications", "ats/candidates", "hris/employees", "hris/groups")
    with running_twin("--no-rate-limit", integrations=6) as twin:
        backfill_of(twin, lake).must_succeed()
        between = 0
        for path in paths:
            one = endpoint(path)
            for integration in twin.of(one.category):
                for column in COLUMNS:
                    between += _check(lake, one, integration.key, column)
        assert between, "no greatest value lies between two milliseconds: nothing was proven"


def _check(lake: Path, one: Endpoint, key: str, column: str) -> bool:
    """Asks every engine for the rows at, from and after an integration's greatest value, which is its file's upper bound.

    Returns whether that value lies between two milliseconds.
    """
    uri = lakes.snapshots(lake, one)
    rows = [row for row in lakes.read_reference(uri) if row["integration_key"] == key]
    values = {row["id"]: row[column] for row in rows if row[column] is not None}
    greatest = max(values.values())
    for operator, bound in (("=", greatest), (">=", greatest), (">=", greatest + MICROSECOND)):
        wanted = [row for row, value in values.items() if _holds(value, operator, bound)]
        for reader in READERS:
            found = reader.read(uri, ["integration_key", "id"], Predicate(column, operator, bound))
            ids = [row["id"] for row in found if row["integration_key"] == key]
            assert sorted(ids) == sorted(wanted), (
                f"{reader.name} finds {len(ids)} of {len(wanted)} rows of {one.path} "
                f"where {column} {operator} the greatest value"
            )
    return bool(greatest.microsecond % 1000)


def _holds(value: dt.datetime, operator: str, bound: dt.datetime) -> bool:
    return value == bound if operator == "=" else value >= bound
