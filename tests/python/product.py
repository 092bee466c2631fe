"""The program as its users run it: arguments, environment, output and exit code."""

import json
import os
import queue
import random
import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truth import Integration, Truth

BINARY = os.environ.get("KOMBO_SOURCE", "kombo-source")
START_SECONDS = 60
RUN_SECONDS = 300
# Open until this process ends: see `free_port`.
CLAIMS: list[socket.socket] = []
EXPORTS = {"KOMBO_API_URL", "KOMBO_API_KEY", "KOMBO_INTEGRATIONS", "KOMBO_WEBHOOK_SECRET"}


@dataclass(frozen=True)
class Outcome:
    """Exit code and output of a finished run."""

    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Returns everything the program printed."""
        return f"{self.stdout}\n{self.stderr}"

    def summary(self) -> dict[str, Any]:
        """Returns what `--json` printed."""
        summary = json.loads(self.stdout)
        assert isinstance(summary, dict)
        return summary


@dataclass(frozen=True)
class Twin:
    """A running `kombo-source twin`, with its truth."""

    url: str
    key: str
    truth: Truth
    webhook_secret: str
    """What it signs its webhooks with."""

    def of(self, category: str) -> list[Integration]:
        """Returns its integrations of a category."""
        return [one for one in self.truth.integrations if one.category == category]


@dataclass(frozen=True)
class Backfill:
    """The arguments and environment of one `kombo-source backfill`."""

    api_url: str
    key: str
    lake: str
    integrations: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    schemas: Path | None = None
    environment: tuple[tuple[str, str], ...] = ()

    def command(self) -> list[str]:
        """Returns the command line."""
        command = [BINARY]
        if self.schemas:
            command += ["--schemas", str(self.schemas)]
        command += ["backfill", "--api-url", self.api_url, "--lake-url", self.lake]
        for integration in self.integrations:
            command += ["--integration", integration]
        return [*command, *self.arguments]

    def environ(self) -> dict[str, str]:
        """Returns the environment, with the API key."""
        return {**os.environ, "KOMBO_API_KEY": self.key, **dict(self.environment)}

    def start(self) -> "subprocess.Popen[bytes]":
        """Starts the backfill without waiting, and discards its output."""
        return subprocess.Popen(
            self.command(),
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self) -> Outcome:
        """Runs the backfill to its end, whatever the exit code."""
        return run(self.command(), self.environ())

    def must_succeed(self) -> Outcome:
        """Runs the backfill to its end, and fails unless the exit code is 0."""
        outcome = self.run()
        assert outcome.code == 0, f"exit code {outcome.code}:\n{outcome.text[-4000:]}"
        return outcome


def backfill_of(
    twin: Twin, lake: Path | str, *arguments: str, only: list[Integration] | None = None
) -> Backfill:
    """Returns the backfill of a twin's integrations, without a rate limit."""
    integrations = twin.truth.integrations if only is None else only
    return Backfill(
        api_url=twin.url,
        key=twin.key,
        lake=str(lake),
        integrations=tuple(one.id for one in integrations),
        arguments=("--no-rate-limit", *arguments),
    )


def run(command: list[str], environment: dict[str, str] | None = None) -> Outcome:
    """Runs a command to its end, within a time limit."""
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=RUN_SECONDS,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@contextmanager
def running_twin(
    *arguments: str, integrations: int = 4, rows: int = 40, seed: int = 1
) -> Iterator[Twin]:
    """Starts a twin with these customers; stops it at the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        command = [BINARY, "twin", "--address", "127.0.0.1:0", "--truth", folder]
        command += ["--integrations", str(integrations), "--rows", str(rows), "--seed", str(seed)]
        with running([*command, *arguments], output=subprocess.PIPE) as process:
            exports = _exports(process)
            url, key = exports["KOMBO_API_URL"], exports["KOMBO_API_KEY"]
            yield Twin(url, key, Truth(Path(folder)), exports["KOMBO_WEBHOOK_SECRET"])


@contextmanager
def running(
    command: list[str], output: int = subprocess.DEVNULL
) -> "Iterator[subprocess.Popen[str]]":
    """Starts a server; stops it by its process id at the end of the block. The caller reads output sent to a pipe."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def free_port() -> int:
    """Returns a free loopback port that no other test process gets while this process runs.

    This process claims the port by holding the UDP port of the same number until it ends; the tests use no UDP otherwise.
    The ports are below the range that the system uses for outgoing connections.
    """
    for port in random.SystemRandom().sample(range(10_000, 32_000), 1_000):
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", port))
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
        else:
            CLAIMS.append(claim)
            return port
    raise AssertionError("no loopback port is free")


def wait_until_listening(process: "subprocess.Popen[str]", port: int) -> None:
    """Waits until a started server accepts connections."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with exit code {process.returncode}"
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port} after {START_SECONDS} s")


def _exports(process: "subprocess.Popen[str]") -> dict[str, str]:
    """Reads the twin's first output. Goes on reading in the background, so that a full pipe never blocks the twin."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None, "the output is a pipe"
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    seen: list[str] = []
    exports: dict[str, str] = {}
    deadline = time.monotonic() + START_SECONDS
    while line := lines.get(timeout=max(0.01, deadline - time.monotonic())):
        seen.append(line)
        if found := re.fullmatch(r"export (\w+)=(\S+)\n", line):
            exports[found.group(1)] = found.group(2)
        if exports.keys() >= EXPORTS:
            return exports
    raise AssertionError(f"the twin ended early: {''.join(seen)[-2000:]}")
