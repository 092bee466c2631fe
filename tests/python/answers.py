"""The answers to the questions of `docs/sql.md`, worked out in plain Python from rows that delta-rs reads.

Each method returns the rows of one heading's query, in the same order. Records come from `snapshots` and `deltas`, not from
`current`, so that an answer proves `current` as well. Only two answers read `current`, because they are about its rows.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property
from math import floor
from pathlib import Path
from statistics import median
from typing import Any

import lake as lakes
from readers import Row
from schemas import endpoint
from views import Lake, newest

DAY = dt.timedelta(days=1)
SHOWN = 5


class Answers:
    """The answers for one lake, as of today."""

    def __init__(self, lake: Path) -> None:
        self.lake = lake
        self.now = dt.datetime.now(dt.UTC)
        self.today = self.now.date()

    def rows(self, path: str) -> list[Row]:
        """Returns the records of an endpoint as they are now."""
        return Lake.read(self.lake, endpoint(path)).as_of(dt.datetime.max.replace(tzinfo=dt.UTC))

    @cached_property
    def people(self) -> list[Row]:
        """Returns the records of employees."""
        return self.rows("hris/employees")

    @cached_property
    def applications(self) -> list[Row]:
        """Returns the records of applications."""
        return self.rows("ats/applications")

    @property
    def employed(self) -> list[Row]:
        """Returns who works there today."""
        return [
            row
            for row in self.people
            if row["employment_status"] not in ("PENDING", "INACTIVE")
            and (row["start_date"] is None or row["start_date"] <= self.today)
            and (row["termination_date"] is None or row["termination_date"] >= self.today)
        ]

    def of(self, heading: str) -> list[Row]:
        """Returns the answer to the question of a heading."""
        return (ANSWERS | OF_CHANGES)[heading](self)

    def querying_the_lake(self) -> list[Row]:
        """Counts who works there, and who of them is on leave."""
        leave = sum(row["employment_status"] == "LEAVE" for row in self.employed)
        return [{"headcount": len(self.employed), "on_leave": leave}]

    def by_department(self) -> list[Row]:
        """Counts each person once, in the first department."""
        return _most(map(_department, self.employed), "department", "headcount")

    def by_location(self) -> list[Row]:
        """Counts people by the name and the country of their office."""

        def office(row: Row) -> tuple[str, Any]:
            place = row["work_location"] or {}
            return place.get("name") or "(none)", (place.get("address") or {}).get("country")

        counted = Counter(map(office, self.employed)).items()
        ordered = sorted(counted, key=lambda one: (-one[1], one[0][0], _last(one[0][1])))
        return [
            {"location": name, "country": country, "headcount": count}
            for (name, country), count in ordered[:SHOWN]
        ]

    def over_time(self) -> list[Row]:
        """Counts people at the end of each of six months, and who joined and left within it."""
        rows = []
        first = self.today.replace(day=1)
        for _ in range(6):
            end = (first + 31 * DAY).replace(day=1) - DAY
            starts = [row["start_date"] for row in self.people]
            ends = [row["termination_date"] for row in self.people]
            rows.append(
                {
                    "month": first,
                    "headcount": sum(
                        start is not None and start <= end and (left is None or left > end)
                        for start, left in zip(starts, ends, strict=True)
                    ),
                    "joined": sum(one is not None and first <= one <= end for one in starts),
                    "left": sum(one is not None and first <= one <= end for one in ends),
                }
            )
            first = (first - DAY).replace(day=1)
        return rows[::-1]

    def leavers(self) -> list[Row]:
        """Lists whose last day was within 90 days."""
        gone = [
            row
            for row in self.people
            if row["termination_date"] is not None
            and self.today - 90 * DAY <= row["termination_date"] < self.today
        ]
        gone.sort(key=lambda row: _last(row["display_full_name"]))
        gone.sort(key=lambda row: row["termination_date"], reverse=True)
        return _only(gone, "display_full_name", "job_title", "termination_date")

    def new_hires(self) -> list[Row]:
        """Lists who started, or starts, within 30 days."""
        new = [
            row
            for row in self.people
            if row["start_date"] is not None and abs(row["start_date"] - self.today) <= 30 * DAY
        ]
        new.sort(key=lambda row: (row["start_date"], _last(row["display_full_name"])))
        return _only(new, "display_full_name", "job_title", "start_date", "employment_status")

    def leavers_by_department(self) -> list[Row]:
        """Counts whose last day was within 30 days, with deleted records, by the first department."""
        tables = Lake.read(self.lake, endpoint("hris/employees"))
        counted: dict[str, Row] = {}
        for row in newest([*tables.snapshots, *tables.deltas]):
            deleted = row["_op"] != "upsert"
            known = [row[name] for name in ("termination_date", "remote_deleted_at", "_fetched_at")]
            last_day = _date(next(one for one in known if one)) if deleted else row["termination_date"]
            # A record that was deleted before the first full fetch never was in `current`.
            never_there = deleted and row in tables.snapshots
            if never_there or last_day is None or last_day < self.today - 30 * DAY:
                continue
            if not deleted and last_day >= self.today:
                continue
            department = "(unknown)" if row["_op"] == "absent" else _department(row)
            empty = {"department": department, "by_date": 0, "deleted": 0}
            counted.setdefault(department, empty)["deleted" if deleted else "by_date"] += 1
        found = sorted(counted.values(), key=lambda one: str(one["department"]))
        return sorted(found, key=lambda one: -one["by_date"] - one["deleted"])

    @cached_property
    def hires(self) -> list[tuple[Row, Row | None]]:
        """Returns each application with the outcome `HIRED`, with its first accepted offer."""
        accepted = [row for row in self.rows("ats/offers") if row["status"] == "ACCEPTED"]
        accepted.sort(key=lambda row: (_last(row["remote_created_at"]), row["id"]))
        first: dict[tuple[str, str], Row] = {}
        for offer in accepted:
            first.setdefault((offer["integration_key"], offer["application_id"]), offer)
        hired = [row for row in self.applications if row["outcome"] == "HIRED"]
        return [(row, first.get(_key(row))) for row in hired]

    def time_to_hire(self) -> list[Row]:
        """Counts days from applications of hired people to their first accepted offers."""
        first_day = _median_days(self.hires, "employment_start_date")
        return [_counted(self.hires) | {"median_days_to_first_day": first_day}]

    def time_to_hire_by_job(self) -> list[Row]:
        """Counts the same days for each job."""
        names = {_key(job): job["name"] for job in self.rows("ats/jobs")}
        by_job: dict[tuple[str, Any], list[tuple[Row, Row | None]]] = {}
        for hire in self.hires:
            by_job.setdefault((hire[0]["integration_key"], hire[0]["job_id"]), []).append(hire)
        found = []
        for key, hires in by_job.items():
            copies = [(row["job"] or {}).get("name") for row, _ in hires]
            copy = max((one for one in copies if one is not None), default=None)
            job = next((one for one in (names.get(key), copy) if one is not None), "(unknown)")
            found.append({"job": job, "job_id": key[1]} | _counted(hires))
        found.sort(key=lambda one: (-one["hires"], one["job"], _last(one["job_id"])))
        return _only(found, "job", "hires", "with_offer", "median_days_to_hire")

    def open_jobs(self) -> list[Row]:
        """Lists the jobs that are open longest, with their applications."""
        found = []
        for job in self.rows("ats/jobs"):
            if job["status"] != "OPEN":
                continue
            mine = [
                one["outcome"]
                for one in self.applications
                if (one["integration_key"], one["job_id"]) == _key(job)
            ]
            opened = job["opened_at"]
            found.append(
                {
                    "job": job["name"],
                    "department": job["department"],
                    "open_for_days": opened and (self.today - opened.date()).days,
                    "applications": len(mine),
                    "in_progress": mine.count("PENDING"),
                }
            )
        found.sort(key=lambda one: (_last(_minus(one["open_for_days"])), _last(one["job"])))
        return found[:SHOWN]

    def by_stage(self) -> list[Row]:
        """Counts applications in progress by the name of their stage."""
        names = [
            (row["current_stage"] or {}).get("name") or "(none)"
            for row in self.applications
            if row["outcome"] == "PENDING"
        ]
        return _most(names, "stage", "applications")

    def by_source(self) -> list[Row]:
        """Counts applications and hires by source."""
        sources = [(row["candidate"] or {}).get("source") or "(none)" for row in self.applications]
        all_of = Counter(sources)
        hired = Counter(
            source
            for source, row in zip(sources, self.applications, strict=True)
            if row["outcome"] == "HIRED"
        )
        return [
            {
                "source": source,
                "applications": count,
                "hired": hired[source],
                # DuckDB rounds a half up; Python rounds a half to the even digit.
                "hired_percent": floor(1000 * hired[source] / count + 0.5) / 10,
            }
            for source, count in sorted(all_of.items(), key=lambda one: (-one[1], one[0]))
        ]

    def customers(self) -> list[Row]:
        """Lists the integrations."""
        rows = lakes.read_reference(str(self.lake / "kombo_integrations"))
        rows.sort(key=lambda row: row["category"])
        return _only(rows, "tool", "category", "state", "_integration_id")

    def changed(self) -> list[Row]:
        """Lists the records that changed within a day."""
        tables = Lake.read(self.lake, endpoint("hris/employees"))
        since = self.now - DAY
        observed = [*tables.deltas, *tables.drift]
        changed = {_key(row) for row in observed if row["_fetched_at"] > since}
        present = {_key(row): row for row in tables.current}
        rows = []
        for key in changed:
            row = present.get(key, {})
            row = {"now": row.get("_op", "gone"), "id": key[1]} | {
                name: row.get(name) for name in ("display_full_name", "changed_at")
            }
            rows.append(row)
        rows.sort(key=lambda row: row["id"])
        rows.sort(key=lambda row: _last(_minus(row["changed_at"])))
        return rows[:SHOWN]

    def as_of(self) -> list[Row]:
        """Counts the records that were there at an instant."""
        active = sum(row["employment_status"] == "ACTIVE" for row in self.people)
        return [{"records": len(self.people), "active": active}]

    def deleted(self) -> list[Row]:
        """Lists the records that are gone."""
        tables = Lake.read(self.lake, endpoint("hris/employees"))
        gone = [
            {
                "id": row["id"],
                "_op": row["_op"],
                "remote_deleted_at": row["remote_deleted_at"],
                "seen_at": row["_fetched_at"],
                "values_are_gone": row["changed_at"] is None,
            }
            for row in newest([*tables.snapshots, *tables.deltas])
            if row["_op"] != "upsert"
        ]
        gone.sort(key=lambda row: row["id"])
        gone.sort(key=lambda row: _first(_minus(row["remote_deleted_at"])))
        return gone[:SHOWN]

    def nulls(self) -> list[Row]:
        """Counts by tool the people with a last day."""
        tools = {
            row["integration_key"]: row["tool"]
            for row in lakes.read_reference(str(self.lake / "kombo_integrations"))
        }
        rows = {}
        for person in self.people:
            tool = tools[person["integration_key"]]
            row = rows.setdefault(tool, {"tool": tool, "employees": 0, "with_value": 0, "in_rest": 0})
            row["employees"] += 1
            row["with_value"] += person["termination_date"] is not None
            row["in_rest"] += "/termination_date" in json.loads(person["_rest"] or "{}")
        return list(rows.values())

    def rest(self) -> list[Row]:
        """Counts the positions of values that fit no column."""
        current = Lake.read(self.lake, endpoint("ats/applications")).current
        pointers = [one for row in current for one in json.loads(row["_rest"] or "{}")]
        return _most(pointers, "pointer", "records")

    def custom_fields(self) -> list[Row]:
        """Counts the keys of custom fields."""
        texts = [row["custom_fields"] for row in self.people]
        fields = [json.loads(text or "null") for text in texts]
        return _most((key for one in fields if isinstance(one, dict) for key in one), "field", "records")

    def drift(self) -> list[Row]:
        """Counts what full fetches found."""
        rows = lakes.read_reference(str(self.lake / "kombo_drift"))
        counted = Counter((row["endpoint"], row["kind"], row["cause"]) for row in rows)
        return [
            {"endpoint": path, "kind": kind, "cause": cause, "records": count}
            for (path, kind, cause), count in sorted(counted.items(), key=lambda one: (-one[1], one[0]))
        ]


ANSWERS: dict[str, Callable[[Answers], list[Row]]] = {
    "Querying the lake": Answers.querying_the_lake,
    "Headcount by department": Answers.by_department,
    "Headcount by location": Answers.by_location,
    "Headcount over time": Answers.over_time,
    "Leavers": Answers.leavers,
    "New hires": Answers.new_hires,
    "Time to hire": Answers.time_to_hire,
    "Time to hire by job": Answers.time_to_hire_by_job,
    "Open jobs": Answers.open_jobs,
    "Applications by stage": Answers.by_stage,
    "Applications by source": Answers.by_source,
    "One customer only": Answers.customers,
    "As of a date": Answers.as_of,
    "Why is a value null?": Answers.nulls,
    "Which custom fields are there?": Answers.custom_fields,
}

# What shows something only once something has happened.
OF_CHANGES: dict[str, Callable[[Answers], list[Row]]] = {
    "What changed since yesterday": Answers.changed,
    "Leavers by department": Answers.leavers_by_department,
    "Deleted rows": Answers.deleted,
    "What is in `_rest`?": Answers.rest,
    "Which rows were wrong?": Answers.drift,
}


def _department(row: Row) -> str:
    names = [one["name"] for one in row["groups"] or () if one["type"] == "DEPARTMENT"]
    return (names[0] if names else None) or "(none)"


def _counted(hires: list[tuple[Row, Row | None]]) -> Row:
    return {
        "hires": len(hires),
        "with_offer": sum(offer is not None for _, offer in hires),
        "median_days_to_hire": _median_days(hires, "remote_created_at"),
    }


def _median_days(hires: list[tuple[Row, Row | None]], name: str) -> float | None:
    """Returns the median of the days from an application to a date of its offer."""
    spans = [
        (_date(offer[name]) - row["remote_created_at"].date()).days
        for row, offer in hires
        if offer is not None and row["remote_created_at"] is not None and offer[name] is not None
    ]
    return median(spans) if spans else None


def _most(names: Iterable[str], name: str, count: str) -> list[Row]:
    ordered = sorted(Counter(names).items(), key=lambda one: (-one[1], one[0]))
    return [{name: one, count: how_many} for one, how_many in ordered[:SHOWN]]


def _only(rows: list[Row], *names: str) -> list[Row]:
    return [{name: row[name] for name in names} for row in rows[:SHOWN]]


def _key(row: Row) -> tuple[str, str]:
    return row["integration_key"], row["id"]


def _date(value: dt.date | dt.datetime) -> dt.date:
    return value.date() if isinstance(value, dt.datetime) else value


def _minus(value: Any) -> Any:
    """Returns what sorts the other way round."""
    if isinstance(value, dt.datetime):
        return -value.timestamp()
    return None if value is None else -value


def _last(value: Any) -> tuple[bool, Any]:
    """Returns what sorts null behind everything."""
    return value is None, 0 if value is None else value


def _first(value: Any) -> tuple[bool, Any]:
    return value is not None, 0 if value is None else value
