"""One comparison of expected rows with what an engine read, for every engine.

The comparison names paths and counts rows. It never prints a value, because the rows are personal data.
"""

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from schemas import Endpoint, Field
from truth import Json, Row, load_json

SYSTEM_COLUMNS = (
    "integration_key",
    "_integration_id",
    "_op",
    "_fetched_at",
    "_fetch_id",
    "_hash",
    "_rest",
)
REST = Field("_rest", "json", False, (), None)
FETCH_ID = re.compile(r"[0-9a-f]{32}")


def differences(
    endpoint: Endpoint,
    expected: list[Row],
    actual: list[Row],
    nested_nulls: bool = True,
) -> list[str]:
    """Compares every row and every value. Returns one line per path that differs; none when everything is equal.

    `nested_nulls=False` is for an engine whose structs and lists cannot be null: there a null struct reads as a struct
    of nulls, and a null list as an empty one.
    """
    wanted, found = _by_key(expected), _by_key(actual)
    lines = _keys(expected, wanted, actual, found)
    counts: Counter[str] = Counter()
    for key in wanted.keys() & found.keys():
        counts.update(set(_row(endpoint, wanted[key], found[key], nested_nulls)))
    lines.extend(f"{path}: differs in {count} rows" for path, count in sorted(counts.items()))
    return lines


def _by_key(rows: list[Row]) -> dict[tuple[Any, Any], Row]:
    return {(row.get("integration_key"), row.get("id")): row for row in rows}


def _keys(
    expected: list[Row],
    wanted: dict[tuple[Any, Any], Row],
    actual: list[Row],
    found: dict[tuple[Any, Any], Row],
) -> list[str]:
    counts = {
        "rows are expected twice: the truth is wrong": len(expected) - len(wanted),
        "rows stand twice": len(actual) - len(found),
        "rows are missing": len(wanted.keys() - found.keys()),
        "rows are too many": len(found.keys() - wanted.keys()),
    }
    return [f"{count} {what}" for what, count in counts.items() if count]


def _row(endpoint: Endpoint, expected: Row, actual: Row, nested_nulls: bool) -> Iterator[str]:
    declared = {*SYSTEM_COLUMNS, *(field.name for field in endpoint.fields)}
    for name in actual.keys() ^ declared:
        yield f"{name} (column {'not declared' if name in actual else 'not there'})"
    for name in ("integration_key", "_integration_id", "_op"):
        if actual.get(name) != expected[name]:
            yield name
    yield from _run_columns(actual)
    yield from _value(REST, expected["_rest"], actual.get("_rest"), "_rest", nested_nulls)
    for field in endpoint.fields:
        if (path := field.name) in actual:
            yield from _value(field, expected.get(path), actual[path], path, nested_nulls)


def _run_columns(actual: Row) -> Iterator[str]:
    if not _is_instant(actual.get("_fetched_at")):
        yield "_fetched_at"
    if not FETCH_ID.fullmatch(str(actual.get("_fetch_id"))):
        yield "_fetch_id"
    if type(actual.get("_hash")) is not int:
        yield "_hash"


def _value(
    field: Field, expected: Any, actual: Any, path: str, nested_nulls: bool
) -> Iterator[str]:
    if expected is None and not nested_nulls:
        expected = _empty(field)
    if expected is None or actual is None:
        if expected is not actual:
            yield path
    elif field.type == "struct":
        yield from _struct(field, expected, actual, path, nested_nulls)
    elif field.type == "list":
        yield from _list(field, expected, actual, path, nested_nulls)
    elif field.type == "json":
        if not _same_json_text(expected, actual):
            yield path
    elif field.type == "timestamp":
        if not _is_instant(actual) or expected != actual:
            yield path
    elif type(expected) is not type(actual) or expected != actual:
        yield path


def _struct(
    field: Field, expected: Any, actual: Any, path: str, nested_nulls: bool
) -> Iterator[str]:
    if not isinstance(actual, dict):
        yield path
        return
    for name in actual.keys() ^ {member.name for member in field.fields}:
        yield f"{path}.{name} (member {'not declared' if name in actual else 'not there'})"
    for member in field.fields:
        if (name := member.name) in actual:
            below = f"{path}.{name}"
            yield from _value(member, expected.get(name), actual[name], below, nested_nulls)


def _list(field: Field, expected: Any, actual: Any, path: str, nested_nulls: bool) -> Iterator[str]:
    assert field.item is not None, "a list declares its element"
    if not isinstance(actual, list) or len(actual) != len(expected):
        yield path
        return
    for one, other in zip(expected, actual, strict=True):
        yield from _value(field.item, one, other, f"{path}[]", nested_nulls)


def _empty(field: Field) -> Any:
    if field.type == "struct":
        return {}
    return [] if field.type == "list" else None


def _is_instant(value: Any) -> bool:
    return isinstance(value, dt.datetime) and value.utcoffset() == dt.timedelta(0)


def _same_json_text(expected: Json, text: Any) -> bool:
    if not isinstance(text, str):
        return False
    try:
        return _same_json(expected.value, load_json(text))
    except ValueError:
        return False


def _same_json(one: Any, other: Any) -> bool:
    # Types are compared first, because True equals 1 in Python.
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same_json(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same_json, one, other))
    return bool(one == other)
