"""Tests the comparison itself: it must catch every kind of difference."""

import copy
import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from comparison import differences
from schemas import endpoint, endpoints, walk
from truth import Integration, Json, Row, expected_row, load_json

APPLICATIONS = endpoint("ats/applications")
INTEGRATION = Integration("greenhouse:abc", "ats", "greenhouse-abc-0")
RECORD = load_json(
    """{"id": "a1", "outcome": "HIRED", "rejected_at": "2022-08-07T14:01:29.196Z",
    "screening_question_answers": [{"answer": {"choices": ["x", "y"], "number": 1.5}, "question": {"title": "?"}}],
    "custom_fields": {"b": [1, 2.50, true], "a": null}, "changed_at": "2022-08-07T14:01:29.196123Z",
    "candidate": {"id": "c1", "tags": [{"id": "t"}]}, "job": null, "offers": [],
    "current_stage": {"id": "s", "index": 3}}"""
)
OBSERVED = {
    "_fetched_at": dt.datetime(2026, 1, 2, 3, 4, 5, 6, dt.UTC),
    "_fetch_id": "0" * 32,
    "_hash": -5,
}


def test_equal_rows_show_no_difference() -> None:
    assert not _compare([_row("a1"), _row("a2")], [_actual("a2"), _actual("a1")])


def test_an_engine_without_nested_nulls_is_compared_as_it_reads() -> None:
    row = _actual("a1")
    empty = {member.name: None for member in _field("job").fields}
    row |= {"job": empty, "integration_fields": []}
    assert _compare([_row("a1")], [row]) == [
        "integration_fields: differs in 1 rows",
        "job: differs in 1 rows",
    ]
    fields = ("screening_question_answers", "current_stage", "candidate", "interviews")
    for name in fields:
        row[name] = _without_nulls(_field(name), row[name])
    lines = differences(APPLICATIONS, [_row("a1")], [row], nested_nulls=False)
    assert not lines, lines


def test_a_missing_row_is_caught() -> None:
    assert _compare([_row("a1"), _row("a2")], [_actual("a1")]) == ["1 rows are missing"]


def test_a_row_nobody_sent_is_caught() -> None:
    assert _compare([_row("a1")], [_actual("a1"), _actual("a2")]) == ["1 rows are too many"]


def test_a_doubled_row_is_caught() -> None:
    assert _compare([_row("a1")], [_actual("a1"), _actual("a1")]) == ["1 rows stand twice"]


def test_a_row_under_another_integration_is_caught() -> None:
    assert len(_compare([_row("a1")], [_actual("a1") | {"integration_key": "other"}])) == 2


def test_every_single_changed_value_is_caught() -> None:
    changes: dict[str, Callable[[Any], Any]] = {
        "_op": lambda row: row.update(_op="delete"),
        "_integration_id": lambda row: row.update(_integration_id="x"),
        "_fetched_at": lambda row: row.update(_fetched_at=None),
        "_fetch_id": lambda row: row.update(_fetch_id=""),
        "_hash": lambda row: row.update(_hash=True),
        "_rest": lambda row: row.update(_rest="{}"),
        "outcome": lambda row: row.update(outcome="PENDING"),
        "changed_at": lambda row: row.update(
            changed_at=row["changed_at"].replace(microsecond=196124)
        ),
        "rejected_at": lambda row: row.update(rejected_at=row["rejected_at"].replace(tzinfo=None)),
        "custom_fields": lambda row: row.update(custom_fields='{"b":[1,2.5,1],"a":null}'),
        "remote_data": lambda row: row.update(remote_data="null"),
        "job": lambda row: row.update(job={}),
        "offers": lambda row: row.update(offers=None),
        "current_stage.index": lambda row: row["current_stage"].update(index=3.0),
        "candidate.tags[].id": lambda row: row["candidate"]["tags"][0].update(id="u"),
        "screening_question_answers[].answer.choices": lambda row: _answer(row)["choices"].pop(),
        "screening_question_answers[].answer.choices[]": lambda row: _answer(row)[
            "choices"
        ].reverse(),
        "screening_question_answers[].answer.number": lambda row: _answer(row).update(number=1.25),
    }
    for path, change in changes.items():
        row = _actual("a1")
        change(row)
        assert _compare([_row("a1")], [row]) == [f"{path}: differs in 1 rows"], path


def test_a_column_too_many_or_too_few_is_caught() -> None:
    row = _actual("a1")
    del row["outcome"], row["candidate"]["tags"][0]["id"]
    row["extra"] = None
    assert _compare([_row("a1")], [row]) == [
        "candidate.tags[].id (member not there): differs in 1 rows",
        "extra (column not declared): differs in 1 rows",
        "outcome (column not there): differs in 1 rows",
    ]


def test_a_difference_never_shows_a_value() -> None:
    secret = _actual("a1") | {"outcome": "jane@example.com", "id": "personal"}
    assert "jane" not in str(_compare([_row("a1")], [secret]))
    assert "personal" not in str(_compare([_row("a1")], [secret]))


def test_values_that_do_not_fit_are_expected_in_rest() -> None:
    record = load_json(
        """{"id": "a1", "new/field~": null, "outcome": 5, "changed_at": "2022-08-07T14:01:29Z",
        "remote_deleted_at": "2022-02-30T00:00:00.000Z", "candidate": [], "offers": [7, {"id": "o", "x": 1}],
        "current_stage": {"index": 1.5, "y": {}}}"""
    )
    row = expected_row(APPLICATIONS, INTEGRATION, record)
    rest = row["_rest"].value
    assert rest.keys() == {
        "/new~1field~0",
        "/outcome",
        "/changed_at",
        "/remote_deleted_at",
        "/candidate",
        "/offers/0",
        "/offers/1/x",
        "/current_stage/index",
        "/current_stage/y",
    }
    assert row["_op"] == "delete" and row["changed_at"] is None and row["offers"][0] is None


def test_dates_sent_as_midnight_take_their_column_and_others_do_not() -> None:
    employees = endpoint("hris/employees")
    born = {"id": "e1", "date_of_birth": "1990-02-03T00:00:00.000Z"}
    assert _employee(born)["date_of_birth"] == dt.date(1990, 2, 3)
    born["date_of_birth"] = "1990-02-03T01:00:00.000Z"
    assert _employee(born)["_rest"] == Json({"/date_of_birth": born["date_of_birth"]})
    assert employees.table == "hris_employees"


def test_every_schema_has_types_the_checker_knows() -> None:
    known = {
        "string",
        "int",
        "float",
        "bool",
        "timestamp",
        "date",
        "json",
        "enum",
        "struct",
        "list",
    }
    types = {field.type for one in endpoints() for _, field in walk(one.fields)}
    assert types <= known, types - known


def _employee(record: Row) -> Row:
    return expected_row(endpoint("hris/employees"), INTEGRATION, record)


def _row(key: str) -> Row:
    return expected_row(APPLICATIONS, INTEGRATION, RECORD | {"id": key})


def _actual(key: str) -> Row:
    """Returns the row as an engine would read it, with JSON as text."""
    return {name: _read(value) for name, value in copy.deepcopy(_row(key)).items()} | OBSERVED


def _read(value: Any) -> Any:
    if isinstance(value, Json):
        return json.dumps(value.value, default=float)
    if isinstance(value, dict):
        return {name: _read(one) for name, one in value.items()}
    return [_read(one) for one in value] if isinstance(value, list) else value


def _without_nulls(field: Any, value: Any) -> Any:
    if field.type == "struct":
        value = value or {}
        return {one.name: _without_nulls(one, value.get(one.name)) for one in field.fields}
    if field.type == "list":
        return [_without_nulls(field.item, one) for one in value or []]
    return value


def _answer(row: Row) -> Any:
    return row["screening_question_answers"][0]["answer"]


def _field(name: str) -> Any:
    return next(field for field in APPLICATIONS.fields if field.name == name)


def _compare(expected: list[Row], actual: list[Row]) -> list[str]:
    return differences(APPLICATIONS, expected, actual)
