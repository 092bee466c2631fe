"""Ways to damage a lake of two endpoints, as a broken disk, a lifecycle rule or a careless person does."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import deltalake


@dataclass(frozen=True)
class Damage:
    """One damage of one table."""

    name: str
    """What happened, for people."""
    table: str
    """The table's folder."""
    do: Callable[[Path], str]
    """Damages the table in this folder; returns the name of the file that a verb has to name."""
    verbs: tuple[str, ...] = ("status", "check")
    """The verbs that name table, file and cure."""
    option: str = ""
    """The option of `repair` that finds it."""


def _entries(table: Path) -> list[Path]:
    return sorted((table / "_delta_log").glob("*.json"))


def _live(table: Path) -> Path:
    """Returns the newest live data file."""
    files = [table / file.removeprefix("./") for file in _uris(table)]
    return max(files, key=lambda file: (file.stat().st_mtime_ns, file.name))


def _uris(table: Path) -> list[str]:
    opened = deltalake.DeltaTable(str(table))
    return [uri.removeprefix("file://") for uri in opened.file_uris()]


def empty_entry(table: Path) -> str:
    """Empties an entry in the middle of the log."""
    entry = _entries(table)[-2]
    entry.write_bytes(b"")
    return entry.name


def foreign_entry(table: Path) -> str:
    """Overwrites an entry in the middle of the log."""
    entry = _entries(table)[-2]
    entry.write_bytes(b"<html>not found</html>\n")
    return entry.name


def no_entry(table: Path) -> str:
    """Deletes an entry in the middle of the log."""
    entry = _entries(table)[-2]
    entry.unlink()
    return entry.name


def cut_entry(table: Path) -> str:
    """Cuts the newest entry in half."""
    entry = _entries(table)[-1]
    entry.write_bytes(entry.read_bytes()[: entry.stat().st_size // 2])
    return entry.name


def no_log(table: Path) -> str:
    """Deletes the log, and leaves the data files."""
    shutil.rmtree(table / "_delta_log")
    return "_delta_log"


def no_table(table: Path) -> str:
    """Deletes the table."""
    shutil.rmtree(table)
    return table.name


def no_file(table: Path) -> str:
    """Deletes a live data file."""
    file = _live(table)
    file.unlink()
    return file.name


def cut_file(table: Path) -> str:
    """Cuts a live data file in half."""
    file = _live(table)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return file.name


def foreign_file(table: Path) -> str:
    """Puts a file of another kind in place of a live data file."""
    file = _live(table)
    file.write_text("id,name\n")
    return file.name


def rotten_file(table: Path) -> str:
    """Overwrites rows within a live data file; its size and its end stay."""
    file = _live(table)
    content = bytearray(file.read_bytes())
    until = len(content) // 3
    content[4:until] = b"\xaa" * (until - 4)
    file.write_bytes(content)
    return file.name


def cut_checkpoint(table: Path) -> str:
    """Writes a checkpoint, and cuts it in half."""
    deltalake.DeltaTable(str(table)).create_checkpoint()
    (file,) = (table / "_delta_log").glob("*.checkpoint.parquet")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return file.name


def hint_ahead(table: Path) -> str:
    """Writes a hint that points to a checkpoint that is not there."""
    hint = table / "_delta_log" / "_last_checkpoint"
    hint.write_text(json.dumps({"version": 4_000, "size": 9}))
    return hint.name


TAGS = "ats_tags"
DAMAGES = (
    Damage("an entry is empty", f"{TAGS}/deltas", empty_entry),
    Damage("an entry is foreign", f"{TAGS}/snapshots", foreign_entry),
    Damage("an entry is missing", f"{TAGS}/current", no_entry),
    Damage("the newest entry is cut", f"{TAGS}/deltas", cut_entry),
    Damage("the log is gone", f"{TAGS}/deltas", no_log),
    Damage("the log is gone", f"{TAGS}/snapshots", no_log),
    Damage("the log is gone", f"{TAGS}/current", no_log),
    Damage("the table is gone", f"{TAGS}/deltas", no_table),
    Damage("the table is gone", f"{TAGS}/snapshots", no_table),
    Damage("a data file is missing", f"{TAGS}/deltas", no_file, ("status", "check", "files")),
    Damage("a data file is missing", f"{TAGS}/snapshots", no_file, ("status", "check", "files")),
    Damage("a data file is cut", f"{TAGS}/current", cut_file, option="--deep"),
    Damage("a data file is foreign", f"{TAGS}/current", foreign_file, option="--deep"),
    Damage("a data file is foreign", f"{TAGS}/deltas", foreign_file, ("status", "check", "files"), "--deep"),
    Damage("rows of a data file are damaged", f"{TAGS}/deltas", rotten_file, ("fold --rebuild",), "--deep"),
    Damage("a checkpoint is cut", f"{TAGS}/deltas", cut_checkpoint, ()),
    Damage("a hint points ahead", f"{TAGS}/snapshots", hint_ahead, ()),
    Damage("an entry is cut", "kombo_integrations", cut_entry),
    Damage("the data file is missing", "kombo_integrations", no_file),
    Damage("the log is gone", "kombo_integrations", no_log),
    Damage("the table is gone", "kombo_integrations", no_table),
    Damage("an entry is cut", "kombo_holds", cut_entry),
    Damage("an entry is cut", "kombo_drift", cut_entry),
)
