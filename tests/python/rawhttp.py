"""HTTP that no client library would send: raw bytes on a socket, and the answer."""

import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from webhooks import SIGNATURE

WAIT_SECONDS = 20
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Sent:
    """How many bytes were sent, and the status of the answer."""

    status: int | None
    """`None` when the connection was closed without an answer."""
    sent: int


def head(url: str, sign: str | None, *lines: str, method: str = "POST") -> bytes:
    """Returns the head of a request, with any further header lines."""
    target = urlsplit(url)
    first = [f"{method} {target.path} HTTP/1.1", f"Host: {target.netloc}"]
    signed = [] if sign is None else [f"{SIGNATURE}: {sign}"]
    return "\r\n".join([*first, *signed, *lines, "", ""]).encode()


@contextmanager
def connected(url: str, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Connects to a URL's address; closes the connection at the end of the block."""
    with connect(url, source) as connection:
        yield connection


def connect(url: str, source: str = "127.0.0.1") -> socket.socket:
    """Connects to a URL's address, from any loopback address."""
    target = urlsplit(url)
    address = (target.hostname or "", target.port or 0)
    return socket.create_connection(address, timeout=WAIT_SECONDS, source_address=(source, 0))


def exchange(url: str, parts: Iterable[bytes], then_close: bool = False) -> Sent:
    """Sends parts until all are sent or an answer arrives; returns the status."""
    sent = 0
    with connected(url) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                sent += len(part)
                if _answers(connection):
                    break
            if then_close:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            # The server may close the connection on a request that it refuses. The answer may still be readable.
            pass
        return Sent(_status(connection), sent)


def statuses(connection: socket.socket, count: int) -> list[int]:
    """Reads `count` answers from a connection on which requests were sent one after the other."""
    found: list[int] = []
    data = b""
    while len(found) < count:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            fresh = connection.recv(65536)
            assert fresh, f"closed after {len(found)} of {count} answers"
            data += fresh
            continue
        lines = data[:end].decode("latin-1").lower().split("\r\n")
        length = sum(int(one.partition(":")[2]) for one in lines if one.startswith("content-length:"))
        while len(data) < end + 4 + length:
            fresh = connection.recv(65536)
            assert fresh, "closed in the middle of an answer"
            data += fresh
        found.append(int(lines[0].split()[1]))
        data = data[end + 4 + length :]
    return found


def all_statuses(url: str, sent: bytes) -> list[int]:
    """Sends bytes on a connection, and returns the statuses of all answers until the server closes it."""
    data = b""
    with connected(url) as connection:
        connection.sendall(sent)
        while fresh := connection.recv(65536):
            data += fresh
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


def _answers(connection: socket.socket) -> bool:
    """Returns whether an answer has begun to arrive, without reading it."""
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(WAIT_SECONDS)


def _status(connection: socket.socket) -> int | None:
    data = b""
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while b"\r\n" not in data and len(data) < MOST_BYTES and time.monotonic() < deadline:
            fresh = connection.recv(4096)
            if not fresh:
                break
            data += fresh
    except ConnectionError:
        pass
    words = data.split(b"\r\n", 1)[0].split()
    return int(words[1]) if len(words) > 1 else None
