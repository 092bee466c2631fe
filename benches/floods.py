"""Measures what floods of strangers cost the service, and what signed webhooks notice of them.

    target/venv/bin/python benches/floods.py --binary target/release/kombo-source
    target/venv/bin/python benches/floods.py --binary ./older --floods none h2 bodies --seconds 10
    target/venv/bin/python benches/floods.py --floods ids --seconds 60

For each flood the script starts a twin and a fresh service on loopback. For some seconds it changes rows at the twin and
posts signed webhooks about them at a steady rate, each on a new connection from 127.0.0.9, while one process per
address of `ATTACKERS` sends the flood. Then it waits until the service is idle and compares the lake with the twin. A line
of the table has:

- peak RSS and peak anonymous memory of the service, its CPU seconds during the flood, and per request of the flood;
- the median and the 99th percentile of the signed webhooks, and how many were refused or got no answer;
- lost: changed records that an acknowledged webhook announced and that are wrong in the lake.

The flood `ids` has the secret: it sends signed webhooks, each with an integration that the twin does not know. Its line
also has the bytes below `kombo_integrations`, `kombo_candidates` and in the notes for `status`, the questions about
integrations to the twin, and those after a restart.

A new flood is a function in `FLOODS`: it sends to a `Target` until the time is over, and counts answers.
"""

import argparse
import multiprocessing
import os
import select
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "python"))

import product
import service as services
import webhooks
from comparison import differences
from living import Living, living_twin
from newest import newest_rows
from rawhttp import head
from schemas import endpoint
from service import SECRET, Service, service_of

ATTACKERS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
SENDER = "127.0.0.9"
TAGS = endpoint("ats/tags")
MODELS = ["ats_tags"]
BODY_BYTES = 64 * 1024
# The form of a signature, of no body.
PLAUSIBLE = "A" * 43
# As many as the service takes from one address.
CONNECTIONS = 64
STREAMS = 64
FRAME_BYTES = 16_384
# New integrations a second, from all addresses together.
IDS_PER_SECOND = 650
IDS_CONNECTIONS = 16
WORKERS = 4


@dataclass(frozen=True)
class Target:
    """What a flood needs to know: where to send, from which address, and until when."""

    url: str
    source: str
    until: float

    @property
    def is_over(self) -> bool:
        """Returns whether the time of the flood is over."""
        return time.monotonic() >= self.until

    def connect(self) -> socket.socket | None:
        """Opens a connection; returns `None` when none is to be had."""
        target = urlsplit(self.url)
        try:
            return socket.create_connection(
                (target.hostname or "", target.port or 0), 5, source_address=(self.source, 0)
            )
        except OSError:
            time.sleep(0.01)
            return None


Counts = Counter[str]


class Held:
    """Connections that are held open together: a closed one is replaced until the flood is over."""

    def __init__(self, target: Target, greeting: bytes, count: int = CONNECTIONS) -> None:
        self.target, self.greeting, self.count = target, greeting, count
        self.open: list[socket.socket] = []

    def turn(self, counts: Counts, pause: float) -> list[socket.socket]:
        """Replaces the closed connections, waits a little, and returns the open ones."""
        while len(self.open) < self.count and not self.target.is_over:
            connection = self.target.connect()
            if connection is None:
                break
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            counts["connections"] += 1
            if self.send(connection, self.greeting):
                self.open.append(connection)
        self.open = [one for one in self.open if one.fileno() >= 0]
        closed = [one for one in select.select(self.open, (), (), pause)[0] if not _read(one, counts)]
        for one in closed:
            one.close()
        self.open = [one for one in self.open if one.fileno() >= 0]
        return self.open

    def send(self, connection: socket.socket, data: bytes) -> bool:
        """Sends on a connection; closes it when the other side has."""
        try:
            connection.sendall(data)
        except OSError:
            connection.close()
            return False
        return True


def _read(connection: socket.socket, counts: Counts) -> bool:
    """Counts the answers that have come; returns whether the connection is still open."""
    try:
        data = connection.recv(65_536)
    except OSError:
        return False
    for part in data.split(b"HTTP/1.1 ")[1:]:
        counts[part[:3].decode("latin-1")] += 1
    return bool(data)


def none(target: Target, counts: Counts) -> None:
    """Sends nothing: the figures of a quiet service."""
    del counts
    time.sleep(max(0.0, target.until - time.monotonic()))


def unfinished_bodies(target: Target, counts: Counts) -> None:
    """Announces bodies of 64 KiB on many connections, and keeps back the last byte of each."""
    start = head(target.url, PLAUSIBLE, f"Content-Length: {BODY_BYTES}")
    held = Held(target, start + b" " * (BODY_BYTES - 1))
    while not target.is_over:
        held.turn(counts, 0.05)


def bytewise_bodies(target: Target, counts: Counts) -> None:
    """Sends bodies of 64 KiB byte by byte on many connections."""
    held = Held(target, head(target.url, PLAUSIBLE, f"Content-Length: {BODY_BYTES}"))
    while not target.is_over:
        for one in list(held.turn(counts, 0)):
            counts["bytes"] += held.send(one, b" ")


def complete_bodies(target: Target, counts: Counts) -> None:
    """Sends complete bodies of 64 KiB with a wrong signature, as fast as they are answered."""
    request = head(target.url, PLAUSIBLE, f"Content-Length: {BODY_BYTES}") + b" " * BODY_BYTES
    connection: socket.socket | None = None
    while not target.is_over:
        connection = connection or target.connect()
        if connection is None:
            continue
        try:
            connection.sendall(request)
        except OSError:
            # Refused before all was sent: the answer may still be there.
            pass
        counts["requests"] += 1
        if not _read(connection, counts):
            connection.close()
            connection = None


def slow_headers(target: Target, counts: Counts) -> None:
    """Begins requests on many connections, and sends a byte of each header now and then."""
    held = Held(target, head(target.url, PLAUSIBLE)[:-2] + b"X-Slow: ")
    while not target.is_over:
        for one in list(held.turn(counts, 0.05)):
            held.send(one, b"a")


def h2_bodies(target: Target, counts: Counts) -> None:
    """Opens 64 HTTP/2 connections with 64 streams each, and sends bodies of 64 KiB without an end."""
    threads = [threading.Thread(target=_h2, args=(target, counts)) for _ in range(64)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def _h2(target: Target, counts: Counts) -> None:
    while not target.is_over:
        connection = target.connect()
        if connection is None:
            continue
        with connection:
            counts["connections"] += 1
            try:
                _h2_streams(connection, target, counts)
                # Open until the service closes it.
                while not target.is_over:
                    connection.settimeout(0.2)
                    try:
                        if not connection.recv(65_536):
                            break
                    except TimeoutError:
                        continue
            except OSError:
                pass
        time.sleep(0.05)


def _h2_streams(connection: socket.socket, target: Target, counts: Counts) -> None:
    """Sends the streams of a connection within the window that the service grants."""
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0))
    window, unread = 65_535, b""
    for number in range(STREAMS):
        stream = 2 * number + 1
        connection.sendall(_frame(1, 4, stream, _h2_headers(target)))
        counts["streams"] += 1
        left = BODY_BYTES - 1
        while left and not target.is_over:
            size = min(left, window, FRAME_BYTES)
            if size:
                connection.sendall(_frame(0, 0, stream, b" " * size))
                window, left = window - size, left - size
            if not size or select.select((connection,), (), (), 0)[0]:
                connection.settimeout(5)
                fresh = connection.recv(65_536)
                if not fresh:
                    raise ConnectionError("closed")
                granted, unread = _granted(unread + fresh)
                window += granted


def _granted(data: bytes) -> tuple[int, bytes]:
    """Returns by how much the window of the connection grew, and the incomplete frame at the end."""
    granted = 0
    while len(data) >= 9 and len(data) >= 9 + (size := int.from_bytes(data[:3])):
        stream = int.from_bytes(data[5:9])
        if data[3] == 8 and stream == 0:
            granted += int.from_bytes(data[9:13])
        data = data[9 + size :]
    return granted, data


def _h2_headers(target: Target) -> bytes:
    parts = urlsplit(target.url)
    texts = ((b":path", parts.path), (b":authority", parts.netloc), (b"x-kombo-signature", PLAUSIBLE))
    # `:method: POST` and `:scheme: http` by their numbers in the static table; the others as plain literals.
    block = b"\x83\x86"
    for name, text in texts:
        block += b"\x00" + bytes([len(name)]) + name + bytes([len(text)]) + text.encode()
    return block


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def forged_ids(target: Target, counts: Counts) -> None:
    """Sends signed webhooks at a steady rate, each with a new integration."""
    threads = [threading.Thread(target=_ids, args=(target, counts)) for _ in range(IDS_CONNECTIONS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def _ids(target: Target, counts: Counts) -> None:
    began, sent = time.monotonic(), 0
    connection: socket.socket | None = None
    while not target.is_over:
        due = (time.monotonic() - began) * IDS_PER_SECOND / len(ATTACKERS) / IDS_CONNECTIONS
        if sent >= due:
            time.sleep(0.002)
            continue
        connection = connection or target.connect()
        if connection is None:
            continue
        sent += 1
        body = webhooks.data_changed(f"greenhouse:{uuid.uuid4().hex[:24]}", MODELS)
        sign = webhooks.signature(SECRET, body)
        try:
            connection.sendall(head(target.url, sign, f"Content-Length: {len(body)}") + body)
        except OSError:
            pass
        counts["requests"] += 1
        if not _read(connection, counts):
            connection.close()
            connection = None


FLOODS: dict[str, Callable[[Target, Counts], None]] = {
    "none": none,
    "h2": h2_bodies,
    "bodies": unfinished_bodies,
    "bytewise": bytewise_bodies,
    "unsigned": complete_bodies,
    "headers": slow_headers,
    "ids": forged_ids,
}


@dataclass
class Watch:
    """Watches a process until it is told to stop: its memory and its CPU time."""

    pid: int
    rss: int = 0
    anonymous: int = 0
    cpu: float = 0.0
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Watch":
        self.cpu = -self._cpu()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.cpu += self._cpu()

    def _run(self) -> None:
        while not self._done.wait(0.05):
            lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
            sizes = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("Vm", "Rss"))}
            self.rss = max(self.rss, int(sizes["VmHWM"]))
            self.anonymous = max(self.anonymous, int(sizes["RssAnon"]))

    def _cpu(self) -> float:
        words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Signed:
    """Posts signed webhooks about changes at a steady rate, one thread for each integration."""

    def __init__(self, living: Living, service: Service, per_second: float) -> None:
        self.living, self.service, self.pause = living, service, WORKERS / per_second
        self.seconds: list[float] = []
        self.answers: Counts = Counter()
        # Records of each integration that were changed before its newest acknowledged webhook, and after it.
        self.announced: dict[str, set[str]] = {}
        self.open: dict[str, set[str]] = {}

    def run(self, until: float) -> None:
        """Posts until the time is over."""
        ids = [one.id for one in self.living.twin.of("ats")][:WORKERS]
        with ThreadPoolExecutor(WORKERS) as threads:
            list(threads.map(self._run, ids, [until] * WORKERS))

    def _run(self, integration: str, until: float) -> None:
        announced = self.announced.setdefault(integration, set())
        changed = self.open.setdefault(integration, set())
        number = 0
        while time.monotonic() < until:
            began = time.monotonic()
            number += 1
            made = self.living.change("edit", integration, TAGS.path, number % 3)
            records = {one["record"] for one in made["changes"]}
            announced -= records
            changed |= records
            if self._post(webhooks.data_changed(integration, MODELS)) == 200:
                announced |= changed
                changed.clear()
            time.sleep(max(0.0, began + self.pause - time.monotonic()))

    def _post(self, body: bytes) -> int:
        began = time.perf_counter()
        try:
            status = self.service.post(body, source=SENDER).status
        except OSError:
            status = 0
        self.seconds.append(time.perf_counter() - began)
        self.answers[str(status)] += 1
        return status

    def lost(self, folder: Path) -> int:
        """Returns how many announced records are wrong in the lake."""
        truth = self.living.truth(folder)
        keys = {one.id: one.key for one in truth.integrations}
        known = {(keys[one], record) for one, records in self.announced.items() for record in records}
        found = newest_rows(self.service.lake, TAGS)
        wrong = 0
        for row in truth.rows(TAGS):
            key = (row["integration_key"], row["id"])
            if key in known:
                held = [found[key]] if key in found else []
                wrong += bool(differences(TAGS, [row], held))
        return wrong


def flood(name: str, url: str, source: str, until: float, results: Any) -> None:
    """Runs a flood from one address, in a process of its own."""
    counts: Counts = Counter()
    FLOODS[name](Target(url, source, until), counts)
    results.put(counts)


def measure(name: str, arguments: argparse.Namespace) -> Iterator[str]:
    """Runs one flood against a fresh service; yields the cells of its line."""
    with (
        tempfile.TemporaryDirectory() as folder,
        living_twin(integrations=4 * WORKERS, rows=20) as living,
        service_of(living.twin, Path(folder)) as service,
    ):
        service.source["endpoints"] = [TAGS.path]
        if name == "ids":
            service.source["integrations"] = []
        service.start_and_wait()
        if name == "ids":
            for one in living.twin.of("ats"):
                service.accepts(webhooks.data_changed(one.id, MODELS))
        service.until_fetched(len(living.twin.of("ats")))
        asked = Questions(living)
        assert service.process
        signed = Signed(living, service, arguments.rate)
        # Once before the flood, as it is for every service that has been up for a while.
        if not arguments.cold:
            signed.run(time.monotonic() + 0.5)
            signed.seconds.clear()
        until = time.monotonic() + arguments.seconds
        results = multiprocessing.Queue()
        start = multiprocessing.get_context("fork").Process
        attackers = [start(target=flood, args=(name, service.url, one, until, results)) for one in ATTACKERS]
        with Watch(service.process.pid) as watch:
            for one in attackers:
                one.start()
            signed.run(until)
            counts = sum((results.get(timeout=60) for _ in attackers), Counter())
            for one in attackers:
                one.join(timeout=30)
        # Two deltas of one table that webhooks ask for are at least 10 s apart, and the second one is pending nowhere.
        time.sleep(10)
        service.until_quiet()
        cuts = statistics.quantiles(signed.seconds, n=100)
        requests = sum(count for status, count in counts.items() if status.isdigit())
        each = f"{watch.cpu / requests * 1e6:,.0f}" if requests else "-"
        refused = sum(count for status, count in signed.answers.items() if status != "200")
        yield from (f"{watch.rss / 1024:,.0f}", f"{watch.anonymous / 1024:,.0f}", f"{watch.cpu:.1f}", each)
        yield from (f"{cuts[49] * 1000:.1f}", f"{cuts[98] * 1000:.1f}", f"{len(signed.seconds):,}")
        yield from (str(refused), str(signed.lost(Path(folder) / "truth")))
        if name == "ids":
            counts += traces(service, asked)
        yield " ".join(f"{what}:{count:,}" for what, count in sorted(counts.items()))


class Questions:
    """Counts the questions about integrations that the twin was asked since the last look."""

    def __init__(self, living: Living) -> None:
        self.living = living
        self.before = self._count()

    def since(self) -> int:
        """Returns the number of questions since the last call."""
        before, self.before = self.before, self._count()
        return self.before - before

    def _count(self) -> int:
        return int(self.living.requests()["by_path"].get("/integrations/{id}", 0))


def traces(service: Service, asked: Questions) -> Counts:
    """Stops the service, and counts what the flood has left; starts it again, and counts what it asks for."""
    figures: Counts = Counter(questions=asked.since())
    service.stop()
    for folder in ("kombo_integrations", "kombo_candidates"):
        files = [file for file in (Path(service.lake) / folder).rglob("*") if file.is_file()]
        figures[f"{folder}_bytes"] = sum(file.stat().st_size for file in files)
    figures["notes_bytes"] = (Path(service.lake) / "kombo_status.json").stat().st_size
    asked.since()
    service.start_and_wait()
    time.sleep(10)
    figures["restart_questions"] = asked.since()
    return figures


HEADINGS = ("RSS MB", "anon MB", "CPU s", "us each", "p50 ms", "p99 ms", "signed", "refused", "lost", "flood counted")
WIDTHS = (7, 7, 6, 7, 7, 7, 7, 7, 5, 0)


def line(name: str, cells: Iterator[str] | tuple[str, ...]) -> str:
    """Returns a line of the table."""
    return f"{name:<10}" + " ".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))


def main() -> None:
    """Runs the floods one after the other, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--binary", default=product.BINARY, help="the program; default $KOMBO_SOURCE")
    parser.add_argument("--floods", nargs="+", choices=FLOODS, default=list(FLOODS), metavar="FLOOD")
    parser.add_argument("--seconds", type=float, default=15, help="how long each flood lasts")
    parser.add_argument("--rate", type=float, default=40, help="signed webhooks a second")
    parser.add_argument("--cold", action="store_true", help="the service knows no sender when the flood begins")
    arguments = parser.parse_args()
    product.BINARY = services.BINARY = str(Path(arguments.binary).resolve())
    print(line("flood", HEADINGS), flush=True)
    for name in arguments.floods:
        print(line(name, measure(name, arguments)), flush=True)


if __name__ == "__main__":
    main()
