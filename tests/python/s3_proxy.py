"""A loopback server between the program and S3 that loses answers to commits, or the requests themselves."""

import http.client
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from loopback import serving

ANSWER_SECONDS = 60
COMMIT = re.compile(r"[^?]*/_delta_log/\d{20}\.json")


class Loss(Enum):
    """The half of an exchange that is lost."""

    BEFORE = "the request, so that the commit takes no effect"
    AFTER = "the answer, after the commit took effect"


@dataclass
class LossyS3:
    """A running proxy, with the commits that it lost."""

    url: str
    loss: Loss
    times: int
    """How often the same commit is lost, where it is tried again."""
    lost: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    """How many requests came."""
    unreachable: bool = False
    """Loses whatever comes, while it is set."""

    def loses(self, method: str, path: str) -> bool:
        """Returns whether to lose a request: the first puts of each log entry are lost."""
        self.requests += 1
        if self.unreachable:
            return True
        if method != "PUT" or not COMMIT.fullmatch(path) or self.lost.get(path, 0) >= self.times:
            return False
        self.lost[path] = self.lost.get(path, 0) + 1
        return True


@contextmanager
def running_lossy_s3(
    endpoint: str, loss: Loss, times: int, tls: ssl.SSLContext | None = None
) -> Iterator[LossyS3]:
    """Starts a proxy to an S3 endpoint, encrypted if `tls` is given; closes it at the end of the block."""
    server = _QuietServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    scheme = "https" if tls else "http"
    if tls:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    proxy = LossyS3(f"{scheme}://127.0.0.1:{server.server_address[1]}", loss, times)
    server.RequestHandlerClass = _handler(proxy, str(urlsplit(endpoint).netloc))
    with serving(server):
        yield proxy


class _QuietServer(ThreadingHTTPServer):
    """Says nothing about clients that end their connection, such as those that refuse its certificate."""

    def handle_error(self, *_arguments: Any) -> None:
        """Stays silent."""


def _handler(proxy: LossyS3, upstream: str) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with lock:
                loses = proxy.loses(self.command, self.path)
            if not (loses and proxy.loss is Loss.BEFORE):
                response, content = self._passed_on(body)
            if loses:
                # The client sees its connection close without an answer.
                self.close_connection = True
                return
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            # The answer to HEAD has the length of a body that it does not contain.
            length = response.getheader("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815

        def _passed_on(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
            connection = http.client.HTTPConnection(upstream, timeout=ANSWER_SECONDS)
            headers = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
            connection.request(self.command, self.path, body=body, headers=headers)
            response = connection.getresponse()
            content = response.read()
            connection.close()
            return response, content

        def log_message(self, *_arguments: Any) -> None:
            """Stays silent: suites print verdicts only."""

    return Handler
