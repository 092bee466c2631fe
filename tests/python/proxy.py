"""A loopback server between the program and the twin that records each exchange and answers some requests itself."""

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import SplitResult, urlsplit

from loopback import serving

ANSWER_SECONDS = 60
DROPPED_HEADERS = {"connection", "transfer-encoding", "content-length", "host", "accept-encoding"}


@dataclass(frozen=True)
class Answer:
    """An answer of the proxy in place of the twin's."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Exchange:
    """One request and its answer."""

    path: str
    integration: str
    at: float
    status: int
    remaining: int | None


Script = Callable[[str, str], Answer | None]
"""Decides by path and integration id; `None` passes the request on."""

Dates = Callable[[str], str | None]
"""Decides by the whole request target what `Date` an answer bears; `None` leaves the twin's."""


@dataclass
class Proxy:
    """A running proxy."""

    url: str
    exchanges: list[Exchange] = field(default_factory=list)


@contextmanager
def running_proxy(
    upstream: str,
    script: Script = lambda _path, _integration: None,
    updated_after: str | None = None,
    dates: Dates = lambda _target: None,
) -> Iterator[Proxy]:
    """Starts a proxy to an API's base URL; closes it at the end of the block.

    With `updated_after` the proxy asks for changes since then, whatever the program asks for.
    """
    target = urlsplit(upstream)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    proxy = Proxy(f"http://127.0.0.1:{server.server_address[1]}{target.path}")
    server.RequestHandlerClass = _handler(proxy, target, script, updated_after, dates)
    with serving(server):
        yield proxy


def _handler(
    proxy: Proxy,
    upstream: SplitResult,
    script: Script,
    updated_after: str | None,
    dates: Dates,
) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Header and body are two writes. With Nagle's algorithm the second would wait for the first one's acknowledgement.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:  # noqa: N802, the base class names it
            path = urlsplit(self.path).path.removeprefix(upstream.path)
            integration = self.headers.get("X-Integration-Id", "")
            own = script(path, integration)
            # Requests must reach the twin in the order recorded here, because the twin counts in that order.
            with lock:
                at = time.monotonic()
                status, headers, body = _scripted(own) if own else self._passed_on()
                remaining = dict(headers).get("ratelimit-remaining")
                left = int(remaining) if remaining is not None else None
                proxy.exchanges.append(Exchange(path, integration, at, status, left))
            self.send_response_only(status)
            date = dates(self.path)
            if date:
                headers = [(name, value) for name, value in headers if name != "date"]
                headers.append(("date", date))
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                # The client may close the connection on an answer that it does not want.
                self.close_connection = True

        def _passed_on(self) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = http.client.HTTPConnection(upstream.netloc, timeout=ANSWER_SECONDS)
            kept = {k: v for k, v in self.headers.items() if k.lower() not in DROPPED_HEADERS}
            path = self.path
            if updated_after:
                path = re.sub(r"(?<=[?&]updated_after=)[^&]*", updated_after, path)
            connection.request("GET", path, headers=kept)
            response = connection.getresponse()
            body = response.read()
            connection.close()
            headers = [(k.lower(), v) for k, v in response.getheaders()]
            kept_back = [(k, v) for k, v in headers if k not in DROPPED_HEADERS]
            return response.status, kept_back, body

        def log_message(self, *_arguments: object) -> None:
            """Stays silent: suites print verdicts only."""

    return Handler


def _scripted(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    now = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    headers = [("content-type", answer.content_type), ("date", now), *answer.headers]
    return answer.status, headers, answer.body
