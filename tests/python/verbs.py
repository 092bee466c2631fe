"""The verbs of an operator that need a lake and no more: `fold`, `accept`, `drift`, `status`, `upkeep`, `repair`."""

import os
import subprocess
from pathlib import Path

from product import BINARY, Outcome, run


def command(verb: str, lake: Path | str, *arguments: str) -> list[str]:
    """Returns the command line of a verb."""
    return [BINARY, verb, *arguments, "--lake-url", str(lake)]


def verb(name: str, lake: Path | str, *arguments: str) -> Outcome:
    """Runs a verb to its end, whatever that is."""
    return run(command(name, lake, *arguments), dict(os.environ))


def must(name: str, lake: Path | str, *arguments: str) -> Outcome:
    """Runs a verb, which has to succeed."""
    outcome = verb(name, lake, *arguments)
    assert outcome.code == 0, f"{name} ended with {outcome.code}:\n{outcome.text[-4000:]}"
    return outcome


def fold(lake: Path | str, *arguments: str) -> Outcome:
    """Folds what is pending, which has to succeed."""
    return must("fold", lake, *arguments)


def started(name: str, lake: Path | str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Starts a verb without waiting, its output thrown away."""
    return subprocess.Popen(
        command(name, lake, *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def shown(title: str, outcome: Outcome, lines: int = 40) -> None:
    """Prints what an operator sees, so that it can be looked at."""
    print(f"    --- {title} (exit {outcome.code})", flush=True)
    for line in outcome.text.strip().splitlines()[:lines]:
        print(f"    | {line}", flush=True)
