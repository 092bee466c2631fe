"""A stand-in for Kombo with thousands of customers: eight HRIS endpoints each, mostly 20 to 500 rows, a few with thousands.

    python3 benches/many.py --records DIR --integrations 10000

The rows are those that `kombo-source twin --truth DIR` writes, with ids of each customer's own. `GET /__change?round=3&share=10`
changes some rows of a tenth of the customers, so that lists filtered by `updated_after` show them. `GET /__stats` tells how
much was asked. Which customers and rows change depends on the number of the round only.
"""

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

from stand_in import ALPHABET, EMPTY, ID_AT, OPEN, PLACE, end_with_parent, serve

ROOT = Path(__file__).resolve().parent.parent
ENDPOINTS = (
    "employees",
    "employments",
    "absences",
    "timesheets",
    "time-off-balances",
    "payslips",
    "performance-reviews",
    "staffing-entities",
)
CHANGING = ("employees", "absences", "time-off-balances")
WINDOW_SECONDS = 60
CHANGED_AT = b'"changed_at":"'
# For each number of places the alphabet, turned by so many.
TURNED = [bytes(ALPHABET[(PLACE[b] + by) % 58] if b in PLACE else b for b in range(256)) for by in range(58)]


def integration_id(number: int) -> str:
    """Returns the id of a customer."""
    return f"personio:scale-{number:06}"


def is_changed(number: int, round_number: int, share: int) -> bool:
    """Returns whether a customer changes in a round, with a share in thousandths."""
    return crc32(b"round %d of %d" % (round_number, number)) % 1000 < share


def size_of(number: int, endpoint: str) -> int:
    """Returns the rows of a table: 97 % have 20 to 500, 2.9 % up to 2,000, one of a thousand 5,000."""
    luck = crc32(f"{endpoint} of {number}".encode())
    kind, place = luck % 1000, (luck // 1000) % 10_000 / 10_000
    if kind == 0:
        return 5_000
    low, high = (500, 2_000) if kind < 30 else (20, 500)
    return round(low * (high / low) ** place)


class Customers:
    """The rows of all customers, as pages of JSON."""

    status, headers = b"200 OK", b""

    def __init__(self, folder: Path, integrations: int, limit: int = 0, latency_s: float = 0.0) -> None:
        self.limit, self.latency_s = limit, latency_s
        self.window, self.used = 0.0, 0
        self.integrations = integrations
        self.lines = {one: self._read(folder, one) for one in ENDPOINTS}
        self.models = sorted({model for one in ENDPOINTS for model in self._models(one)})
        self.changed: dict[int, tuple[float, int]] = {}
        self.requests = self.lists = self.rows = self.bytes = self.refused = 0
        self.first_request = self.last_request = 0.0

    @staticmethod
    def _models(endpoint: str) -> list[str]:
        described = json.loads((ROOT / f"schemas/hris/{endpoint}.json").read_text())
        return [model["name"] for model in described["models"]]

    @staticmethod
    def _read(folder: Path, endpoint: str) -> list[bytes]:
        (path,) = (folder / f"hris_{endpoint.replace('-', '_')}").glob("*.ndjson")
        lines = path.read_bytes().splitlines()
        return [line for line in lines if line.startswith(b'{"id":"') and CHANGED_AT in line]

    def answer(self, target: str, integration: str) -> list[bytes]:
        """Returns the body of an answer, in pieces."""
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        name = parts.path.rpartition("/")[2]
        self.status, self.headers = b"200 OK", b""
        if not name.startswith("__") and not self._grants():
            return [EMPTY]
        if name in self.lines:
            return self._list(name, int(integration.rpartition("-")[2]), query)
        if name == "check-api-key":
            return [b'{"status":"success","data":{"environment_id":"bench"}}']
        if name == "__stats":
            names = ("requests", "lists", "rows", "bytes", "refused", "first_request", "last_request")
            return [json.dumps({one: getattr(self, one) for one in names}).encode()]
        if name == "__change":
            return [b'{"changed":%d}' % self._change(int(query["round"][0]), int(query["share"][0]))]
        if "/integrations/" in parts.path:
            models = [{"id": one, "is_available": True} for one in self.models]
            told = {"id": name, "tool": {"id": "personio"}, "category": "HRIS", "status": "ACTIVE"}
            data = told | {"setup_status": "COMPLETED", "read_models": models}
            return [json.dumps({"status": "success", "data": data}).encode()]
        return [EMPTY]

    def _grants(self) -> bool:
        """Counts a request. A window of a minute starts with its first request, and grants the limit."""
        now = time.monotonic()
        self.requests += 1
        self.first_request = self.first_request or now
        self.last_request = now
        if not self.limit:
            return True
        if now - self.window >= WINDOW_SECONDS or not self.window:
            self.window, self.used = now, 0
        granted = self.used < self.limit
        self.used += granted
        reset = int(self.window + WINDOW_SECONDS - now) + 1
        told = (self.limit, self.limit - self.used, reset)
        self.headers = b"RateLimit-Limit: %d\r\nRateLimit-Remaining: %d\r\nRateLimit-Reset: %d\r\n" % told
        if not granted:
            self.refused += 1
            self.status = b"429 Too Many Requests"
            self.headers += b"Retry-After: %d\r\n" % reset
        return granted

    def _list(self, endpoint: str, number: int, query: dict[str, list[str]]) -> list[bytes]:
        self.lists += 1
        total = size_of(number, endpoint)
        if "ids" in query:
            return [EMPTY]
        if "updated_after" in query:
            rows = self._changed_rows(endpoint, number, total, query["updated_after"][0])
            self.rows += len(rows)
            return [OPEN, b",".join(rows), b'],"next":null}}'] if rows else [EMPTY]
        size = min(int(query.get("page_size", ["100"])[0]), 250)
        start = int(query.get("cursor", ["c0"])[0][1:])
        end = min(start + size, total)
        text = b",".join(self.row(endpoint, number, row) for row in range(start, end))
        self.rows += end - start
        self.bytes += len(text)
        return [OPEN, text, b'],"next":"c%d"}}' % end if end < total else b'],"next":null}}']

    def row(self, endpoint: str, number: int, row: int) -> bytes:
        """Returns one row of a customer: a shared record with an id of its own."""
        lines = self.lines[endpoint]
        cycle, place = divmod(number * 7919 + row, len(lines))
        line = lines[place]
        turns = (cycle + number * 7919) % 195_112
        first, second, third = turns % 58, turns // 58 % 58, turns // 3364
        return b"%s%c%c%c%s" % (
            line[:ID_AT],
            TURNED[first][line[ID_AT]],
            TURNED[second][line[ID_AT + 1]],
            TURNED[third][line[ID_AT + 2]],
            line[ID_AT + 3 :],
        )

    def _change(self, round_number: int, share: int) -> int:
        now = time.time()
        found = [one for one in range(self.integrations) if is_changed(one, round_number, share)]
        self.changed |= dict.fromkeys(found, (now, round_number))
        return len(found)

    def _changed_rows(self, endpoint: str, number: int, total: int, after: str) -> list[bytes]:
        at, round_number = self.changed.get(number, (0.0, 0))
        if endpoint not in CHANGING or at <= datetime.fromisoformat(after).timestamp():
            return []
        stamp = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23].encode() + b"Z"
        luck = crc32(f"{round_number} {endpoint} {number}".encode())
        rows = {(luck >> (8 * one)) % total for one in range(1 + luck % 3)}
        return [self._stamped(self.row(endpoint, number, row), stamp) for row in sorted(rows)]

    @staticmethod
    def _stamped(line: bytes, stamp: bytes) -> bytes:
        at = line.index(CHANGED_AT) + len(CHANGED_AT)
        return line[:at] + stamp + line[line.index(b'"', at) :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--integrations", type=int, required=True)
    parser.add_argument("--limit", type=int, default=0, help="requests that a window of a minute grants; 0: no limit")
    parser.add_argument("--latency-ms", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--until-parent", action="store_true", help="end when standard input ends")
    arguments = parser.parse_args()
    if arguments.until_parent:
        end_with_parent()
    customers = Customers(arguments.records, arguments.integrations, arguments.limit, arguments.latency_ms / 1000)
    serve(customers, arguments.port)


if __name__ == "__main__":
    sys.exit(main())
