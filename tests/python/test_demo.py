"""Tests that the queries that `demo` prints work as printed, and return the true rows."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chdb
import polars
import pyarrow.ipc

import lake as lakes
from product import BINARY, Twin, backfill_of, run, running_twin
from proxy import running_proxy
from readers import Row, duckdb_with_extensions
from schemas import endpoint

APPLICATIONS = endpoint("ats/applications")
COLUMNS = ["id", "outcome", "candidate", "changed_at"]
ROWS = 300
CHANGES = 3
# The default start of `twin`: with it and the same seed the demo has the records of the twin.
TWIN_START = "2026-01-05T08:00:00.000Z"
LONG_AGO = "1990-01-01T00:00:00.000Z"


def test_the_printed_queries_return_the_latest_rows_in_every_engine(lake: Path) -> None:
    with running_twin("--no-rate-limit", rows=ROWS) as twin:
        done = run([BINARY, "demo", "--lake", str(lake), "--rows", str(ROWS), "--start", TWIN_START])
        assert done.code == 0, done.text[-4000:]
        snippets = _snippets(done.stdout)
        live = _live_ids(twin)
        _assert_answers(snippets, live)

        # The demo's companies are those of any twin with its seed and start, so a delta can follow. Asked for changes
        # since long ago, the twin sends all rows again. Unchanged rows of `current` are dropped. Only rows that were
        # deleted before the first full fetch are written once more, so their ids are both in the snapshot and in the
        # deltas.
        with running_proxy(twin.url, updated_after=LONG_AGO) as proxy:
            arguments = ("--mode", "delta", "--endpoint", APPLICATIONS.path, "--api-url", proxy.url)
            ids = [word for one in twin.of("ats") for word in ("--integration", one.id)]
            command = [BINARY, "backfill", "--lake-url", str(lake), *ids, *arguments]
            outcome = run([*command, "--no-rate-limit"], backfill_of(twin, lake).environ())
            assert outcome.code == 0, outcome.text[-4000:]
        observed = lakes.read_reference(lakes.deltas(lake, APPLICATIONS), columns=["id"])
        # Anonymised rows have no `changed_at`, so the twin's filter leaves them out.
        rows = twin.truth.rows(APPLICATIONS)
        deleted = [row for row in rows if row["_op"] == "delete" and row["changed_at"] is not None]
        assert deleted, "nothing was deleted"
        assert sorted(row["id"] for row in observed) == sorted(row["id"] for row in deleted)
        _assert_answers(snippets, live)


def test_clickhouse_reads_members_of_the_structs_a_query_returns(lake: Path) -> None:
    done = run([BINARY, "demo", "--lake", str(lake), "--rows", "20"])
    query = _snippets(done.stdout)["ClickHouse"]
    whole = {row["id"]: row["candidate"]["first_name"] for row in _clickhouse(query)}
    members = _clickhouse(f"SELECT id, candidate.first_name AS name FROM ({query})")
    assert {row["id"]: row["name"] for row in members} == whole


def test_the_live_demo_shows_each_change_up_to_its_row_and_ends_by_itself(lake: Path) -> None:
    live = ("--live", "--changes", str(CHANGES), "--rows", str(ROWS))
    done = run([BINARY, "demo", "--lake", str(lake), *live])
    assert done.code == 0, done.text[-4000:]
    lines = done.stdout.splitlines()
    for stage in ("change", "webhook", "fetched", "committed", "row visible", "in DuckDB"):
        told = [line for line in lines if line[20:].startswith(f"  {stage} ")]
        assert len(told) >= CHANGES, f"{stage}: {done.stdout}"
    changes = [line.split(": ")[1].split(" of ")[0] for line in lines if "  change  " in line]
    found = []
    for line in lines:
        if "  in DuckDB  " in line:
            query = line[line.index("SELECT") :]
            ((row, op, changed, fetched),) = duckdb_with_extensions().execute(query).fetchall()
            assert op in ("upsert", "delete")
            assert changed is not None and fetched is not None
            found.append(row)
    assert sorted(found) == sorted(changes), "the queries do not find exactly the changed rows"
    assert f"{CHANGES} changes, {CHANGES} of them in the lake; {CHANGES} webhooks." in lines


def _assert_answers(snippets: dict[str, str], live: list[str]) -> None:
    """Runs each snippet as printed, and again without its limit."""
    for engine, ask in ENGINES.items():
        rows = ask(snippets[engine])
        assert [row["id"] for row in rows] == live[:5], f"{engine} returns other rows"
        assert all(list(row) == COLUMNS for row in rows), f"{engine} returns other columns"
        unlimited = re.sub(r" LIMIT 5(?=;?\s*$)|\.head\(5\)", "", snippets[engine])
        assert unlimited != snippets[engine], f"the query for {engine} has no limit"
        assert [row["id"] for row in ask(unlimited)] == live, f"{engine} lacks rows or repeats them"


def _live_ids(twin: Twin) -> list[str]:
    rows = twin.truth.rows(APPLICATIONS)
    live = sorted(row["id"] for row in rows if row["_op"] == "upsert")
    assert 5 < len(live) < len(rows), "no deleted rows: nothing is proven"
    return live


def _snippets(printed: str) -> dict[str, str]:
    parts = re.split(r"^-- (\w+).*\n", printed, flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def _duckdb(query: str) -> list[Row]:
    # The extension comes from a wheel here, not from DuckDB's site.
    install, below = query.split("\n", 1)
    assert install == "INSTALL delta; LOAD delta;", install
    result = duckdb_with_extensions().execute(below)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _polars(program: str) -> list[Row]:
    printed: list[Any] = []
    exec(program, {"print": printed.append})  # noqa: S102, what users paste
    (frame,) = printed
    assert isinstance(frame, polars.DataFrame)
    return frame.to_dicts()


def _clickhouse(query: str) -> list[Row]:
    answer = chdb.query(query, "Arrow").bytes()  # type: ignore[no-untyped-call]
    rows: list[Row] = pyarrow.ipc.open_file(io.BytesIO(answer)).read_all().to_pylist()
    return rows


ENGINES: dict[str, Callable[[str], list[Row]]] = {
    "DuckDB": _duckdb,
    "Polars": _polars,
    "ClickHouse": _clickhouse,
}
