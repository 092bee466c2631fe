"""Measures folds of tables of several sizes: of one changed row, one percent of the rows, and a new full fetch.

    export KOMBO_SOURCE=$PWD/target/release/kombo-source
    python3 benches/fold.py --rows 100000 1000000

For each size the script starts a twin, fetches and folds; then it changes rows at the twin, fetches deltas, and times each
fold by itself: wall time, CPU time, bytes written, peak memory. Needs no packages. Everything is on loopback and below
a temporary folder.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "python"))

from living import living_twin
from product import BINARY, backfill_of

ENDPOINT = "ats/applications"
TABLE = "ats_applications"
HOUR = 3600


def measure(lake: Path, what: str, size: int) -> None:
    """Folds the table, and prints what that took."""
    fold = [BINARY, "fold", "--table", TABLE, "--json", "--lake-url", str(lake)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["/usr/bin/env", "time", "-f", "%e %M", *fold]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall, peak = done.stderr.strip().splitlines()[-1].split()
    table = json.loads(done.stdout)
    print(
        f"| {what} of {size:,} rows | {table['changed']:,} | {float(wall):.1f} s | {cpu:.1f} s "
        f"| {table['bytes'] / 1e6:,.1f} MB in {table['files']} files | {int(peak) // 1024} MB |",
        flush=True,
    )


def folds(size: int) -> None:
    """Measures the folds of a table of one size."""
    with (
        tempfile.TemporaryDirectory() as folder,
        living_twin(integrations=1, rows=size) as living,
    ):
        lake = Path(folder) / "lake"
        fetch = ("-q", "--endpoint", ENDPOINT, "--no-fold")
        full = backfill_of(living.twin, lake, *fetch)
        delta = backfill_of(living.twin, lake, *fetch, "--mode", "delta")
        (customer,) = living.twin.truth.integrations
        full.must_succeed()
        measure(lake, "first fold", size)
        # Changes from just before the twin's start are in every delta of the next minutes, so let these minutes pass.
        living.advance(2 * HOUR)
        backfill_of(living.twin, lake, "-q", "--endpoint", ENDPOINT, "--mode", "delta").must_succeed()
        for what, rows in (("one row", 1), ("1 %", size // 100)):
            living.advance(2 * HOUR)
            step = size // rows
            for row in range(rows):
                index = (row * step + step // 2) % (size * 9 // 10)
                living.change("edit", customer.id, ENDPOINT, index)
            delta.must_succeed()
            measure(lake, what, size)
        full.must_succeed()
        measure(lake, "a new full fetch", size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    print("| fold | rows changed | wall | CPU | written | peak memory |")
    print("|---|---|---|---|---|---|", flush=True)
    for size in parser.parse_args().rows:
        folds(size)


if __name__ == "__main__":
    main()
