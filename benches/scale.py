"""Measures the program with thousands of customers: first load, start, idle service, a week of changes, and readers.

    cargo build --release
    python3 benches/scale.py --integrations 1000 10000
    python3 benches/scale.py --integrations 1000 --steps load idle week read

Each customer has eight HRIS endpoints (see many.py). There is no rate limit. In the week time runs 300 times faster: a change waits 1 s
for its fold in place of five minutes, and a round lasts 72 s in place of six hours. In each round webhooks of a tenth of the customers
come in, and their changed rows are fetched, committed and folded. Timers such as the heartbeat do not fire. Readers need DuckDB with
httpfs, and Polars: target/venv of `tests/run` has both, or $KOMBO_BENCH_READER names a Python that has them.
The program is $KOMBO_SOURCE or target/release/kombo-source. Data and lakes are below target/.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "python"))

import webhooks
from accounting import Server, cost_of, machine, program
from many import ENDPOINTS, integration_id, is_changed

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = program()
READER = os.environ.get("KOMBO_BENCH_READER", str(TARGET / "venv/bin/python"))
SECRET = "whsec-of-the-benches"
TWIN_ROWS = 50_000
"""So many that a row group has few rows twice: what many customers share would compress too well."""
ROUNDS = 4
"""Of a day."""
FASTER = 300
"""How much faster the time of the week runs: the default `max_age_secs`, so that it is 1 s."""
ROUND_SECONDS = 86_400 / ROUNDS / FASTER
SETTLED_SECONDS = 8
MOST_SECONDS = 3_600
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Figures:
    """What was measured for one number of customers, in the order of the table."""

    values: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Adds a figure, and says it."""
        self.values[name] = value
        print(f"{name}: {shown(value)}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Contents:
    """The files of a lake: how many, how large, and the commits of all logs."""

    files: dict[str, int]
    bytes: dict[str, int]
    commits: int
    log_bytes: int

    def tell(self, figures: Figures, what: str, before: "Contents | None" = None) -> None:
        """Adds what is there, or what has come since."""
        for part in ("snapshots", "deltas", "current"):
            figures.add(f"{what}: files in {part}", self.files[part] - (before.files[part] if before else 0))
            figures.add(f"{what}: MB in {part}", (self.bytes[part] - (before.bytes[part] if before else 0)) / 1e6)
        figures.add(f"{what}: commits", self.commits - (before.commits if before else 0))
        figures.add(f"{what}: MB of logs", (self.log_bytes - (before.log_bytes if before else 0)) / 1e6)


def contents_of(lake: Path) -> Contents:
    """Returns all files of a lake. Files that no log entry names any more count too: they are kept within the grace."""
    files = dict.fromkeys(("snapshots", "deltas", "current", "other"), 0)
    sizes = dict(files)
    commits = log_bytes = 0
    for folder, _, names in os.walk(lake):
        is_log = "_delta_log" in folder
        part = next((one for one in files if f"/{one}" in folder), "other")
        newest = -1
        for name in names:
            size = os.stat(f"{folder}/{name}").st_size
            if is_log:
                log_bytes += size
                number = name.partition(".")[0]
                newest = max(newest, int(number) if number.isdigit() else -1)
            elif name.endswith(".parquet"):
                files[part] += 1
                sizes[part] += size
        commits += newest + 1
    return Contents(files, sizes, commits, log_bytes)


class Scale:
    """One number of customers: their stand-in, their lake and their service."""

    def __init__(self, integrations: int, arguments: argparse.Namespace) -> None:
        self.integrations = integrations
        self.arguments = arguments
        self.work = TARGET / f"bench-scale-{integrations}"
        self.work.mkdir(parents=True, exist_ok=True)
        self.lake = self.work / "lake"
        self.ids = self.work / "integrations.txt"
        self.ids.write_text("".join(f"{integration_id(one)}\n" for one in range(integrations)))
        self.figures = Figures()
        self.server = Server("many.py", "--records", str(records()), "--integrations", str(integrations))
        self.hook, self.health = free_port(), free_port()
        self.service: subprocess.Popen[bytes] | None = None

    def asked(self) -> dict[str, float]:
        """Returns how much the stand-in was asked."""
        with urllib.request.urlopen(f"{self.server.url}/__stats") as answer:
            told: dict[str, float] = json.load(answer)
        return told

    def environment(self) -> dict[str, str]:
        """Returns the environment of the program."""
        return os.environ | {"KOMBO_API_KEY": "bench", "KOMBO_WEBHOOK_SECRET": SECRET}

    def load(self) -> None:
        """Loads everything into a fresh lake."""
        shutil.rmtree(self.lake, ignore_errors=True)
        shutil.rmtree(self.work / "data", ignore_errors=True)
        before = self.asked()
        command = [BINARY, "-q", "backfill", "--no-rate-limit", "--concurrency", str(self.arguments.concurrency)]
        command += ["--api-url", f"{self.server.url}/v1", "--lake-url", str(self.lake)]
        command += ["--integrations-file", str(self.ids), "--endpoint", ",".join(f"hris/{one}" for one in ENDPOINTS)]
        log = self.work / "backfill.log"
        cost = cost_of(command, self.environment(), log)
        if cost.code != 0:
            sys.exit(f"the backfill ended with {cost.code}:\n{log.read_text(errors='replace')[-2000:]}")
        after = self.asked()
        self.figures.add("first load: rows", after["rows"] - before["rows"])
        self.figures.add("first load: MB of JSON", (after["bytes"] - before["bytes"]) / 1e6)
        self.figures.add("first load: requests", after["requests"] - before["requests"])
        self.figures.add("first load: wall s", cost.wall_s)
        self.figures.add("first load: CPU s", cost.cpu_s)
        self.figures.add("first load: peak MB", cost.peak_mb)
        contents_of(self.lake).tell(self.figures, "first load")

    def start(self, quick: bool) -> float:
        """Starts the service on the loaded lake, if `quick` for a time that runs faster. Returns when it was started."""
        request = {"rate_limit_enabled": False, "concurrency": self.arguments.concurrency}
        source = {
            "type": "kombo",
            "endpoint": f"{self.server.url}/v1",
            "integrations_file": str(self.ids),
            "endpoints": [f"hris/{one}" for one in ENDPOINTS],
            "webhook": {"address": f"127.0.0.1:{self.hook}", "path": "/webhooks/kombo", "behind_proxy": True},
            "request": request,
        }
        sink = {"type": "delta_lake", "inputs": ["kombo"], "url": str(self.lake)}
        if quick:
            sink |= {"commit_window_secs": 1, "fold": {"max_age_secs": 300 // FASTER, "cpu_percent": 100}}
        settings = {
            "data_dir": str(self.work / "data"),
            "api": {"address": f"127.0.0.1:{self.health}"},
            "sources": {"kombo": source},
            "sinks": {"lake": sink},
        }
        config = self.work / "kombo.json"
        config.write_text(json.dumps(settings, indent=1))
        began = time.monotonic()
        with (self.work / "service.log").open("wb") as log:
            command = [BINARY, "run", "--config", str(config)]
            self.service = subprocess.Popen(command, env=self.environment(), stdout=log, stderr=log)
        self.until(self.takes_a_webhook, "it takes a webhook")
        return began

    def takes_a_webhook(self) -> bool:
        """Sends a webhook of the first customer; returns whether it is answered with 200."""
        try:
            return self.send(0) == 200
        except OSError:
            return False

    def send(self, number: int) -> int:
        """Posts a webhook for a customer, and returns the status."""
        body = webhooks.data_changed(integration_id(number), ["hris_employees", "hris_absences", "hris_time_off_balances"])
        url = f"http://127.0.0.1:{self.hook}/webhooks/kombo"
        return webhooks.post(url, body, webhooks.signature(SECRET, body)).status

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Waits until a condition holds."""
        deadline = time.monotonic() + MOST_SECONDS
        while time.monotonic() < deadline:
            assert self.service
            if (code := self.service.poll()) is not None:
                log = (self.work / "service.log").read_text(errors="replace")
                sys.exit(f"the service ended with {code}:\n{log[-2000:]}")
            if holds():
                return
            time.sleep(0.05)
        sys.exit(f"not within {MOST_SECONDS} s: {what}")

    def settle(self) -> float:
        """Waits until nothing is asked and the service needs little CPU for some seconds. Returns the seconds before that."""
        began = quiet_since = time.monotonic()
        asked, used = self.asked()["requests"], self.cpu()
        while time.monotonic() - quiet_since < SETTLED_SECONDS:
            time.sleep(1)
            now, cpu = self.asked()["requests"], self.cpu()
            if now != asked or cpu - used > 0.1:
                quiet_since = time.monotonic()
            asked, used = now, cpu
            if time.monotonic() - began > MOST_SECONDS:
                sys.exit("the service does not come to rest")
        return quiet_since - began

    def cpu(self) -> float:
        """Returns the CPU seconds of the service so far."""
        assert self.service
        words = Path(f"/proc/{self.service.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICKS

    def memory(self, name: str) -> float:
        """Returns a line of the service's memory in MB: `VmRSS` or `VmHWM`."""
        assert self.service
        lines = Path(f"/proc/{self.service.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024 / 1e6

    def idle(self) -> None:
        """Measures the service with its default settings: when its first fetch begins, and while nothing happens."""
        lists = self.asked()["lists"]
        started = self.start(quick=False)
        self.figures.add("start: s until the first webhook is taken", time.monotonic() - started)
        self.until(lambda: self.asked()["lists"] > lists, "it fetches")
        self.figures.add("start: s until the first fetch", time.monotonic() - started)
        self.figures.add("start: s until at rest", self.settle())
        self.figures.add("start: CPU s until at rest", self.cpu())
        began, cpu, asked = time.monotonic(), self.cpu(), self.asked()["requests"]
        time.sleep(self.arguments.idle_secs)
        seconds = time.monotonic() - began
        self.figures.add("idle: % of a core", (self.cpu() - cpu) / seconds * 100)
        self.figures.add("idle: resident MB", self.memory("VmRSS"))
        self.figures.add("idle: requests a minute", (self.asked()["requests"] - asked) / seconds * 60)
        self.stop()

    def week(self) -> None:
        """Lets a week of changes come in."""
        self.start(quick=True)
        self.settle()
        before, asked, cpu = contents_of(self.lake), self.asked(), self.cpu()
        began, hooks, slowest = time.monotonic(), 0, 0.0
        for number in range(1, self.arguments.days * ROUNDS + 1):
            url = f"{self.server.url}/__change?round={number}&share={self.arguments.share}"
            with urllib.request.urlopen(url) as answer:
                assert answer.status == 200
            for one in range(self.integrations):
                if is_changed(one, number, self.arguments.share):
                    hooks += 1
                    assert self.send(one) == 200
            ends = time.monotonic() + ROUND_SECONDS
            slowest = max(slowest, self.settle())
            time.sleep(max(0.0, ends - time.monotonic()))
        told = self.asked()
        self.figures.add("week: webhooks", hooks)
        self.figures.add("week: requests", told["requests"] - asked["requests"])
        self.figures.add("week: changed rows", told["rows"] - asked["rows"])
        self.figures.add("week: CPU s", self.cpu() - cpu)
        self.figures.add("week: s, of all rounds", time.monotonic() - began)
        self.figures.add("week: s until at rest, slowest round", slowest)
        self.figures.add("week: peak MB of the service", self.memory("VmHWM"))
        contents_of(self.lake).tell(self.figures, "week", before)

    def read(self) -> None:
        """Lets readers.py compare the `current` of one endpoint with one sorted file."""
        script = [READER, str(ROOT / "benches/readers.py"), str(self.lake), "hris_employees"]
        print(f"\n{self.integrations:,} integrations\n", flush=True)
        subprocess.run(script, check=True)

    def stop(self) -> None:
        """Stops the service."""
        if self.service and self.service.poll() is None:
            self.service.send_signal(signal.SIGTERM)
            self.service.wait(timeout=120)

    def end(self) -> None:
        """Stops the service and the stand-in."""
        self.stop()
        self.server.__exit__(None, None, None)

    def run(self) -> None:
        """Runs the steps."""
        steps = self.arguments.steps
        try:
            if "load" in steps:
                self.load()
            if "idle" in steps:
                self.idle()
            if "week" in steps:
                self.week()
        finally:
            self.end()
        if "read" in steps:
            self.read()
        if not self.arguments.keep:
            shutil.rmtree(self.work)


def records() -> Path:
    """Returns the folder with the rows that all customers share: the truth of a twin."""
    folder = TARGET / "bench-data" / f"twin-{TWIN_ROWS}"
    if (folder / "complete").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    command = [BINARY, "twin", "--address", "127.0.0.1:0", "--truth", str(folder), "--rows", str(TWIN_ROWS)]
    with subprocess.Popen([*command, "--integrations", "2"], stdout=subprocess.PIPE) as twin:
        assert twin.stdout
        twin.stdout.readline()
        twin.terminate()
    needed = {f"hris_{one.replace('-', '_')}" for one in ENDPOINTS}
    for other in folder.iterdir():
        if other.is_dir() and other.name not in needed:
            shutil.rmtree(other)
    (folder / "complete").touch()
    return folder


def free_port() -> int:
    """Returns a port that is free now."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def shown(value: float) -> str:
    """Returns a figure with the digits that matter."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}"


def table(all_figures: list[tuple[int, Figures]]) -> list[str]:
    """Returns the table in Markdown, with the growth from the first number of customers to the last."""
    heads = [f"{number:,} integrations" for number, _ in all_figures]
    lines = [machine(), "", f"| | {' | '.join(heads)} | growth |", f"|---|{'---|' * len(heads)}---|"]
    first, last = all_figures[0][1].values, all_figures[-1][1].values
    for name in first:
        cells = [shown(figures.values.get(name, 0)) for _, figures in all_figures]
        growth = f"{last.get(name, 0) / first[name]:.1f}" if len(all_figures) > 1 and first[name] else "–"
        lines.append(f"| {name} | {' | '.join(cells)} | {growth} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--integrations", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--steps", nargs="+", choices=("load", "idle", "week", "read"), default=["load", "idle", "week", "read"])
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--idle-secs", type=int, default=180)
    parser.add_argument("--days", type=int, default=7, help="days of the week; the figures are those of all of them together")
    parser.add_argument("--share", type=int, default=100, help="thousandths of the customers that change in a round")
    parser.add_argument("--keep", action="store_true", help="keep the lakes")
    arguments = parser.parse_args()
    measured: list[tuple[int, Figures]] = []
    for number in arguments.integrations:
        one = Scale(number, arguments)
        one.run()
        measured.append((number, one.figures))
    print("\n" + "\n".join(table(measured)))
    written: dict[str, Any] = {str(number): figures.values for number, figures in measured}
    (TARGET / "bench-scale.json").write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
