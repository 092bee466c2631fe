"""The service as its operator runs it: a configuration file, a process, signals, logs and two addresses."""

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import webhooks
import yaml
from metrics import Metrics, scrape
from product import BINARY, Outcome, Twin, free_port, run

SECRET = "whsec-canary-of-the-suites"
HEALTHY_SECONDS = 60
QUIET_SECONDS = 120
STOP_SECONDS = 75
# Counters move at once. The gauges of pending and running fetches are updated every five seconds.
GAUGES_ARE_OLD_SECONDS = 6
PATH = "/webhooks/kombo"


@dataclass
class Service:
    """One `kombo-source run`: its configuration, and its process while there is one."""

    folder: Path
    settings: dict[str, Any]
    environment: dict[str, str]
    arguments: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    """Words before the command, which end by running it."""
    process: "subprocess.Popen[bytes] | None" = None
    codes: list[int] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """Returns the configuration file."""
        return self.folder / "kombo.yaml"

    @property
    def log(self) -> Path:
        """Returns the file that takes everything the service prints."""
        return self.folder / "service.log"

    @property
    def source(self) -> dict[str, Any]:
        """Returns the settings of the source, to be changed before a start or a reload."""
        source = self.settings["sources"]["kombo"]
        assert isinstance(source, dict)
        return source

    @property
    def lake(self) -> str:
        """Returns the URL of the lake."""
        return str(self.settings["sinks"]["lake"]["url"])

    @property
    def url(self) -> str:
        """Returns the URL for webhooks."""
        scheme = "https" if "tls" in self.source["webhook"] else "http"
        return f"{scheme}://{self.source['webhook']['address']}{PATH}"

    @property
    def telemetry_port(self) -> int:
        """Returns the port of health and metrics."""
        return int(self.settings["api"]["address"].rpartition(":")[2])

    def write(self) -> None:
        """Writes the configuration file."""
        self.config.write_text(yaml.safe_dump(self.settings, sort_keys=False))

    def start(self) -> None:
        """Starts the service, without waiting."""
        assert self.process is None, "the service already runs"
        self.write()
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.prefix, BINARY, "run", "--config", str(self.config), *self.arguments],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )

    def start_and_wait(self) -> None:
        """Starts the service, and waits until it takes webhooks."""
        self.start()
        self.until(self.is_listening, "takes webhooks", HEALTHY_SECONDS)

    def start_and_live(self) -> None:
        """Starts the service, and waits until it lives: it may stand by."""
        self.start()
        self.until(lambda: self._says("/live"), "lives", HEALTHY_SECONDS)

    def is_listening(self) -> bool:
        """Returns whether `GET /ready` answers 200: webhooks are taken, whatever else is wrong."""
        return self._says("/ready")

    def _says(self, path: str) -> bool:
        try:
            return self.ask(path)[0] == 200
        except OSError:
            return False

    def ask(self, path: str) -> tuple[int, str]:
        """Returns status and text of a page on the address of health and metrics."""
        connection = http.client.HTTPConnection("127.0.0.1", self.telemetry_port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    @property
    def pid(self) -> int:
        """Returns the process id of the service."""
        assert self.process, "it does not run"
        return self.process.pid

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the service."""
        assert self.process, "it does not run"
        self.process.send_signal(number)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Waits until the service ends, and returns its exit code."""
        assert self.process, "it does not run"
        code = self.process.wait(timeout=seconds)
        self.process = None
        self.codes.append(code)
        return code

    def stop(self) -> int:
        """Stops the service by SIGTERM, and returns its exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Kills the service by SIGKILL."""
        self.send(signal.SIGKILL)
        self.wait(10)

    def metrics(self) -> Metrics:
        """Scrapes the service's metrics."""
        return scrape(self.telemetry_port)

    def post(self, body: bytes, **changes: Any) -> webhooks.Answer:
        """Posts a webhook with the right signature, and returns the answer."""
        return webhooks.post(self.url, body, webhooks.signature(SECRET, body), **changes)

    def accepts(self, body: bytes) -> None:
        """Posts a webhook, and fails unless the answer is 200."""
        answer = self.post(body)
        assert answer.status == 200, f"a webhook was answered with {answer.status}"

    def total(self, name: str, **labels: str) -> float:
        """Returns the sum of a metric's series."""
        return self.metrics().total(name, **labels)

    def fetches(self) -> float:
        """Returns how many fetches have ended since the start."""
        return self.total("kombo_fetches_total")

    def folds(self) -> float:
        """Returns how many folds found something to do since the start."""
        return self.total("kombo_folds_total") - self.total("kombo_folds_total", result="nothing")

    def until_fetched(self, count: float, seconds: float = QUIET_SECONDS) -> None:
        """Waits until `count` fetches have ended since the start."""
        self.until(lambda: self.fetches() >= count, f"{count:.0f} fetches have ended", seconds)

    def until_quiet(self, seconds: float = QUIET_SECONDS) -> None:
        """Waits until no fetch is pending, running or ending, for longer than the gauges can be out of date."""
        quiet = Quiet(self)
        self.until(quiet.is_proven, "is quiet", seconds)

    def until(self, holds: Callable[[], bool], what: str, seconds: float) -> None:
        """Waits until a condition holds, and fails if the service ends before."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process, "it does not run"
            code = self.process.poll()
            assert code is None, f"the service ended with {code}:\n{self.printed()[-3000:]}"
            if holds():
                return
            time.sleep(0.2)
        raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.printed()[-3000:]}")

    def printed(self) -> str:
        """Returns everything that the service has printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def verb(self, *words: str) -> Outcome:
        """Runs another verb of the program with the same configuration."""
        return self.verb_with({}, *words)

    def verb_with(self, environment: Mapping[str, str], *words: str) -> Outcome:
        """Runs another verb of the program with the same configuration and further variables."""
        self.write()
        command = [BINARY, *words, "--config", str(self.config)]
        return run(command, {**os.environ, **self.environment, **environment})

    def end(self) -> None:
        """Kills the process if it is running."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=10)
            self.process = None


class Quiet:
    """Measures how long a service has been idle."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.ended = -1.0
        self.since = time.monotonic()

    def is_proven(self) -> bool:
        """Checks again, and returns whether the service has been idle for longer than the gauges can be out of date."""
        now = self.service.metrics()
        busy = now.total("kombo_pending_tables") + now.total("kombo_running_fetches")
        ended = now.total("kombo_fetches_total")
        if busy or ended != self.ended:
            self.ended, self.since = ended, time.monotonic()
        return time.monotonic() - self.since > GAUGES_ARE_OLD_SECONDS


def until_all_quiet(services: Sequence[Service], seconds: float = QUIET_SECONDS) -> None:
    """Waits until several services are idle at the same time."""
    quiet = [Quiet(service) for service in services]
    services[0].until(
        # All services are checked each time, even if the first one is busy.
        lambda: all([one.is_proven() for one in quiet]),  # noqa: C419
        "all are quiet",
        seconds,
    )


@contextmanager
def service_of(
    twin: Twin,
    folder: Path,
    name: str = "service",
    lake: str | None = None,
    integrations: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Creates the service of a twin, not started yet; its process is stopped at the end of the block."""
    own = folder / name
    own.mkdir(parents=True, exist_ok=True)
    ids = [one.id for one in twin.truth.integrations] if integrations is None else integrations
    variables = {"KOMBO_API_KEY": twin.key, "KOMBO_WEBHOOK_SECRET": SECRET, **(environment or {})}
    service = Service(own, _settings(twin.url, own, lake or str(own / "lake"), ids), variables)
    try:
        yield service
    finally:
        service.end()


def _settings(api_url: str, folder: Path, lake: str, ids: Sequence[str]) -> dict[str, Any]:
    return {
        "data_dir": str(folder / "data"),
        "api": {"address": f"127.0.0.1:{free_port()}"},
        "sources": {
            "kombo": {
                "type": "kombo",
                "endpoint": api_url,
                "integrations": list(ids),
                "webhook": {"address": f"127.0.0.1:{free_port()}", "path": PATH},
                "schedule": {},
                "request": {"rate_limit_enabled": False},
            }
        },
        "sinks": {
            "lake": {
                "type": "delta_lake",
                "inputs": ["kombo"],
                "url": lake,
                "commit_window_secs": 1,
            }
        },
    }
