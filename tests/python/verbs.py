"""Runs operators' verbs that only need a lake: `fold`, `accept`, `drift`, `status`, `upkeep`, `repair`."""

import os
import subprocess
from pathlib import Path

from product import BINARY, Outcome, run


def command(verb: str, lake: Path | str, *arguments: str) -> list[str]:
    """Returns the command line of a verb."""
    return [BINARY, verb, *arguments, "--lake-url", str(lake)]


def verb(name: str, lake: Path | str, *arguments: str) -> Outcome:
    """Runs a verb to its end, whatever the exit code."""
    return run(command(name, lake, *arguments), dict(os.environ))


def must(name: str, lake: Path | str, *arguments: str) -> Outcome:
    """Runs a verb, and fails unless it succeeds."""
    outcome = verb(name, lake, *arguments)
    assert outcome.code == 0, f"{name} ended with {outcome.code}:\n{outcome.text[-4000:]}"
    return outcome


def fold(lake: Path | str, *arguments: str) -> Outcome:
    """Folds all waiting tables, and fails unless the fold succeeds."""
    return must("fold", lake, *arguments)


def started(name: str, lake: Path | str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Starts a verb without waiting, and discards its output."""
    return subprocess.Popen(
        command(name, lake, *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def shown(title: str, outcome: Outcome, lines: int = 40) -> None:
    """Prints what an operator sees, for a reader of the test's output."""
    print(f"    --- {title} (exit {outcome.code})", flush=True)
    for line in outcome.text.strip().splitlines()[:lines]:
        print(f"    | {line}", flush=True)
