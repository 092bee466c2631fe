"""A running twin that changes: on request or by itself. Also gives the twin's journal and webhooks."""

import email.utils
import http.client
import json
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from product import Twin, running_twin
from schemas import Endpoint
from truth import Integration, Truth

CONTROL_SECONDS = 120


class Living:
    """A running twin with `--control`."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.address = str(urlsplit(twin.url).netloc)

    def pause(self) -> None:
        """Stops the automatic changes."""
        self._post("pause")

    def resume(self) -> None:
        """Resumes the automatic changes."""
        self._post("resume")

    def advance(self, seconds: int) -> None:
        """Lets time pass in the twin's world."""
        self._post("advance", {"secs": seconds})

    def truth(self, folder: Path) -> Truth:
        """Returns a dump of the rows that a correct fetch would bring now."""
        # The twin writes below the folder of `--truth` only.
        written = self.twin.truth.folder / f"now-{uuid.uuid4().hex}"
        self._post("truth", {"folder": str(written)})
        shutil.copytree(written, folder, dirs_exist_ok=True)
        shutil.rmtree(written)
        return Truth(folder)

    def change(
        self,
        kind: str,
        integration: str,
        endpoint: str | None = None,
        index: int | None = None,
    ) -> Any:
        """Makes one change now. Returns the twin's journal entry."""
        what = {"kind": kind, "integration": integration, "endpoint": endpoint, "index": index}
        return self._post("change", {k: v for k, v in what.items() if v is not None})

    def refuse(self, integration: str, endpoint: str | None, code: str | None) -> None:
        """Makes the twin refuse reads of an integration or one endpoint with a code; without a code, allows them again."""
        what = {"integration": integration, "endpoint": endpoint, "code": code}
        self._post("refuse", what)

    def journal(self) -> list[dict[str, Any]]:
        """Returns the changes, in order."""
        return self._list("journal", "changes")

    def deliveries(self) -> list[dict[str, Any]]:
        """Returns the posted webhooks, and the answer to each."""
        return self._list("deliveries", "deliveries")

    def requests(self) -> Any:
        """Returns the number of requests to the twin, by path and kind."""
        return self._ask("GET", "/twin/requests")

    def now_ms(self) -> int:
        """Returns the twin's time in milliseconds, floored to the second, as a client of the API sees it."""
        connection = http.client.HTTPConnection(self.address, timeout=CONTROL_SECONDS)
        try:
            headers = {"Authorization": f"Bearer {self.twin.key}"}
            connection.request("GET", "/v1/check-api-key", headers=headers)
            date = connection.getresponse().getheader("Date")
        finally:
            connection.close()
        assert date, "the twin sends a Date"
        return int(email.utils.parsedate_to_datetime(date).timestamp() * 1000)

    def is_readable(self, endpoint: Endpoint, integration: Integration) -> bool:
        """Returns whether the twin now answers a request for rows of a table."""
        connection = http.client.HTTPConnection(self.address, timeout=CONTROL_SECONDS)
        try:
            headers = {
                "Authorization": f"Bearer {self.twin.key}",
                "X-Integration-Id": integration.id,
            }
            connection.request("GET", f"/v1/{endpoint.path}", headers=headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status == 200
        finally:
            connection.close()

    def until_told(self, seconds: float = 60) -> None:
        """Waits until all webhooks are posted: none came for longer than the debounce."""
        deadline = time.monotonic() + seconds
        seen, since = -1, time.monotonic()
        while time.monotonic() < deadline:
            if (count := len(self.deliveries())) != seen:
                seen, since = count, time.monotonic()
            elif time.monotonic() - since > 3:
                return
            time.sleep(0.25)
        raise AssertionError("the twin goes on posting webhooks after its changes were paused")

    def _list(self, what: str, member: str) -> list[dict[str, Any]]:
        found = self._ask("GET", f"/twin/{what}")[member]
        assert isinstance(found, list), f"/twin/{what} has a list"
        return found

    def _post(self, what: str, body: Any = None) -> Any:
        return self._ask("POST", f"/twin/{what}", body)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection(self.address, timeout=CONTROL_SECONDS)
        try:
            content = None if body is None else json.dumps(body)
            headers = {"Content-Type": "application/json"} if content else {}
            connection.request(method, path, body=content, headers=headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        assert answer.status in range(200, 300), f"{path} answered {answer.status}: {text[:300]}"
        return json.loads(text) if text.strip() else None


@contextmanager
def living_twin(
    *arguments: str, integrations: int = 4, rows: int = 40, seed: int = 1
) -> Iterator[Living]:
    """Starts a twin with `--control` and without a rate limit; stops it at the end of the block."""
    flags = ("--control", "--no-rate-limit", *arguments)
    with running_twin(*flags, integrations=integrations, rows=rows, seed=seed) as twin:
        yield Living(twin)
