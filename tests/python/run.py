"""Runs the suites: each `test_*.py` in a process of its own, each function `test_*` in it one check.

Suites that mostly wait run beside the others, which run one after the other. The last line it prints is `N passed, N failed`. A suite that dies, hangs or holds no check counts as a failed check.
"""

import faulthandler
import importlib
import inspect
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Suites at their full size need longer.
SUITE_SECONDS = int(os.environ.get("KOMBO_TEST_SUITE_SECONDS") or 900)

# What every other suite relies on comes first.
FIRST = ("test_truth", "test_readers")
# Windows of a rate limit last a minute, whatever else the machine does meanwhile; services mostly wait, too.
BESIDE = (
    "test_rate_limit",
    "test_service",
    "test_operations",
    "test_savings",
    "test_clock",
    "test_listener",
    "test_signals",
    "test_guard",
    "test_isolation",
    "test_thirty_days",
)
LANES_BESIDE = 2


@dataclass(frozen=True)
class Ended:
    """How a suite ended, and what it printed."""

    suite: str
    passed: int
    failed: int
    seconds: float
    output: str


def main(names: list[str]) -> int:
    """Runs the suites named, or all; returns the process's exit code."""
    found = sorted(file.stem for file in HERE.glob("test_*.py"))
    suites = names or [*FIRST, *(name for name in found if name not in FIRST)]
    with ThreadPoolExecutor(max_workers=LANES_BESIDE) as pool:
        beside = [pool.submit(_run_suite, suite) for suite in BESIDE if suite in suites]
        counts = [_told(_run_suite(suite)) for suite in suites if suite not in BESIDE]
        counts += [_told(one.result()) for one in beside]
    passed, failed = (sum(column) for column in zip(*counts, strict=True))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def _told(ended: Ended) -> tuple[int, int]:
    """Prints how a suite ended; returns its counts."""
    verdict = "FAILED" if ended.failed else "ok"
    print(ended.output, end="")
    print(
        f"suite {ended.suite}: {verdict}, {ended.passed} passed, {ended.failed} failed,"
        f" {ended.seconds:.0f} s",
        flush=True,
    )
    return ended.passed, ended.failed


def _run_suite(suite: str) -> Ended:
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.json"
        command = [sys.executable, str(HERE / "run.py"), "--suite", suite, str(counts)]
        began = time.monotonic()
        output, code = _run(command, folder)
        if counts.exists():
            passed, failed = json.loads(counts.read_text())
        else:
            output += f"  FAILED {suite} ended early with exit code {code}\n"
            passed, failed = 0, 1
        if passed + failed == 0:
            output += f"  FAILED {suite} holds no check\n"
            failed = 1
        return Ended(suite, passed, failed, time.monotonic() - began, output)


def _run(command: list[str], folder: str) -> tuple[str, int]:
    """Runs a suite within its bound; returns what it printed and its exit code."""
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=folder,
            env={**os.environ, "TMPDIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=SUITE_SECONDS + 30,
        )
    except subprocess.TimeoutExpired:
        return "", -1
    return done.stdout, done.returncode


def _checks_of(suite: str) -> int:
    module = importlib.import_module(suite)
    passed = failed = 0
    functions = inspect.getmembers(module, inspect.isfunction)
    checks = [one for one in functions if one[0].startswith("test_")]
    for name, check in sorted(checks, key=lambda one: inspect.getsourcelines(one[1])[1]):
        if _holds(name, check):
            passed += 1
        else:
            failed += 1
    Path(sys.argv[3]).write_text(json.dumps([passed, failed]))
    return 1 if failed else 0


def _holds(name: str, check: Callable[[], None]) -> bool:
    began = time.monotonic()
    try:
        check()
    except Exception:
        print(f"  FAILED {name}\n{traceback.format_exc()}", flush=True)
        return False
    print(f"  ok {name} ({time.monotonic() - began:.1f} s)", flush=True)
    return True


if __name__ == "__main__":
    if sys.argv[1:2] == ["--suite"]:
        # A check that hangs says where before it is ended.
        faulthandler.dump_traceback_later(SUITE_SECONDS, exit=True)
        sys.exit(_checks_of(sys.argv[2]))
    sys.exit(main(sys.argv[1:]))
