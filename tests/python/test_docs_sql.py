"""What the manual shows to be copied, run as it stands on a lake of the demo; and the answers are right."""

import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deltalake
import polars
import pyarrow
import pytest

import lake as lakes
from answers import ANSWERS, OF_CHANGES, Answers
from engines import ENGINES, duckdb_rows, last, printed
from pages import ROOT, blocks, commands, page, section
from product import BINARY, run
from readers import Row, duckdb_with_extensions, plain_rows
from schemas import SCHEMAS, endpoint, endpoints
from translated import TRANSLATED
from views import Story

PAGES = ("docs/sql.md", "docs/lake.md", "README.md")
ROWS = "2000"
# How the pages name the reader's lake.
PLACE = re.compile(r"(?:\./)?\bdemo-lake\b|/data/lake")
# What needs an account somewhere.
NOT_HERE = ("s3",)
# A block of DuckDB, and below it what it returns.
SHOWN = re.compile(r"^```sql\n((?:(?!^```).)*)^```\n\n```text\n((?:(?!^```).)*)^```", re.S | re.M)


@dataclass(frozen=True)
class Block:
    """A block that is to be run."""

    page: str
    language: str
    """`sql`, `sql` and an engine, or `python`."""
    text: str
    number: int

    def __str__(self) -> str:
        return f"{Path(self.page).stem}-{self.language.replace(' ', '-')}-{self.number}"


def _blocks() -> list[Block]:
    found = []
    for name in PAGES:
        text = page(name)
        for language in sorted(set(re.findall(r"^```((?:sql|python)(?: \w+)?)$", text, re.M))):
            if language.removeprefix("sql ") not in NOT_HERE:
                bodies = blocks(text, language)
                found += [Block(name, language, body, n) for n, body in enumerate(bodies, 1)]
    return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the lake of the demo."""
    lake = tmp_path_factory.mktemp("docs") / "demo-lake"
    done = run([BINARY, "demo", "--lake", str(lake), "--rows", ROWS])
    assert done.code == 0, done.text[-4000:]
    return lake


@pytest.fixture(scope="module")
def eventful(demo: Path) -> Path:
    """Returns a copy of the lake in which records changed after the fold, and in which a full fetch found drift."""
    lake = demo.parent / "eventful"
    shutil.copytree(demo, lake)
    employees = endpoint("hris/employees")
    story = Story(lake, employees)
    story.clock = Answers(lake).now
    story.upsert(story.current[0], display_full_name="changed")
    story.delete(story.current[1])
    story.absent(story.current[2])
    story.commit()
    story.drift(story.current[3], story.tick())
    story.drift(story.current[4], story.tick())
    story.drift(story.current[5], story.tick(), of="ats/offers")
    table = deltalake.DeltaTable(lake / "ats_applications" / "current")
    rows = table.to_pyarrow_table()
    rest = pyarrow.array(['{"/new":1,"/candidate/new":2}', '{"/new":null}', *[None] * (len(rows) - 2)])
    named = rows.set_column(rows.schema.get_field_index("_rest"), "_rest", rest)
    deltalake.write_deltalake(table, named, mode="overwrite")
    return lake


@pytest.fixture(scope="module")
def refetched(demo: Path) -> Path:
    """Returns a copy of the lake in which a full fetch an hour later found everybody on leave."""
    lake = demo.parent / "refetched"
    shutil.copytree(demo, lake)
    table = deltalake.DeltaTable(lake / "hris_employees" / "snapshots")
    rows = [
        row | {"_fetched_at": row["_fetched_at"] + dt.timedelta(hours=1), "employment_status": "LEAVE"}
        for row in lakes.read_reference(table.table_uri)
    ]
    schema = table.to_pyarrow_dataset().schema
    deltalake.write_deltalake(table, pyarrow.Table.from_pylist(rows, schema), mode="overwrite")
    return lake


@pytest.mark.parametrize("block", _blocks(), ids=str)
def test_each_block_of_the_manual_runs(block: Block, demo: Path) -> None:
    _run(block.language, block.text, demo)


@pytest.mark.parametrize("heading", [*ANSWERS, *OF_CHANGES])
def test_each_query_of_a_question_gives_the_right_answer(
    heading: str, demo: Path, eventful: Path
) -> None:
    lake = eventful if heading in OF_CHANGES else demo
    expected = Answers(lake).of(heading)
    assert expected, "nothing is found: nothing is proven"
    text = section(page("docs/sql.md"), heading)
    queries = [("sql", blocks(text, "sql")[0])]
    if heading in ("Headcount by department", "Time to hire"):
        queries += [("python", one) for one in blocks(text, "python")]
    if heading == "Applications by stage":
        queries += [("sql clickhouse", one) for one in blocks(text, "sql clickhouse")]
    for language, query in queries:
        rows = _run(language, query, lake)
        assert rows, f"{language}: no rows"
        names = rows[0].keys() & expected[0].keys()
        # How long a row was wrong is not worked out again.
        assert names == rows[0].keys() - {"median_hours_wrong"}
        wanted = [{name: row[name] for name in names} for row in expected]
        assert [{name: row[name] for name in names} for row in rows] == wanted, language


def test_the_recipe_for_an_instant_before_the_last_full_fetch_is_exact(
    demo: Path, refetched: Path
) -> None:
    answers = Answers(demo)
    expected = answers.of("As of a date")
    newest = max(row["_fetched_at"] for row in answers.people) + dt.timedelta(minutes=1)
    instant = f"TIMESTAMPTZ '{newest.isoformat()}'"
    text = page("docs/sql.md")
    (plain, _, which, at_version) = blocks(section(text, "As of a date"), "sql")[:4]
    assert _run("sql", plain.replace("now()", instant), refetched) == [{"records": 0, "active": 0}]
    # The log has two versions with rows: that of the demo, and the one that the fixture wrote just now.
    log = sorted((refetched / "hris_employees" / "snapshots" / "_delta_log").glob("*.json"))
    entries = map(json.loads, log[-1].read_text().splitlines())
    (written,) = [one["commitInfo"] for one in entries if "commitInfo" in one]
    before = dt.datetime.fromtimestamp(written["timestamp"] / 1000 - 0.001, dt.UTC)
    moment = f"TIMESTAMPTZ '{before.isoformat()}'"
    found = _run("sql", which.replace("now()", moment), refetched)
    assert found == [{"version": len(log) - 2}]
    assert "version => 1)" in at_version and len(log) == 3
    assert _run("sql", at_version.replace("now()", instant), refetched) == expected
    (python,) = blocks(section(text, "Before the last full fetch"), "python")
    line = "instant = datetime.now(timezone.utc)"
    assert line in python
    moment = f"instant = datetime.fromisoformat({before.isoformat()!r})"
    shown: list[Any] = []
    code = PLACE.sub(str(refetched), python.replace(line, moment))
    exec(code, {"print": shown.append})  # noqa: S102, what readers paste
    assert pyarrow.table(shown[-1]).to_pylist() == expected


def test_what_differs_between_engines_gives_the_same_in_each(demo: Path) -> None:
    text = section(page("docs/sql.md"), "The same in other engines")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    (head, _, tables, *parts) = [_cells(line) for line in lines]
    assert head[1:] == ["DuckDB", "ClickHouse", "Spark, Sail", "Trino, Athena"]
    languages = ("sql", "sql clickhouse", "sql spark", "sql trino")
    for name, *expressions in parts:
        answers = []
        for language, table, expression in zip(languages, tables[1:], expressions, strict=True):
            rows = _run(language, f"SELECT {expression} AS answer FROM {table}", demo)
            assert rows, f"{name} by {language}"
            answers.append(Counter(_plain(row["answer"]) for row in rows))
        for language, answer in zip(languages, answers, strict=True):
            assert answer == answers[0], f"{name} by {language}"


def test_the_outputs_on_the_pages_have_the_columns_of_their_queries(demo: Path) -> None:
    shown = [pair for name in PAGES for pair in SHOWN.findall(page(name))]
    assert len(shown) > len(ANSWERS), "the outputs are not found"
    for query, output in shown:
        head = output.splitlines()[1]
        names = [one.strip() for one in head.strip("│").split("│")]
        assert names == _described(query, demo), f"the output below {query[:200]}"


def test_the_printed_views_that_the_pages_name_can_be_printed(demo: Path) -> None:
    text = "\n".join(page(name) for name in PAGES)
    found = [
        line
        for block in blocks(text, "console")
        for line in commands(block)
        if line.startswith(("kombo-source sql ", "kombo-source files "))
    ]
    assert found
    for line in found:
        words = PLACE.sub(str(demo), line).split()[1:]
        done = run([BINARY, *words])
        assert done.code == 0 and done.stdout, f"{line}: {done.text}"


def test_the_page_of_the_lake_names_each_table_and_each_column_of_ours(demo: Path) -> None:
    text = page("docs/lake.md")
    tables = section(text, "Tables and folders")
    missing = [one.table for one in endpoints() if f"`{one.table}`" not in tables]
    assert not missing, f"tables that the page lacks: {missing}"
    ours = _first_cells(section(text, "Our columns"))
    assert ours == [*_columns(demo / "hris_employees" / "current")][: len(ours)]
    # kombo_quarantine is made with its first record, and the demo has none.
    for name in ("kombo_integrations", "kombo_drift", "kombo_holds"):
        assert _first_cells(section(text, f"`{name}`")) == _columns(demo / name), name


def test_the_page_of_the_lake_has_the_values_of_enums_that_the_schemas_have() -> None:
    text = section(page("docs/lake.md"), "Kombo's columns")
    found = re.findall(r"^\| `(\w+)\.(\w+)` \| (`[A-Z_`, ]+`) \| (\w+)", text, re.M)
    assert found
    fields = {
        (one.table, field["name"]): field
        for one in endpoints()
        for field in json.loads((SCHEMAS / f"{one.path}.json").read_text())["fields"]
    }
    for table, column, values, others in found:
        field = fields[table, column]
        assert re.findall(r"\w+", values) == field["values"], f"{table}.{column}"
        assert (others == "pass") == field.get("open", False), f"{table}.{column}"


@pytest.mark.parametrize("name", ["read_with_duckdb.py", "read_with_polars.py"])
def test_each_example_reads_the_lake(name: str, demo: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / name), demo.name]
    done = subprocess.run(
        command,
        cwd=demo.parent,
        env={**os.environ, "PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    headcount = Answers(demo).of("Querying the lake")[0]["headcount"]
    assert re.search(rf"\b{headcount}\b", done.stdout), done.stdout


def _cells(line: str) -> list[str]:
    """Returns the cells of a line of a page's table, without the marks of code."""
    return [re.sub(r"^`+ ?| ?`+$", "", cell.strip()) for cell in line.strip("|").split(" | ")]


def _plain(value: Any) -> Any:
    """Returns what ClickHouse calls 1, 0 and an empty text as the others call it."""
    return None if value == "" else int(value) if isinstance(value, bool) else value


def _first_cells(text: str) -> list[str]:
    """Returns the names in the first column of a page's table."""
    cells = re.findall(r"^\| (`[^|]+) \|", text, re.M)
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def _columns(table: Path) -> list[str]:
    return [field.name for field in deltalake.DeltaTable(table).schema().fields]


def _run(language: str, text: str, lake: Path) -> list[Row] | None:
    """Runs a block; returns the rows of its last statement, or of the last frame that it printed."""
    text = PLACE.sub(str(lake), text)
    _, _, engine = language.partition(" ")
    if language == "python":
        return _python(text)
    if not engine:
        return duckdb_rows(_duckdb(text))
    for one in ENGINES:
        # Both take what is printed for Spark; only one of the two has Delta here.
        if one.name == engine and one.label != "Spark":
            return one.rows(text)
    (translated,) = [one for one in TRANSLATED if one.name == engine]
    tables = printed(engine, "--table", "hris_employees", "--view", "current", "--lake-url", str(lake))
    return translated.rows(lake, f"{tables}\n{text}")


def _duckdb(text: str) -> Any:
    # The extension comes from a wheel here, not from DuckDB's own site.
    text = re.sub(r"^INSTALL delta; LOAD delta;.*$", "", text, flags=re.M)
    return last(text, duckdb_with_extensions().cursor().execute)


def _described(query: str, lake: Path) -> list[str]:
    result = _duckdb(PLACE.sub(str(lake), query))
    return [column[0] for column in result.description]


def _python(text: str) -> list[Row] | None:
    shown: list[Any] = []
    exec(text, {"print": lambda *values: shown.extend(values)})  # noqa: S102, what readers paste
    frames = [one for one in shown if isinstance(one, polars.DataFrame)]
    return plain_rows(frames[-1].to_dicts()) if frames else None

