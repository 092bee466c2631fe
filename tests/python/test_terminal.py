"""What people see on a terminal of 80 and of 200 columns, and what scripts read from a pipe."""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capture import Capture, capture
from product import BINARY, Twin, backfill_of, run, running_twin

WIDTHS = (80, 200)
ESCAPE = b"\x1b["
VERBS = [
    "demo", "generate", "validate", "check", "backfill", "run", "explain", "files", "sql", "status", "fold", "drift",
    "accept", "upkeep", "lint", "purge", "repair", "dashboard", "twin",
]  # fmt: skip
REPORTS = {
    "status": ["status"],
    "status by table": ["status", "--table", "ats_*"],
    "fold": ["fold", "--rebuild"],
    "lint": ["lint"],
    "drift": ["drift"],
    "drift in numbers": ["drift", "--summary"],
    "accept": ["accept"],
    "upkeep": ["upkeep", "--dry-run"],
    "validate": ["validate"],
    "an unknown table": ["files", "--table", "ats_aplications"],
    "wrong usage": ["backfill", "--skip-newer-than", "12"],
    "no lake": ["status", "--lake-url", "./there/is/no/such/folder"],
}


@contextmanager
def _lake(folder: Path) -> Iterator[tuple[Twin, Path]]:
    """Fills a lake: two full fetches, with changes between them that no delta has brought."""
    flags = ("--changes-per-minute", "6000", "--no-rate-limit")
    with running_twin(*flags, integrations=3, rows=60) as twin:
        lake = folder / "lake"
        backfill_of(twin, lake).must_succeed()
        backfill_of(twin, lake).must_succeed()
        yield twin, lake


def _environment(**more: str) -> dict[str, str]:
    """Returns the environment without what steers colours, and with these variables."""
    kept = {name: value for name, value in os.environ.items() if not re.match("NO_COLOR|CLICOLOR|KOMBO_", name)}
    return {**kept, "TERM": "xterm-256color", **more}


def _broken(shown: Capture) -> list[str]:
    """Returns the lines that the terminal had to break, but for words that are longer than the terminal."""
    return [line for line in shown.cut if " " in line.strip()]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Twin, Path]]:
    """Returns a twin and the lake that was filled from it."""
    with _lake(tmp_path_factory.mktemp("terminal")) as filled:
        yield filled


@pytest.mark.parametrize("columns", WIDTHS)
def test_reports_are_wrapped_between_words(lake: tuple[Twin, Path], columns: int) -> None:
    """No report is wider than the terminal, and none is cut in the middle of a word."""
    environment = _environment(KOMBO_LAKE_URL=str(lake[1]))
    for name, arguments in REPORTS.items():
        shown = capture([BINARY, *arguments], columns, environment=environment)
        assert shown.text.strip(), name
        assert not _broken(shown), f"{name} at {columns} columns:\n{shown.text}"


@pytest.mark.parametrize("columns", WIDTHS)
def test_progress_and_report_of_a_backfill_fit(lake: tuple[Twin, Path], tmp_path: Path, columns: int) -> None:
    """Bars stay on one line each, and the report of a backfill and its fold is not cut."""
    twin, _ = lake
    backfill = backfill_of(twin, tmp_path / "lake")
    shown = capture(backfill.command(), columns, environment=_environment(KOMBO_API_KEY=twin.key))
    assert shown.code == 0, shown.text
    assert not _broken(shown), shown.text
    assert re.search(r"[\d,]+ rows in \d+ tables", shown.text), shown.text
    assert b"folding " in shown.written, "the fold shows which table it works on"


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_demo_fits(tmp_path: Path, columns: int) -> None:
    """What the demo prints is not cut, with its queries."""
    command = [BINARY, "demo", "--rows", "60", "--lake", str(tmp_path / "lake")]
    shown = capture(command, columns, environment=_environment())
    assert shown.code == 0 and not _broken(shown), shown.text


@pytest.mark.parametrize("columns", WIDTHS)
def test_examples_of_help_can_be_copied(columns: int) -> None:
    """Examples are whole at every width: a line that goes on ends with a backslash."""
    seen = 0
    for verb in VERBS:
        shown = capture([BINARY, verb, "--help"], columns, lines=300, environment=_environment())
        assert shown.code == 0 and not _broken(shown), shown.text
        for example in re.findall(r"^  (kombo-source [^\n]*)", shown.text.replace("\\\n", " "), re.MULTILINE):
            words = shlex.split(example.split(">")[0].split("|")[0], comments=True)
            assert "..." not in example and words[1] in VERBS, example
            seen += 1
    assert seen >= 40, seen


def test_colours_are_for_terminals_that_want_them(lake: tuple[Twin, Path]) -> None:
    """Reports and help have colours on a terminal. NO_COLOR turns them off, and a pipe gets none."""
    place = {"KOMBO_LAKE_URL": str(lake[1])}
    for arguments in (["status"], ["--help"], ["status", "--lake-url", "./nothing"]):
        coloured = capture([BINARY, *arguments], environment=_environment(**place))
        assert ESCAPE in coloured.written, arguments
        plain = capture([BINARY, *arguments], environment=_environment(**place, NO_COLOR="1"))
        assert not re.search(rb"\x1b\[[0-9;]*m", plain.written), arguments
        assert plain.text == coloured.text, arguments
        piped = run([BINARY, *arguments], _environment(**place))
        assert "\x1b" not in piped.text, arguments


def test_a_pipe_gets_whole_lines_in_fixed_columns(lake: tuple[Twin, Path]) -> None:
    """Scripts read each entry on one line, whatever a terminal would show."""
    environment = _environment(KOMBO_LAKE_URL=str(lake[1]), COLUMNS="40")
    status = run([BINARY, "status"], environment).stdout.splitlines()
    assert re.fullmatch(
        r"integration +state +tables +late +rows +base age +last snapshot +complete", status[0]
    ), status[0]
    assert sum(1 for line in status if re.match(r"[a-z]+:\w+ +active ", line)) == 3, status
    drift = run([BINARY, "drift"], environment).stdout.splitlines()
    assert re.fullmatch(r"found +table +integration +id +kind +cause +wrong for +columns", drift[0]), drift[:3]
    assert all(re.match(r".* ago +\w+ +\w+:\w+ +\S+ ", line) for line in drift[1:-1]), drift
    error = run([BINARY, "status", "--lake-url", "./" + "far/" * 40], environment).stderr.splitlines()
    assert len(error) == 2 and error[0].startswith("error: there is no lake at"), error


def test_tables_are_named_one_by_one_by_pattern_or_all_together(lake: tuple[Twin, Path]) -> None:
    """`--table` follows one rule on every verb that has it."""
    environment = _environment(KOMBO_LAKE_URL=str(lake[1]))
    verbs = [["files"], ["fold"], ["lint"], ["drift"], ["accept"], ["status"], ["sql", "--engine", "duckdb"]]
    for verb in verbs:
        for tables in (["ats_jobs"], ["ats/jobs"], ["ats_*"], ["ats_jobs,ats_tags"], ["all"], ["ats_jobs", "ats_tags"]):
            flags = [word for table in tables for word in ("--table", table)]
            done = run([BINARY, *verb, *flags], environment)
            assert done.code in (0, 1), f"{verb} {tables}: {done.text}"
        refused = run([BINARY, *verb, "--table", "ats_job"], environment)
        assert refused.code == 64 and 'did you mean "ats_jobs"?' in refused.stderr, f"{verb}: {refused.text}"
    names = {line.split("/")[-3] for line in run([BINARY, "files", "--table", "ats_t*"], environment).stdout.split()}
    assert names == {"ats_tags"} or "snapshots" in str(names), names


def test_numbers_have_a_singular(tmp_path: Path) -> None:
    """One of a thing is not written in the plural."""
    with running_twin(integrations=1, rows=5) as twin:
        lake = tmp_path / "lake"
        flags = ("--endpoint", "*/tags", "--endpoint", "*/absence-types")
        backfill_of(twin, lake, *flags, only=twin.truth.integrations[:1]).must_succeed()
        environment = _environment(KOMBO_LAKE_URL=str(lake))
        for verb in ("status", "fold", "lint", "drift", "validate"):
            said = run([BINARY, verb], environment).text
            assert not re.search(r"(?<![\d,])1 (rows|tables|files|integrations|requests|findings|pages)\b", said), said
