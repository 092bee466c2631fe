"""Computes the rows that the lake must have, from the twin's dump and without the program's code.

The dump is `integrations.json` and `<category>_<endpoint>/<integration_key>.ndjson`, one Kombo record per line.
A value takes its column only if the column gives back the same string or the same exact number; everything else is
expected in `_rest`, under its JSON Pointer.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from schemas import Endpoint, Field

Row = dict[str, Any]
Rest = dict[str, Any]

MISFIT = object()
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(?:\d{3}|\d{6})Z", re.ASCII)
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MIDNIGHT = "T00:00:00.000Z"


@dataclass(frozen=True)
class Integration:
    """One connected customer of the twin."""

    id: str
    category: str
    key: str


@dataclass(frozen=True)
class Json:
    """The value of a free JSON column, which is compared as JSON."""

    value: Any


class Truth:
    """A dump of the twin's records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        raw = json.loads((folder / "integrations.json").read_text())
        self.integrations = [
            Integration(one["id"], one["category"].lower(), one["key"]) for one in raw
        ]

    def records(self, endpoint: Endpoint, integration: Integration) -> Iterator[Row]:
        """Yields Kombo's records of one table, numbers exact."""
        with (self.folder / endpoint.table / f"{integration.key}.ndjson").open() as lines:
            for line in lines:
                yield load_json(line)

    def rows(self, endpoint: Endpoint) -> list[Row]:
        """Returns the rows expected in a complete snapshot of every integration of the endpoint's category."""
        return [
            expected_row(endpoint, integration, record)
            for integration in self.integrations
            if integration.category == endpoint.category
            for record in self.records(endpoint, integration)
        ]


def load_json(text: str) -> Any:
    """Reads JSON with every number as the exact decimal it is written as."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def expected_row(endpoint: Endpoint, integration: Integration, record: Row) -> Row:
    """Converts one of Kombo's records to the row that the lake must have.

    `_fetched_at`, `_fetch_id` and `_hash` depend on the run; the comparison only checks their format.
    """
    rest: Rest = {}
    row = _members(endpoint.fields, record, "", rest)
    row["integration_key"] = integration.key
    row["_integration_id"] = integration.id
    row["_op"] = "upsert" if record.get("remote_deleted_at") is None else "delete"
    row["_rest"] = Json(rest) if rest else None
    return row


def _members(fields: tuple[Field, ...], record: Row, pointer: str, rest: Rest) -> Row:
    declared = {field.name for field in fields}
    for name in record.keys() - declared:
        rest[_below(pointer, name)] = record[name]
    return {
        field.name: _column(field, record.get(field.name), _below(pointer, field.name), rest)
        for field in fields
    }


def _column(field: Field, value: Any, pointer: str, rest: Rest) -> Any:
    if value is None:
        return None
    if field.type == "struct" and isinstance(value, dict):
        return _members(field.fields, value, pointer, rest)
    if field.type == "list" and isinstance(value, list):
        assert field.item is not None, "a list declares its element"
        return [_column(field.item, one, f"{pointer}/{at}", rest) for at, one in enumerate(value)]
    fitted = _scalar(field, value)
    if fitted is MISFIT:
        rest[pointer] = value
        return None
    return fitted


def _scalar(field: Field, value: Any) -> Any:
    if field.type == "json":
        return Json(value)
    if field.type == "bool" and isinstance(value, bool):
        return value
    if isinstance(value, Decimal):
        return _number(field, value)
    if isinstance(value, str):
        return _text(field, value)
    return MISFIT


def _number(field: Field, value: Decimal) -> Any:
    if field.type == "int" and value == value.to_integral_value() and -(2**63) <= value < 2**63:
        return int(value)
    if field.type == "float" and Decimal(repr(float(value))) == value:
        return float(value)
    return MISFIT


def _text(field: Field, value: str) -> Any:
    if field.type in ("string", "enum"):
        return value
    if field.type == "timestamp":
        return _timestamp(value)
    if field.type == "date":
        if not field.midnight:
            return _date(value)
        return _date(value.removesuffix(MIDNIGHT)) if value.endswith(MIDNIGHT) else MISFIT
    return MISFIT


def _timestamp(text: str) -> Any:
    # `.120000` would be written back as `.120`.
    if not TIMESTAMP.fullmatch(text) or (len(text) == 27 and text.endswith("000Z")):
        return MISFIT
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return MISFIT


def _date(text: str) -> Any:
    if not DATE.fullmatch(text):
        return MISFIT
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return MISFIT


def _below(pointer: str, name: str) -> str:
    """Returns the JSON Pointer (RFC 6901) of a member."""
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
