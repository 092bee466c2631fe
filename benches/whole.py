"""Measures the whole job, 100,000 applications from HTTP to Parquet: this program beside what a user would take instead.

    cargo build --release
    python3 benches/whole.py                      # five rounds; the peers from ../shared/bench where that folder is
    python3 benches/whole.py --only ours probe    # quicker, names as the table writes them
    python3 benches/whole.py memory               # peak memory of 100,000 and 2,000,000 records, and of 50 tables at once

All run against one server that sends prepared pages from memory, in turn (A B C A B C ...), because the speed of a machine
changes within minutes: the ratios of one round are the figures to keep. CPU is user and system time of the whole process
tree. Each output is compared with the records, value by value. The program is $KOMBO_SOURCE or target/release/kombo-source.
Data, virtual environments, the probe and all outputs are below target/. Needs Python 3.11; the peers come from PyPI.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

import applications
from accounting import Cost, Server, cost_of, machine, parquet_bytes, program, spread

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = program()
RECORDS = 100_000
MODEL = "applications"
TABLE = "ats_applications"
LIST = "/v1/ats/applications?page_size=250&include_deleted=true"
PACKAGES = {
    "peers": "pyarrow==26.0.1 polars==2.1.0 duckdb==2.0.0 orjson==3.13.0 aiohttp==3.14.5 requests==2.34.2",
    "dlt": "dlt[filesystem,parquet]==1.31.0 orjson==3.13.0",
}
OURS, NO_FOLD, PROBE = "ours, with current", "ours, --no-fold", "probe, zstd 3"


@dataclass
class Contender:
    """One program of the table, and its runs."""

    name: str
    command: list[str]
    output: Path
    counted: Path
    """The files whose size the table states."""
    rows: str = "all"
    slow: bool = False
    costs: dict[int, Cost] = field(default_factory=dict)
    bytes: int = 0
    values: str = ""

    def ratios(self, base: "Contender") -> list[float]:
        """Returns the CPU of this one over that of another, round by round."""
        both = sorted(self.costs.keys() & base.costs.keys())
        return [self.costs[one].cpu_s / base.costs[one].cpu_s for one in both]


def ours(url: str, lake: Path, *arguments: str, integrations: int = 1) -> list[str]:
    """Returns the command line of a backfill."""
    ids = ",".join(f"personio:bench-{number}" for number in range(integrations))
    command = [BINARY, "-q", "backfill", "--no-rate-limit", "--api-url", f"{url}/v1", "--lake-url", str(lake)]
    return [*command, "--integration", ids, "--endpoint", "ats/applications", *arguments]


def contenders(url: str, work: Path, bench: Path, probe: Path | None) -> list[Contender]:
    """Returns everyone that can run here."""
    folded, unfolded = work / "ours", work / "ours-no-fold"
    found = [
        Contender(OURS, ours(url, folded), folded, folded / TABLE / "current", "live"),
        Contender(NO_FOLD, ours(url, unfolded, "--no-fold"), unfolded, unfolded / TABLE / "snapshots"),
    ]
    if probe:
        for level in (3, 1):
            out = work / f"probe-{level}.parquet"
            schema = bench / "schema" / f"{MODEL}.txt"
            command = [str(probe), "pipe", "mode=full", f"zstd={level}", f"schema={schema}", f"url={url}{LIST}", f"out={out}"]
            found.append(Contender(f"probe, zstd {level}", command, out, out))
    peers = (
        ("DuckDB, local file without HTTP", "duckdb", False),
        ("aiohttp + DuckDB", "hand_duckdb", False),
        ("aiohttp + orjson + pyarrow", "hand_tuned", False),
        ("dlt with Arrow tables", "dlt_arrow", False),
        ("dlt rest_api", "dlt_flat", True),
    )
    if (bench / "peers").is_dir():
        for name, peer, slow in peers:
            out = work / (peer if peer.startswith("dlt") else f"{peer}.parquet")
            command = ["bash", str(bench / "peers/run.sh"), peer, MODEL, str(out)]
            found.append(Contender(name, command, out, out, "flat" if slow else "all", slow))
    return found


def environments(folder: Path) -> Path:
    """Makes the virtual environments that are missing, at pinned versions."""
    for name, packages in PACKAGES.items():
        home = folder / name
        if (home / "bin/python").exists():
            continue
        print(f"installs {packages}", file=sys.stderr, flush=True)
        venv.create(home, with_pip=True)
        pip = [home / "bin/python", "-m", "pip", "install", "-q", "--no-cache-dir", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages.split()], check=True)
    return folder


def built_probe(bench: Path) -> Path | None:
    """Builds the probe from a copy, so that the shared folder stays as it is."""
    if "KOMBO_BENCH_PROBE" in os.environ:
        return Path(os.environ["KOMBO_BENCH_PROBE"])
    if not (bench / "limit").is_dir():
        return None
    copy = TARGET / "bench-limit"
    shutil.copytree(bench / "limit", copy, dirs_exist_ok=True)
    command = ["cargo", "build", "--quiet", "--release", "--target-dir", copy / "target"]
    subprocess.run(command, cwd=copy, check=True)
    return copy / "target/release/limit"


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run(one: Contender, round_number: int, environment: dict[str, str], work: Path) -> None:
    """Runs a contender once, into an empty place."""
    remove(one.output)
    log = work / "log"
    cost = cost_of(one.command, environment, log)
    if cost.code != 0:
        sys.exit(f"{one.name} ended with exit code {cost.code}:\n{log.read_text(errors='replace')[-2000:]}")
    one.costs[round_number] = cost
    one.bytes = parquet_bytes(one.counted)
    print(f"round {round_number + 1}: {one.name}: {cost.cpu_s:.2f} CPU s, {cost.peak_mb:.0f} MB", file=sys.stderr, flush=True)


def check(found: list[Contender], records: Path, python: Path) -> None:
    """Compares the last output of each contender with the records."""
    schema = ROOT / "schemas/ats/applications.json"
    comparable = [one for one in found if one.costs and one.rows != "flat"]
    outputs = [f"{one.rows}={one.counted}" for one in comparable]
    script = [python, ROOT / "benches/values.py", records, schema, records.parent, *outputs]
    verdicts = subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    for one in found:
        one.values = "not compared: nested values are JSON text"
    for one, verdict in zip(comparable, verdicts, strict=True):
        one.values = "equal" if verdict == "ok" else verdict


def table(found: list[Contender], megabytes: float) -> list[str]:
    """Returns the table in Markdown."""
    by_name = {one.name: one for one in found}
    probe, base = by_name.get(PROBE), by_name.get(OURS)
    lines = [
        f"{megabytes:.0f} MB of JSON, loopback; median (minimum–maximum); ratios are taken within a round. {machine()}",
        "",
        "| | CPU s | of the probe at zstd 3 | of ours with `current` | wall s | peak MB | Parquet MB | values |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        costs = list(one.costs.values())
        if not costs:
            continue
        cells = (
            one.name,
            spread([cost.cpu_s for cost in costs]),
            spread(one.ratios(probe)) if probe else "–",
            spread(one.ratios(base)) if base else "–",
            spread([cost.wall_s for cost in costs]),
            spread([cost.peak_mb for cost in costs], "{:.0f}".format),
            f"{one.bytes / 1e6:.1f}",
            one.values,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def as_json(found: list[Contender]) -> dict[str, object]:
    """Returns every figure of every run."""
    return {
        one.name: {
            "cpu_s": [cost.cpu_s for cost in one.costs.values()],
            "wall_s": [cost.wall_s for cost in one.costs.values()],
            "peak_mb": [cost.peak_mb for cost in one.costs.values()],
            "parquet_bytes": one.bytes,
            "values": one.values,
        }
        for one in found
        if one.costs
    }


def whole(arguments: argparse.Namespace, records: Path, work: Path) -> None:
    """Runs everyone in turn, and prints the table."""
    bench = arguments.shared
    if not (bench / "peers").is_dir():
        print(f"{bench} is not there: peers and probe are left out", file=sys.stderr)
    venvs = environments(arguments.venvs)
    probe = built_probe(bench)
    with Server("stand_in.py", "--records", str(records)) as server:
        found = contenders(server.url, work, bench, probe)
        if arguments.only:
            found = [one for one in found if any(word in one.name for word in arguments.only)]
        environment = os.environ | {
            "KOMBO_API_KEY": "bench",
            "URL": server.url,
            "VENVS": str(venvs),
            "NDJSON": str(records),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for number in range(arguments.rounds):
            for one in found:
                if not one.slow or number < arguments.slow_rounds:
                    run(one, number, environment, work)
    check(found, records, venvs / "peers/bin/python")
    print("\n".join(table(found, (records.stat().st_size) / 1e6)))
    arguments.json.write_text(json.dumps(as_json(found), indent=1) + "\n")


def memory(arguments: argparse.Namespace, records: Path, work: Path) -> None:
    """Prints the peak memory of tables of several sizes, with `current`."""
    cases = (
        ("100,000 records", 100_000, 1, ()),
        ("2,000,000 records", 2_000_000, 1, ()),
        (f"50 tables at once, {arguments.table_rows:,} records each", arguments.table_rows, 50, ("--concurrency", "50")),
    )
    print("| with `current` | peak MB | CPU s | wall s | CPU s for 100,000 records |\n|---|---|---|---|---|", flush=True)
    lake = work / "ours"
    for name, rows, tables, more in cases:
        costs = []
        with Server("stand_in.py", "--records", str(records), "--rows", str(rows)) as server:
            for _ in range(arguments.memory_rounds):
                remove(lake)
                command = ours(server.url, lake, *more, integrations=tables)
                costs.append(cost_of(command, os.environ | {"KOMBO_API_KEY": "bench"}, work / "log"))
                if costs[-1].code != 0:
                    sys.exit((work / "log").read_text(errors="replace")[-2000:])
        remove(lake)
        cpu = [one.cpu_s for one in costs]
        peak = spread([one.peak_mb for one in costs], "{:.0f}".format)
        each = statistics.median(cpu) / (rows * tables) * RECORDS
        print(f"| {name} | {peak} | {spread(cpu)} | {spread([one.wall_s for one in costs])} | {each:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=("whole", "memory"), default="whole")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow-rounds", type=int, default=2, help="rounds of those that take half a minute")
    parser.add_argument("--memory-rounds", type=int, default=1)
    parser.add_argument("--table-rows", type=int, default=10_000, help="records of each of the 50 tables")
    parser.add_argument("--only", nargs="+", help="parts of the names to run")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared/bench", help="folder of peers and probe")
    parser.add_argument("--venvs", type=Path, default=Path(os.environ.get("KOMBO_BENCH_VENVS", TARGET / "bench-venvs")))
    parser.add_argument("--json", type=Path, default=TARGET / "bench-whole.json", help="file for every figure")
    arguments = parser.parse_args()
    records = applications.stored(TARGET / "bench-data", RECORDS)
    work = TARGET / "bench-work"
    work.mkdir(parents=True, exist_ok=True)
    (whole if arguments.what == "whole" else memory)(arguments, records, work)


if __name__ == "__main__":
    main()
