"""A stand-in for Kombo whose every endpoint has one page of large strings, to measure the memory of those who read it."""

import base64
import gzip
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from loopback import serving

INTEGRATION = "personio:CBNMt7dSNCzBdnRTx87dev4E"
MODELS = ("employees", "teams", "groups", "employments", "locations", "absences", "absence_types")
SENT_AT_ONCE = 1 << 16


@contextmanager
def running_large_pages(megabytes: int, *, rows: int, zipped: bool) -> Iterator[str]:
    """Starts the API and yields its address. A page has `rows` rows with a `remote_id` of equal length."""
    body = _page(megabytes * 1_000_000, rows)
    headers = {"Content-Type": "application/json"}
    if zipped:
        body = gzip.compress(body, 1)
        headers["Content-Encoding"] = "gzip"
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(body, headers))
    with serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"


def peak_megabytes(process: int) -> float:
    """Returns the largest resident size of a process so far."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    # A process that has just ended has no memory any more.
    return sum(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024 / 1e6


def _page(size: int, rows: int) -> bytes:
    # Random, so that no compression of the reader hides what it holds.
    letters = base64.b64encode(os.urandom(size * 3 // 4))
    each = len(letters) // rows
    results = b",".join(
        b'{"id":"row%06d","changed_at":"2025-01-01T00:00:00.000Z","remote_id":"%s"}'
        % (row, letters[row * each : (row + 1) * each])
        for row in range(rows)
    )
    return b'{"status":"success","data":{"next":null,"results":[%s]}}' % results


def _handler(page: bytes, headers: dict[str, str]) -> type[BaseHTTPRequestHandler]:
    models = ",".join(f'{{"id":"hris_{model}","is_available":true}}' for model in MODELS)
    integration = (
        f'{{"id":"{INTEGRATION}","tool":{{"id":"personio"}},"category":"HRIS","status":"ACTIVE",'
        f'"setup_status":"COMPLETED","read_models":[{models}]}}'
    )
    small = {"check-api-key": '{"environment_id":"test"}', INTEGRATION: integration}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        lock = threading.Lock()

        def do_GET(self) -> None:  # noqa: N802, the base class names it
            name = urlsplit(self.path).path.rpartition("/")[2]
            told = f'{{"status":"success","data":{small.get(name)}}}'.encode()
            body, more = (told, {}) if name in small else (page, headers)
            self.send_response_only(200)
            now = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
            for header, value in {"Date": now, "Content-Length": str(len(body)), **more}.items():
                self.send_header(header, value)
            self.end_headers()
            for at in range(0, len(body), SENT_AT_ONCE):
                self.wfile.write(memoryview(body)[at : at + SENT_AT_ONCE])

        def log_message(self, *_arguments: object) -> None:
            """Stays silent: suites print verdicts only."""

    return Handler
