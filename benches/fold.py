"""Measures folds: one changed row, one percent of the rows, and a whole new full fetch, of tables of several sizes.

    cargo build --release
    python3 benches/fold.py --rows 100000 1000000

For each size a twin is served, fetched and folded; then rows are changed at the twin, fetched as deltas, and each fold is
timed on its own: wall time, CPU time, bytes written, peak memory. Needs no packages. Everything is on loopback and below
a temporary folder.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import tempfile
import urllib.request
from pathlib import Path

ENDPOINT = "ats/applications"
TABLE = "ats_applications"
HOUR = 3600


class Twin:
    """A stand-in for Kombo with one customer."""

    def __init__(self, binary: str, rows: int, port: int) -> None:
        arguments = ["--integrations", "1", "--rows", str(rows), "--no-rate-limit", "--control"]
        arguments += ["--address", f"127.0.0.1:{port}"]
        self.process = subprocess.Popen(
            [binary, "twin", *arguments], stdout=subprocess.PIPE, text=True
        )
        self.environment = dict(os.environ)
        assert self.process.stdout
        for line in self.process.stdout:
            if found := re.fullmatch(r"export (\w+)=(\S+)\n", line):
                self.environment[found[1]] = found[2]
            if "serving" in line:
                break
        self.url = f"http://127.0.0.1:{port}/twin"
        self.integration = self.environment["KOMBO_INTEGRATIONS"]

    def ask(self, what: str, **order: object) -> None:
        body = json.dumps(order).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/{what}", data=body)).read()

    def edit(self, index: int) -> None:
        self.ask(
            "change", kind="edit", integration=self.integration, endpoint=ENDPOINT, index=index
        )

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def run(binary: str, environment: dict[str, str], *arguments: str) -> tuple[str, float, float, int]:
    """Runs the program; returns its output, wall and CPU seconds, and peak memory in MB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["/usr/bin/env", "time", "-f", "%e %M", binary, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall, peak = done.stderr.strip().splitlines()[-1].split()
    return done.stdout, float(wall), cpu, int(peak) // 1024


def fold(binary: str, environment: dict[str, str], what: str, size: int) -> None:
    out, wall, cpu, peak = run(binary, environment, "fold", "--table", TABLE, "--json")
    table = json.loads(out)
    print(
        f"| {what} of {size:,} rows | {table['changed']:,} | {wall:.1f} s | {cpu:.1f} s "
        f"| {table['bytes'] / 1e6:,.1f} MB in {table['files']} files | {peak} MB |",
        flush=True,
    )


def measure(binary: str, size: int, port: int) -> None:
    twin = Twin(binary, size, port)
    with tempfile.TemporaryDirectory() as folder:
        environment = twin.environment | {"KOMBO_LAKE_URL": str(Path(folder) / "lake")}
        fetch = ("backfill", "-q", "--endpoint", ENDPOINT, "--no-rate-limit", "--no-fold")
        run(binary, environment, *fetch)
        fold(binary, environment, "first fold", size)
        # What changed just before the twin began is in every delta of the next minutes: let them pass.
        twin.ask("advance", secs=2 * HOUR)
        run(binary, environment, *fetch, "--mode", "delta")
        run(binary, environment, "fold")
        for what, rows in (("one row", 1), ("1 %", size // 100)):
            twin.ask("advance", secs=2 * HOUR)
            step = size // rows
            for row in range(rows):
                twin.edit((row * step + step // 2) % (size * 9 // 10))
            run(binary, environment, *fetch, "--mode", "delta")
            fold(binary, environment, what, size)
        run(binary, environment, *fetch)
        fold(binary, environment, "a new full fetch", size)
    twin.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default="target/release/kombo-source")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--port", type=int, default=8493)
    given = parser.parse_args()
    print("| fold | rows changed | wall | CPU | written | peak memory |")
    print("|---|---|---|---|---|---|", flush=True)
    for size in given.rows:
        measure(given.binary, size, given.port)


if __name__ == "__main__":
    main()
