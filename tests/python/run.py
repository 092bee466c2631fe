"""Runs the suites: each `test_*.py` in a process of its own, each function `test_*` in it one check.

The last line it prints is `N passed, N failed`. A suite that dies, hangs or holds no check counts as a failed check.
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
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITE_SECONDS = 900

# What every other suite relies on comes first.
FIRST = ("test_truth", "test_readers")


def main(names: list[str]) -> int:
    """Runs the suites named, or all; returns the process's exit code."""
    found = sorted(file.stem for file in HERE.glob("test_*.py"))
    rest = [name for name in found if name not in FIRST]
    suites = names or [*FIRST, *rest]
    passed = failed = 0
    for suite in suites:
        began = time.monotonic()
        ok, bad = _run_suite(suite)
        passed, failed = passed + ok, failed + bad
        seconds = time.monotonic() - began
        verdict = "FAILED" if bad else "ok"
        print(f"suite {suite}: {verdict}, {ok} passed, {bad} failed, {seconds:.0f} s", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def _run_suite(suite: str) -> tuple[int, int]:
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.json"
        command = [sys.executable, str(HERE / "run.py"), "--suite", suite, str(counts)]
        environment = {**os.environ, "TMPDIR": folder}
        limit = SUITE_SECONDS + 30
        try:
            code = subprocess.run(
                command, check=False, cwd=folder, env=environment, timeout=limit
            ).returncode
        except subprocess.TimeoutExpired:
            code = -1
        if not counts.exists():
            print(f"  FAILED {suite} ended early with exit code {code}", flush=True)
            return 0, 1
        passed, failed = json.loads(counts.read_text())
    if passed + failed == 0:
        print(f"  FAILED {suite} holds no check", flush=True)
        return 0, 1
    return passed, failed


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
