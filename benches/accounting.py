"""Runs a command and tells what it cost: CPU of the whole process tree, wall time and peak memory, from `wait4`."""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).resolve().parent


def program() -> str:
    """Returns the program to measure: $KOMBO_SOURCE or target/release/kombo-source."""
    built = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")) / "release/kombo-source"
    found = os.environ.get("KOMBO_SOURCE", str(built))
    if not shutil.which(found):
        sys.exit(f"{found} is not there: run `cargo build --release`, or set KOMBO_SOURCE")
    return found


@dataclass(frozen=True)
class Cost:
    """What one run took. `peak_mb` is the resident size of the largest single process, in units of 1,000,000 bytes."""

    code: int
    cpu_s: float
    wall_s: float
    peak_mb: float


def cost_of(command: Sequence[str], environment: dict[str, str], output: Path) -> Cost:
    """Runs a command to its end with its output in a file. Children that it waits for are counted.

    The caller must be small: until a new process runs its program, the kernel counts the caller's memory as its own.
    """
    with output.open("wb") as file:
        began = time.perf_counter()
        started = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        _, status, usage = os.wait4(started.pid, 0)
        wall = time.perf_counter() - began
    started.returncode = os.waitstatus_to_exitcode(status)
    return Cost(started.returncode, usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024 / 1e6)


class Server(AbstractContextManager["Server"]):
    """A server of this folder in a process of its own. It prints its address first and ends with this process."""

    def __init__(self, script: str, *arguments: str) -> None:
        command = [sys.executable, str(HERE / script), "--until-parent", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http"), f"{script} did not start"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def spread(values: Sequence[float], form: Callable[[float], str] = "{:.2f}".format) -> str:
    """Returns the median, with minimum and maximum where there are several values."""
    if not values:
        return "–"
    median = form(statistics.median(values))
    if len(values) == 1:
        return median
    return f"{median} ({form(min(values))}–{form(max(values))})"


def parquet_bytes(folder: Path) -> int:
    """Returns the size of all Parquet files below a folder, or of one file."""
    if folder.is_file():
        return folder.stat().st_size
    files = (one for one in folder.rglob("*.parquet") if ".state" not in one.parts and "_delta_log" not in one.parts)
    return sum(one.stat().st_size for one in files)


def machine() -> str:
    """Returns the processor, its cores and the load, for the head of a table."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor")
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
