"""Counts the instructions of decoding, hashing and encoding, and fails when one of them grew by more than 5 %.

    python3 benches/instructions.py                          # part of .ci/run
    python3 benches/instructions.py --record "why it grew"   # writes the new figures and the reason

Callgrind runs the unit test `counted_work_keeps_every_row`, from the binary that `cargo test --all-targets` has built anyway, and
counts only inside its `counted_*` functions: one thread, fixed rows, no clock. The figures hold for one toolchain and for the
build of `.ci/run`, which is not incremental. They are in instructions.json. A change that costs more records its new figures
and the reason in the same commit.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDED = Path(__file__).with_name("instructions.json")
TEST = "lake::tests::counted::counted_work_keeps_every_row"
STAGES = ("decode", "hash", "encode")
LIMIT = 0.05


def unit_tests() -> str:
    """Returns the binary of the unit tests. Builds it if it is not there."""
    command = ["cargo", "test", "--all-targets", "--no-run", "--message-format=json-render-diagnostics"]
    environment = os.environ | {"CARGO_INCREMENTAL": "0"}
    built = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        sys.exit("benches/instructions.py: the tests cannot be built")
    for line in built.stdout.splitlines():
        artifact = json.loads(line)
        if artifact.get("profile", {}).get("test") and artifact["target"]["kind"] == ["lib"] and artifact["executable"]:
            return str(artifact["executable"])
    sys.exit("benches/instructions.py: cargo names no binary of the unit tests")


def counted(binary: str, stage: str) -> int:
    """Returns the instructions of a stage."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = ["valgrind", "--tool=callgrind", f"--toggle-collect=*::counted_{stage}", f"--callgrind-out-file={out}"]
        command += [binary, "--exact", TEST, "--test-threads=1"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0 or "1 passed" not in done.stdout:
            sys.exit(f"benches/instructions.py: {TEST} did not pass under callgrind:\n{done.stdout}{done.stderr}"[-4000:])
        total = re.search(r"^totals: (\d+)$", out.read_text(errors="replace"), re.M)
    if not total or total[1] == "0":
        sys.exit(f"benches/instructions.py: callgrind saw no call of counted_{stage}")
    return int(total[1])


def toolchain() -> str:
    """Returns the compiler's name and version."""
    return subprocess.run(["rustc", "-V"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def compare(now: dict[str, int], recorded: dict[str, int]) -> list[str]:
    """Prints each figure beside the recorded one. Returns the stages that grew too much."""
    grown = []
    for stage in STAGES:
        was = recorded[stage]
        change = now[stage] / was - 1
        verdict = ""
        if change > LIMIT:
            grown.append(stage)
            verdict = f": more than {LIMIT:+.0%}"
        elif change < -LIMIT:
            verdict = ': well done; record it with --record "reason", so that it stays'
        print(f"{stage}: {now[stage]:,} instructions, recorded {was:,} ({change:+.2%}){verdict}")
    return grown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--record", metavar="REASON", help="write the figures and this reason to instructions.json")
    parser.add_argument("--binary", help="a binary of the unit tests, in place of the one that cargo builds")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("benches/instructions.py: valgrind is not installed; install the package `valgrind`")
    compiler = toolchain()
    binary = arguments.binary or unit_tests()
    with ThreadPoolExecutor(max_workers=2) as pool:
        now = dict(zip(STAGES, pool.map(partial(counted, binary), STAGES), strict=True))
    if arguments.record:
        written = {"toolchain": compiler, "reason": arguments.record, "instructions": now}
        RECORDED.write_text(json.dumps(written, indent=2) + "\n")
        print(json.dumps(written, indent=2))
        return
    recorded = json.loads(RECORDED.read_text())
    grown = compare(now, recorded["instructions"])
    if compiler != recorded["toolchain"]:
        sys.exit(
            f"benches/instructions.py: the figures are of {recorded['toolchain']}, and this is {compiler}:"
            ' run it with --record "reason"'
        )
    if grown:
        sys.exit(
            f"benches/instructions.py: {', '.join(grown)} takes more instructions than before. Make it cheaper, or run"
            ' `python3 benches/instructions.py --record "reason"` and commit benches/instructions.json with the change'
        )


if __name__ == "__main__":
    main()
