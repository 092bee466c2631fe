"""Damages a lake in every way, and follows each cure exactly as a verb prints it, until the lake says what Kombo says."""

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import deltalake
import lake as lakes
import pytest
import yaml
from current import assert_current_equals_truth
from damages import DAMAGES, Damage
from living import Living, living_twin
from newest import assert_newest_equal_truth
from product import BINARY, Outcome, backfill_of, run
from readers import READERS
from schemas import endpoint
from truth import Integration, Truth
from verbs import must

TAGS, USERS = endpoint("ats/tags"), endpoint("ats/users")
ENDPOINTS = ("--endpoint", TAGS.path, "--endpoint", USERS.path)
FAILED = 1
COMMAND = re.compile(r"`(kombo-source [^`]*)`")
# Printed on a line of its own, for the shell.
NEXT = re.compile(r"^ +(kombo-source backfill .*)$", re.MULTILINE)
TABLE = Path(__file__).parents[2] / "target" / "python" / "damage.md"


@dataclass(frozen=True)
class Filled:
    """A lake with a full fetch, deltas and folds, and what Kombo says."""

    lake: Path
    living: Living
    truth: Truth
    mine: list[Integration]


@dataclass(frozen=True)
class Folder:
    """A folder of an operator, with kombo.yaml beside a copy of the lake."""

    path: Path
    key: str

    @property
    def lake(self) -> Path:
        """Returns the lake."""
        return self.path / "lake"

    def runs(self, command: str) -> Outcome:
        """Runs a command as it is printed."""
        program, *arguments = shlex.split(command)
        assert program == "kombo-source", command
        environment = {**os.environ, "KOMBO_API_KEY": self.key}
        before = Path.cwd()
        os.chdir(self.path)
        try:
            return run([BINARY, *arguments], environment)
        finally:
            os.chdir(before)


def _rows() -> list[str]:
    if not TABLE.exists():
        return []
    return [line for line in TABLE.read_text().splitlines()[2:] if line]


def _note(row: str) -> None:
    """Adds a row to the table of this run."""
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    head = "| Damage | Named by | Cure, as printed | What is lost | After the cure |\n| --- | --- | --- | --- | --- |\n"
    TABLE.write_text(head + "".join(f"{one}\n" for one in [*_rows(), row]))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Creates a small lake, and starts the table of results anew."""
    folder = tmp_path_factory.mktemp("filled")
    TABLE.unlink(missing_ok=True)
    with living_twin(integrations=5) as living:
        living.pause()
        mine = living.twin.of("ats")
        lake = folder / "lake"
        backfill_of(living.twin, lake, *ENDPOINTS, only=mine).must_succeed()
        for _ in range(2):
            for one in mine:
                living.change("edit", one.id, TAGS.path)
                living.change("edit", one.id, USERS.path)
            delta = ("--mode", "delta")
            backfill_of(living.twin, lake, *ENDPOINTS, *delta, only=mine).must_succeed()
        yield Filled(lake, living, living.truth(folder / "truth"), mine)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: f"{one.table}: {one.name}")
def test_each_damage_is_named_with_a_cure_that_works_as_printed(
    filled: Filled, damage: Damage, tmp_path: Path
) -> None:
    folder = _copied(filled, tmp_path)
    file = damage.do(folder.lake / damage.table)
    named = [verb for verb in damage.verbs if _names(folder, verb, damage, file)]
    assert named == list(damage.verbs), f"{damage.verbs} do not all name {file}"

    cure = f"kombo-source repair {damage.option}".strip()
    planned = folder.runs(cure)
    assert planned.code == 0 and f"damaged {damage.table}" in planned.stdout, planned.text
    assert file in planned.stdout, planned.text
    assert "nothing is changed without --yes" in planned.stdout, planned.text
    done = folder.runs(f"{cure} --yes")
    assert done.code == 0 and f"mended  {damage.table}" in done.stdout, done.text
    printed = [cure, f"{cure} --yes"]
    found = NEXT.findall(done.stdout)
    for command in found:
        again = folder.runs(command)
        assert again.code == 0, again.text
        printed.append(command)
    if not found:
        assert folder.runs("kombo-source fold").code == 0
    (lost,) = re.findall(r"^ +lost: (.*)$", done.stdout, re.MULTILINE)
    _assert_whole(filled, folder)
    verbs = ", ".join(f"`{verb}`" for verb in (*named, "repair"))
    cures = ", ".join(f"`{command}`" for command in printed)
    _note(f"| `{damage.table}`: {damage.name} | {verbs} | {cures} | {lost} | equals Kombo |")


def test_the_cure_of_a_lost_file_of_deltas_keeps_all_other_history(
    filled: Filled, tmp_path: Path
) -> None:
    folder = _copied(filled, tmp_path)
    (damage,) = (
        one
        for one in DAMAGES
        if one.table == "ats_tags/deltas" and one.name == "a data file is missing"
    )
    uri = lakes.deltas(folder.lake, TAGS)
    files = {Path(file).name for file in deltalake.DeltaTable(uri).file_uris()}
    gone = damage.do(folder.lake / damage.table)
    assert folder.runs("kombo-source repair --yes").code == 0
    left = {Path(file).name for file in deltalake.DeltaTable(uri).file_uris()}
    assert left == files - {gone} and left, "one file is taken out, and all others stay"


def test_nothing_is_written_without_yes_and_nothing_is_found_in_a_whole_lake(
    filled: Filled, tmp_path: Path
) -> None:
    folder = _copied(filled, tmp_path)
    for options in ("", " --deep"):
        assert folder.runs(f"kombo-source repair{options}").stdout == "nothing to repair\n"
    for damage in DAMAGES[:12]:
        copy = tmp_path / damage.table.replace("/", "-") / damage.name.replace(" ", "-")
        broken = _copied(filled, copy)
        damage.do(broken.lake / damage.table)
        before = _content(broken.lake)
        assert broken.runs("kombo-source repair").code == 0
        assert _content(broken.lake) == before, f"{damage} was repaired without --yes"


def _names(folder: Folder, verb: str, damage: Damage, file: str) -> bool:
    """Returns whether a verb names the table, the file and the cure, and fails."""
    part = damage.table.rpartition("/")[2]
    command = f"kombo-source {verb}"
    if verb == "files":
        command += f" --table ats_tags --part {part}"
    told = folder.runs(command)
    cures = COMMAND.findall(told.text)
    cure = f"kombo-source repair {damage.option}".strip()
    listed = verb == "files" and file in told.stdout
    print(f"    {verb} (exit {told.code}): {cures}", flush=True)
    return (
        told.code == FAILED
        and damage.table in told.text
        and file in told.text
        and cure in cures
        and not listed
    )


def _copied(filled: Filled, path: Path) -> Folder:
    path.mkdir(parents=True, exist_ok=True)
    folder = Folder(path, filled.living.twin.key)
    shutil.copytree(filled.lake, folder.lake)
    source = {
        "type": "kombo",
        "endpoint": filled.living.twin.url,
        "endpoints": [TAGS.path, USERS.path],
        "request": {"rate_limit_enabled": False},
    }
    sink = {"type": "delta_lake", "inputs": ["kombo"], "url": str(folder.lake)}
    settings = {"sources": {"kombo": source}, "sinks": {"lake": sink}}
    (path / "kombo.yaml").write_text(yaml.safe_dump(settings))
    return folder


def _assert_whole(filled: Filled, folder: Folder) -> None:
    """Fails unless every reader reads whole tables, which say what Kombo says."""
    lake, tables = folder.lake, [(one, who) for one in (TAGS, USERS) for who in filled.mine]
    assert_newest_equal_truth(lake, filled.truth, only=[TAGS, USERS])
    assert_current_equals_truth(lake, filled.truth, tables)
    for reader in READERS:
        for one in (TAGS, USERS):
            for part in ("snapshots", "deltas", "current"):
                rows = reader.read(f"{lake}/{one.table}/{part}", columns=["id"])
                # Deltas that are gone begin with what changes from then on.
                assert rows or part == "deltas", f"{reader.name} reads nothing of {one.table}/{part}"
    status = folder.runs("kombo-source status")
    assert "unread" not in status.stdout, status.text
    for one in filled.mine:
        assert one.id in status.stdout, status.text
    for one in (TAGS, USERS):
        must("files", lake, "--table", one.table)
        must("files", lake, "--table", one.table, "--part", "current")
    assert folder.runs("kombo-source repair --deep").stdout == "nothing to repair\n"
    assert folder.runs("kombo-source fold --rebuild").code == 0
    assert_current_equals_truth(lake, filled.truth, tables)


def _content(lake: Path) -> dict[str, bytes]:
    files = (file for file in lake.rglob("*") if file.is_file())
    return {str(file.relative_to(lake)): file.read_bytes() for file in files}
