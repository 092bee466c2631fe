"""Tests what the lake knows of each customer: its name, what Kombo can read of it, and what is wrong with its connection."""

import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

import deltalake

from engines import ENGINES, printed
from living import living_twin
from product import backfill_of, running_twin
from schemas import endpoint
from service import service_of
from verbs import must, verb
from webhooks import event

TAGS = endpoint("ats/tags")
PERSON = "jane.doe@example.com"


def test_an_analyst_joins_rows_to_customers_and_reads_why_a_table_is_empty() -> None:
    with living_twin(integrations=2) as living, tempfile.TemporaryDirectory() as name:
        living.pause()
        lake, twin = Path(name) / "lake", living.twin
        mine = twin.of("ats")[0]
        living.refuse(mine.id, TAGS.path, "INTEGRATION.MODEL_NOT_AVAILABLE")
        backfill_of(twin, lake, "--endpoint", "ats/users", "--endpoint", "ats/tags").run()
        (row,) = [one for one in _rows(lake / "kombo_integrations") if one["_integration_id"] == mine.id]
        assert row["organization_name"] and row["origin_id"].startswith("tenant-")

        (tags,) = [one for one in _rows(lake / "kombo_coverage") if one["model"] == "ats_tags"]
        assert tags["reason"] == "unsupported" and not tags["is_readable"] and tags["tables"] == ["ats_tags"]
        told = must("coverage", lake, "--table", "ats_tags")
        assert "the connected tool has no such data" in told.stdout, told.text
        lines = must("coverage", lake, "--table", "ats_users", "--json").stdout.splitlines()
        assert [json.loads(line)["is_readable"] for line in lines] == [True]
        (shown,) = json.loads(_status(lake))["unreadable_models"]
        assert (shown["tables"], shown["reason"]) == (["ats_tags"], "unsupported")

        again = _version(lake / "kombo_coverage")
        backfill_of(twin, lake, "--endpoint", "ats/users").must_succeed()
        assert _version(lake / "kombo_coverage") == again, "nothing new is no commit"


def test_sql_for_one_customer_returns_the_rows_of_this_customer_alone() -> None:
    with running_twin("--no-rate-limit", integrations=5) as twin, tempfile.TemporaryDirectory() as name:
        lake = Path(name) / "lake"
        mine, other = twin.of("ats")
        backfill_of(twin, lake, "--endpoint", "ats/users", only=[mine, other]).must_succeed()
        origins = {one["_integration_id"]: one["origin_id"] for one in _rows(lake / "kombo_integrations")}
        assert origins[mine.id] != origins[other.id]
        quick = [engine for engine in ENGINES if engine.name in ("duckdb", "polars", "datafusion")]
        assert len(quick) == 3
        for flags in (("--integration", mine.id), ("--origin-id", origins[mine.id])):
            for view, engine in itertools.product(("current", "live", "as-of"), quick):
                text = printed(engine.name, "--lake-url", str(lake), "-t", "ats_users", "--view", view, *flags)
                found = {row["_integration_id"] for row in engine.rows(text)}
                assert found == {mine.id}, (flags, view, engine.name)


def test_an_issue_is_in_the_lake_before_its_webhook_is_acknowledged() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        living_twin(integrations=1) as living,
        service_of(living.twin, Path(folder)) as service,
    ):
        living.pause()
        (one,) = living.twin.truth.integrations
        service.source["endpoints"] = ["ats/users"]
        service.start_and_wait()
        service.until_fetched(1)
        raised, resolved = _issue(one.id, "raised"), _issue(one.id, "resolved")
        stranger = _issue("personio:CBNMt7dSNCzBdnRTx87dev4E", "raised", "i-stranger")
        for body in (raised, raised, stranger):
            service.accepts(body)
        service.kill()
        lake = Path(service.lake)
        (row,) = _rows(lake / "kombo_issues")
        assert (row["type"], row["resolved_at"], row["_integration_id"]) == ("example_issue", None, one.id)
        assert row["remedy"] == "Ask […] to **rotate** the key."
        assert [known["_integration_id"] for known in _rows(lake / "kombo_integrations")] == [one.id]
        (issue,) = json.loads(_status(lake))["issues"]
        assert issue["type"] == "example_issue" and issue["integration"] == one.id

        service.start_and_wait()
        for body in (resolved, raised):
            service.accepts(body)
        assert service.stop() == 0
        (row,) = _rows(lake / "kombo_issues")
        assert row["resolved_at"] is not None
        assert json.loads(_status(lake))["issues"] == []
        assert PERSON not in service.printed() and "rotate" not in service.printed()


def _issue(integration: str, change: str, issue: str = "i-1") -> bytes:
    data: dict[str, Any] = {
        "change": change,
        "issue": {
            "id": issue,
            "type": "example_issue",
            "title": "Credentials expire soon",
            "status": "OPEN" if change == "raised" else "RESOLVED",
            "markdown_message": f"Ask {PERSON} to **rotate** the key.",
            "first_observed_at": "2026-01-05T08:00:00.000Z",
            "resolved_at": None if change == "raised" else "2026-01-05T09:00:00.000Z",
        },
        "integration": {
            "id": integration,
            "tool": integration.partition(":")[0],
            "category": "ATS",
            "end_user": {"organization_name": "Acme", "creator_email": PERSON, "origin_id": "tenant-1"},
        },
    }
    return event("issue-status-changed", data)


def _rows(table: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = deltalake.DeltaTable(str(table)).to_pyarrow_table().to_pylist()
    return rows


def _version(table: Path) -> int:
    return int(deltalake.DeltaTable(str(table)).version())


def _status(lake: Path) -> str:
    """Returns the status as JSON. Tables may be late, because the twin is in another year."""
    return verb("status", lake, "--json").stdout
