"""A stand-in for Kombo with employees of two customers. Each customer's records hold marks that a scan can find."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopback import serving

GONE = "personio:GoneGoneGoneGoneGone0001"
STAYS = "personio:StaysStaysStaysStays0002"
PEOPLE = 200
BIRTHDAY = "1911-11-11"

Record = dict[str, Any]


@dataclass
class PeopleApi:
    """A running API. A test changes what the API says and what time it is."""

    url: str
    now: float | None
    """What time it is, in seconds since the epoch; the machine's time where a test does not care."""
    people: dict[str, dict[str, Record]] = field(default_factory=dict)
    nameless: dict[str, list[Record]] = field(default_factory=dict)
    """Records without an id, which only a full walk shows."""
    changed: dict[str, set[str]] = field(default_factory=dict)
    """The ids that a walk with `updated_after` shows."""
    missing: set[str] = field(default_factory=set)
    """Integrations that the API does not find."""

    def say(self, integration: str, mark: str) -> None:
        """Gives a customer its people. Every value of a person holds the mark."""
        self.people[integration] = {
            key: person(key, mark) for key in (f"{mark}{number:06}" for number in range(PEOPLE))
        }
        nameless = person("", mark) | {"id": None}
        self.nameless[integration] = [nameless | {"first_name": f"{mark} without an id"}]

    def edit(self, integration: str, key: str, announced: bool, **values: object) -> None:
        """Changes a person. Without `announced` only a full walk shows the change."""
        self.people[integration][key] |= values
        if announced:
            self.changed.setdefault(integration, set()).add(key)

    def answer(self, path: str, integration: str, query: dict[str, list[str]]) -> Record | None:
        """Returns the `data` of an answer; `None` when the integration does not exist."""
        if path.endswith("/check-api-key"):
            return {"environment_id": "test"}
        asked = path.rsplit("/", 1)[-1] if "/integrations/" in path else integration
        if asked in self.missing:
            return None
        if "/integrations/" in path:
            return {
                "id": asked,
                "tool": {"id": "personio"},
                "category": "HRIS",
                "status": "ACTIVE",
                "setup_status": "COMPLETED",
                "read_models": [{"id": "hris_employees", "is_available": True}],
            }
        people = self.people[integration]
        if ids := query.get("ids"):
            shown = [people[one] for one in ids[0].split(",") if one in people]
        elif "updated_after" in query:
            shown = [people[one] for one in sorted(self.changed.get(integration, ()))]
        else:
            shown = [*people.values(), *self.nameless.get(integration, ())]
        return {"next": None, "results": shown}


def person(key: str, mark: str) -> Record:
    """Returns a record of an employee with the mark in its columns, in free JSON and in a field that no column has."""
    return {
        "id": key,
        "remote_id": f"{mark}-remote-{key}",
        "employee_number": f"{mark}-number-{key}",
        "first_name": f"{mark} first name of {key}",
        "last_name": f"{mark} last name",
        "display_full_name": f"{mark} full name",
        "ssn": f"{mark}-ssn",
        "tax_id": f"{mark}-tax",
        "work_email": f"{mark}@example.com",
        "date_of_birth": f"{BIRTHDAY}T00:00:00.000Z" if mark == "CNRYA" else None,
        "home_address": {"street_1": f"{mark} street", "city": "Berlin"},
        "bank_accounts": [{"iban": f"{mark}-iban"}],
        "manager_id": f"{mark}-manager",
        "custom_fields": {"note": f"{mark} free text"},
        "not_a_column": f"{mark} in rest",
        "changed_at": "2025-01-01T00:00:00.000Z",
        "remote_deleted_at": None,
    }


def forgotten(key: str, deleted_at: str) -> Record:
    """Returns what Kombo says of a record 14 days after its deletion: the id, and no value."""
    nothing = dict.fromkeys(person(key, ""), None)
    del nothing["not_a_column"]
    return nothing | {"id": key, "changed_at": deleted_at, "remote_deleted_at": deleted_at}


@contextmanager
def running_people(now: float | None = None) -> Iterator[PeopleApi]:
    """Starts the API; stops it at the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    api = PeopleApi(f"http://127.0.0.1:{server.server_address[1]}/v1", now)
    server.RequestHandlerClass = _handler(api)
    with serving(server):
        yield api


def _handler(api: PeopleApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:  # noqa: N802, the base class names it
            parts = urlsplit(self.path)
            integration = self.headers.get("X-Integration-Id", "")
            data = api.answer(parts.path, integration, parse_qs(parts.query))
            if data is None:
                code, title = "PLATFORM.INTEGRATION_NOT_FOUND", "Not found"
                error = {"code": code, "title": title, "message": title, "log_url": None}
                status, body = 404, {"status": "error", "error": error}
            else:
                status, body = 200, {"status": "success", "data": data}
            text = json.dumps(body).encode()
            self.send_response_only(status)
            self.send_header("Content-Type", "application/json")
            date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(api.now or time.time()))
            self.send_header("Date", date)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_arguments: object) -> None:
            """Stays silent: suites print verdicts only."""

    return Handler
