"""A stand-in for Kombo that only sends prepared bytes, so that a benchmark measures the client.

    python3 benches/stand_in.py --records target/bench-data/applications-100000.ndjson --port 8099

One thread and epoll. It answers the list endpoint `ats/applications` with cursors, `check-api-key` and `integrations/{id}`;
every other list is empty, and so is one that `updated_after` or `ids` filters. `--rows` serves more rows than there are
records: each further round has ids of its own, made while it is sent. Each integration has the same rows with its own ids.
It ends with the process that started it.
"""

import argparse
import os
import select
import socket
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

ALPHABET = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
PLACE = {letter: place for place, letter in enumerate(ALPHABET)}
ID_AT = len(b'{"id":"')
OPEN, EMPTY = b'{"status":"success","data":{"results":[', b'{"status":"success","data":{"results":[],"next":null}}'
READ_AT_ONCE = 1 << 16


class Records:
    """The rows of a table, as pages of JSON."""

    def __init__(self, path: Path, rows: int | None) -> None:
        self.lines = path.read_bytes().splitlines()
        self.rows = rows or len(self.lines)
        self.pages: dict[tuple[int, int], tuple[bytes, list[int]]] = {}

    def page(self, start: int, size: int, integration: int) -> list[bytes]:
        """Returns the body of the page that starts at a row, in pieces."""
        size = max(1, min(size, 250))
        place = start % len(self.lines)
        end = min(start + size, self.rows, start - place + len(self.lines))
        text, ids = self._joined(place, place + end - start)
        rounds = start // len(self.lines) + integration
        if rounds:
            text = _renamed(text, ids, rounds)
        tail = b'],"next":"c%d"}}' % end if end < self.rows else b'],"next":null}}'
        return [OPEN, text, tail]

    def _joined(self, start: int, end: int) -> tuple[bytes, list[int]]:
        if (start, end) not in self.pages:
            lines = self.lines[start:end]
            ids, at = [], ID_AT
            for line in lines:
                ids.append(at)
                at += len(line) + 1
            self.pages[start, end] = b",".join(lines), ids
        return self.pages[start, end]


def _renamed(text: bytes, ids: list[int], rounds: int) -> bytes:
    """Returns the page with other ids: the first two characters of each are turned by so many places."""
    page = bytearray(text)
    high, low = divmod(rounds, len(ALPHABET))
    for at in ids:
        page[at] = ALPHABET[(PLACE[page[at]] + low) % len(ALPHABET)]
        page[at + 1] = ALPHABET[(PLACE[page[at + 1]] + high) % len(ALPHABET)]
    return bytes(page)


class Api:
    """What the stand-in answers, and how often."""

    status, headers, latency_s = b"200 OK", b"", 0.0

    def __init__(self, records: Records) -> None:
        self.records = records
        self.requests = self.pages = 0

    def answer(self, target: str, integration: str) -> list[bytes]:
        """Returns the body of an answer, in pieces."""
        self.requests += 1
        parts = urlsplit(target)
        name = parts.path.rpartition("/")[2]
        if parts.path.endswith("/ats/applications"):
            query = parse_qs(parts.query)
            if "updated_after" in query or "ids" in query:
                return [EMPTY]
            self.pages += 1
            start = int(query.get("cursor", ["c0"])[0][1:])
            number = integration.rpartition("-")[2]
            return self.records.page(start, int(query.get("page_size", ["100"])[0]), int(number) if number.isdigit() else 0)
        if name == "check-api-key":
            return [b'{"status":"success","data":{"environment_id":"bench"}}']
        if name == "__stats":
            return [b'{"requests":%d,"pages":%d}' % (self.requests, self.pages)]
        if "/integrations/" in parts.path:
            return [
                b'{"status":"success","data":{"id":"%s","tool":{"id":"personio"},"category":"ATS","status":"ACTIVE",'
                b'"setup_status":"COMPLETED","read_models":[{"id":"ats_applications","is_available":true}]}}' % name.encode()
            ]
        return [EMPTY]


class Answers(Protocol):
    """What answers requests. Status and headers are those of the last answer."""

    status: bytes
    headers: bytes
    latency_s: float

    def answer(self, target: str, integration: str) -> list[bytes]:
        """Returns the body of an answer, in pieces."""


class Connection:
    """One client: what it has sent and what it still has to receive."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.asked = b""
        self.waiting: list[memoryview] = []

    def receive(self, api: "Answers") -> bool:
        """Reads requests and answers them; false when the client is gone."""
        try:
            data = self.client.recv(READ_AT_ONCE)
        except BlockingIOError:
            return True
        if not data:
            return False
        self.asked += data
        while (end := self.asked.find(b"\r\n\r\n")) >= 0:
            head, self.asked = self.asked[:end], self.asked[end + 4 :]
            first, *headers = head.decode("latin-1").split("\r\n")
            integration = next((h.partition(":")[2].strip() for h in headers if h[:17].lower() == "x-integration-id:"), "")
            body = api.answer(first.split(" ")[1], integration)
            length = sum(map(len, body))
            date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()).encode()
            self.waiting.append(
                memoryview(
                    b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nDate: %s\r\n%sContent-Length: %d\r\n\r\n"
                    % (api.status, date, api.headers, length)
                )
            )
            self.waiting += map(memoryview, body)
        return True

    def send(self) -> None:
        """Sends as much as the socket takes."""
        while self.waiting:
            try:
                sent = self.client.sendmsg(self.waiting[:8])
            except BlockingIOError:
                return
            while self.waiting and sent >= len(self.waiting[0]):
                sent -= len(self.waiting.pop(0))
            if sent:
                self.waiting[0] = self.waiting[0][sent:]


def serve(api: "Answers", port: int) -> None:
    """Answers until the process ends."""
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    listener.setblocking(False)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    clients: dict[int, Connection] = {}
    # Answers that wait for the latency to pass, in the order of their requests.
    late: deque[tuple[float, Connection]] = deque()
    while True:
        wait = max(0.0, late[0][0] - time.monotonic()) if late else None
        ready = poll.poll(wait)
        while late and late[0][0] <= time.monotonic():
            with suppress(OSError):
                late.popleft()[1].send()
        for number, event in ready:
            if number == listener.fileno():
                client, _ = listener.accept()
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
                clients[client.fileno()] = Connection(client)
                poll.register(client, select.EPOLLIN)
                continue
            one = clients[number]
            try:
                alive = one.receive(api) if event & ~select.EPOLLOUT else True
                if api.latency_s and event & select.EPOLLIN:
                    late.append((time.monotonic() + api.latency_s, one))
                    continue
                one.send()
            except (ConnectionError, OSError):
                alive = False
            if alive:
                poll.modify(number, select.EPOLLIN | (select.EPOLLOUT if one.waiting else 0))
            else:
                poll.unregister(number)
                clients.pop(number).client.close()


def end_with_parent() -> None:
    """Ends this process when the one that started it closes the pipe that is its standard input."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--until-parent", action="store_true", help="end when standard input ends")
    arguments = parser.parse_args()
    if arguments.until_parent:
        end_with_parent()
    serve(Api(Records(arguments.records, arguments.rows)), arguments.port)


if __name__ == "__main__":
    sys.exit(main())
