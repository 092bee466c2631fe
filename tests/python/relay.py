"""A loopback server that forwards each webhook to several services, so that all see the same webhooks."""

import http.client
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from loopback import serving
from webhooks import POST_SECONDS, SIGNATURE


@dataclass
class Relay:
    """A running relay."""

    url: str
    targets: Sequence[str] = ()
    passed_on: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def running_relay() -> Iterator[Relay]:
    """Starts a relay without targets; closes it at the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    relay = Relay(f"http://127.0.0.1:{server.server_address[1]}/webhooks")
    server.RequestHandlerClass = _handler(relay)
    with serving(server):
        yield relay


def _handler(relay: Relay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802, the base class names it
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            sign = self.headers.get(SIGNATURE, "")
            # One after the other, so that all targets see the same order.
            with relay.lock:
                statuses = [_pass_on(target, body, sign) for target in relay.targets]
                relay.passed_on += bool(statuses)
            self.send_response_only(max(statuses, default=503))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Stays silent: suites print verdicts only."""

    return Handler


def _pass_on(url: str, body: bytes, sign: str) -> int:
    target = urlsplit(url)
    connection = http.client.HTTPConnection(target.netloc, timeout=POST_SECONDS)
    try:
        connection.request("POST", target.path, body=body, headers={SIGNATURE: sign})
        return connection.getresponse().status
    except OSError:
        return 503
    finally:
        connection.close()
