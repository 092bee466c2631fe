"""Tests that a verb whose output nobody reads any more ends quietly, and says so when a disk takes no output."""

import subprocess

import pytest

from product import BINARY

VERBS = (["dashboard"], ["generate"], ["man"], ["completions", "bash"], ["sql", "--help"])


@pytest.mark.parametrize("arguments", VERBS, ids=" ".join)
def test_a_closed_pipe_ends_it_quietly(arguments: list[str]) -> None:
    script = '"$0" "$@" | true; exit "${PIPESTATUS[0]}"'
    for _ in range(5):
        done = subprocess.run(["bash", "-c", script, BINARY, *arguments], text=True, capture_output=True, check=False)
        assert done.stderr == "", done.stderr
        assert done.returncode in (0, 141), done.returncode


def test_a_full_disk_is_an_error() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123, a device
        done = subprocess.run([BINARY, "dashboard"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 74, done.stderr
    assert done.stderr.startswith("the output cannot be written: No space left on device"), done.stderr
