"""A stand-in for Kombo with one table, `ats/tags`. Its pages may end early, and its `ids` filter may answer wrongly."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from loopback import serving

INTEGRATION = "personio:CBNMt7dSNCzBdnRTx87dev4E"
PAGE_ROWS = 250


@dataclass
class TagsApi:
    """A running API and its settings."""

    url: str
    rows: int
    cut_after: int | None = None
    """Walks over everything end after so many rows, as if there were no more."""
    finds_ids: bool = True
    """Or questions for ids are answered with no row, and success."""
    deleted: int = 0
    """So many of the first rows are shown as deleted, a year ago."""
    questions: list[int] = field(default_factory=list)
    """How many ids each question asked for."""

    def ids(self) -> list[str]:
        """Returns all ids."""
        return [f"tag{number:06}" for number in range(self.rows)]

    def page(self, query: dict[str, list[str]]) -> dict[str, object]:
        """Answers one request for tags."""
        ids = self.ids()
        if asked := query.get("ids"):
            wanted = set(asked[0].split(","))
            self.questions.append(len(wanted))
            listed = [one for one in ids if one in wanted] if self.finds_ids else []
        elif "updated_after" in query:
            listed = []
        else:
            listed = ids[: self.cut_after]
        start = int(query.get("cursor", ["0"])[0])
        shown = listed[start : start + PAGE_ROWS]
        more = start + PAGE_ROWS < len(listed)
        return {
            "next": str(start + PAGE_ROWS) if more else None,
            "results": [self._row(one) for one in shown],
        }

    def _row(self, key: str) -> dict[str, object]:
        gone = int(key.removeprefix("tag")) < self.deleted
        return {
            "id": key,
            "remote_id": key,
            "name": f"name of {key}",
            "remote_data": None,
            "changed_at": "2025-01-01T00:00:00.000Z",
            "remote_deleted_at": "2025-01-01T00:00:00.000Z" if gone else None,
        }


@contextmanager
def running_tags(rows: int) -> Iterator[TagsApi]:
    """Starts the API; stops it at the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    api = TagsApi(f"http://127.0.0.1:{server.server_address[1]}/v1", rows)
    server.RequestHandlerClass = _handler(api)
    with serving(server):
        yield api


def _handler(api: TagsApi) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:  # noqa: N802, the base class names it
            with lock:
                body = json.dumps({"status": "success", "data": self._data()}).encode()
            self.send_response_only(200)
            self.send_header("Content-Type", "application/json")
            now = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
            self.send_header("Date", now)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _data(self) -> dict[str, object]:
            parts = urlsplit(self.path)
            if parts.path.endswith("/ats/tags"):
                return api.page(parse_qs(parts.query))
            if parts.path.endswith("/check-api-key"):
                return {"environment_id": "test"}
            return {
                "id": INTEGRATION,
                "tool": {"id": "personio"},
                "category": "ATS",
                "status": "ACTIVE",
                "setup_status": "COMPLETED",
                "read_models": [{"id": "ats_tags", "is_available": True}],
            }

        def log_message(self, *_arguments: object) -> None:
            """Stays silent: suites print verdicts only."""

    return Handler
