"""Tests what `completions` and `man` print."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from product import BINARY, run

VERBS = ("backfill", "check", "run", "status", "twin")
# What the pages use of the format of `man`.
MACROS = {"TH", "SH", "PP", "TP", "IP", "RS", "RE", "nf", "fi", "br", "ie", "el", "ds"}
COMPLETE = """
source /dev/stdin
COMP_WORDS=({words}) COMP_CWORD={at} COMPREPLY=()
_kombo_source kombo-source {last} {before}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def _script(shell: str) -> str:
    outcome = run([BINARY, "completions", shell])
    assert outcome.code == 0 and outcome.stderr == "", outcome.text
    return outcome.stdout


def _completed(*words: str) -> set[str]:
    """Returns what bash offers for the last word of a line."""
    quoted = [shlex.quote(word) for word in ("kombo-source", *words)]
    code = COMPLETE.format(words=" ".join(quoted), at=len(words), last=quoted[-1], before=quoted[-2])
    done = subprocess.run(["bash", "-c", code], input=_script("bash"), text=True, capture_output=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completes_verbs_flags_and_values() -> None:
    assert _completed("back") == {"backfill"}
    assert {*VERBS} <= _completed("")
    assert _completed("backfill", "--skip") == {"--skip-newer-than"}
    assert _completed("backfill", "--mode", "") == {"full", "delta"}


@pytest.mark.parametrize("shell", ["bash", "elvish", "fish", "powershell", "zsh"])
def test_each_script_names_each_verb(shell: str) -> None:
    script = _script(shell)
    assert [verb for verb in VERBS if not re.search(rf"\b{verb}\b", script)] == []


def test_an_unknown_shell_is_wrong_usage() -> None:
    outcome = run([BINARY, "completions", "tcsh"])
    assert outcome.code == 64 and "bash" in outcome.stderr, outcome.text


def test_each_verb_has_a_page_that_man_can_read(tmp_path: Path) -> None:
    folder = tmp_path / "share" / "man1"
    assert run([BINARY, "man", "--out", str(folder)]).code == 0
    pages = {path.name: path.read_text() for path in folder.iterdir()}
    offered = {f"kombo-source-{verb}.1" for verb in _completed("") if not verb.startswith("-")}
    assert set(pages) == offered | {"kombo-source.1"}
    for name, page in pages.items():
        lines = page.splitlines()
        used = {line[1:].split()[0] for line in lines if line.startswith(".") and not line.startswith('.\\"')}
        assert used <= MACROS, f"{name}: {used - MACROS}"
        # What is not filled has an end, or the rest of the page is not filled.
        marks = [line for line in lines if line in (".nf", ".fi")]
        assert marks == [".nf", ".fi"] * (len(marks) // 2), name
        sections = [line for line in lines if line.startswith(".SH")]
        assert sections[:3] == [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"], name
        title = next(line for line in lines if line.startswith(".TH"))
        assert re.fullmatch(rf'\.TH {name[:-2]} 1 \d{{4}}-\d\d-\d\d "kombo-source \d+\.\d+\.\d+" kombo-source', title)


def test_the_printed_page_is_that_of_the_program_and_keeps_its_examples(tmp_path: Path) -> None:
    printed = run([BINARY, "man"]).stdout
    assert run([BINARY, "man", "--out", str(tmp_path)]).code == 0
    assert printed == (tmp_path / "kombo-source.1").read_text()
    examples = re.findall(r"^\.nf\n(.*?)^\.fi$", printed, re.S | re.M)
    assert any("kombo\\-source demo" in example for example in examples)
    # A second time writes the same files.
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert run([BINARY, "man", "--out", str(tmp_path)]).code == 0
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_folder_that_cannot_be_written_and_a_full_disk_are_failures(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = run([BINARY, "man", "--out", str(tmp_path / "file" / "man")])
    assert refused.code == 1 and "cannot be written" in refused.stderr and "--out ./man" in refused.stderr
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, "completions", "bash"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1 and "standard output cannot be written" in done.stderr


def test_a_closed_pipe_is_no_failure() -> None:
    command = f"set -o pipefail; {shlex.quote(BINARY)} completions bash | head -1 > /dev/null"
    done = subprocess.run(["bash", "-c", command], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
