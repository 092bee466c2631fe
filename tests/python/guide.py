"""The example in Kombo's guide "Fetching data", line by line, as a program: it keeps the rows that a reader would have.

The program reads one order per line from standard input and answers with one line of JSON: `webhook` runs the handler of a
`data-changed` webhook that names applications, `cron` the full fetch, `rows` gives what is kept, by id. Only the
database is replaced: a dictionary and a variable stand for the two tables of the example. The local clock is the
program's own, which a test can set.
"""

import datetime as dt
import http.client
import json
import sys
import urllib.parse
from typing import Any

REQUEST_SECONDS = 60


class Guide:
    """One integration with the rows that the example keeps."""

    def __init__(self, api_url: str, key: str, integration: str) -> None:
        self.api_url = urllib.parse.urlsplit(api_url)
        self.key = key
        self.integration = integration
        self.last_fetched_at: str | None = None
        self.rows: dict[str, Any] = {}

    def handle_data_changed_webhook(self) -> None:
        """Does what `handleDataChangedWebhook` does when `ats_applications` is among the changed models."""
        fetch_start_date = _new_date()
        self._fetch_applications(self.last_fetched_at)
        self.last_fetched_at = fetch_start_date

    def handle_cron_job(self) -> None:
        """Does what `handleCronJob` does."""
        fetch_start_date = _new_date()
        self._fetch_applications(None)
        self.last_fetched_at = fetch_start_date

    def _fetch_applications(self, updated_after: str | None) -> None:
        cursor: str | None = None
        while True:
            data = self._get({"cursor": cursor, "updated_after": updated_after})
            for row in data["results"]:
                self.rows[row["id"]] = row
            cursor = data["next"]
            if not cursor:
                return

    def _get(self, params: dict[str, str | None]) -> Any:
        query = urllib.parse.urlencode({k: v for k, v in params.items() if v is not None})
        connection = http.client.HTTPConnection(self.api_url.netloc, timeout=REQUEST_SECONDS)
        try:
            headers = {
                "Authorization": f"Bearer {self.key}",
                "X-Integration-Id": self.integration,
            }
            connection.request(
                "GET", f"{self.api_url.path}/ats/applications?{query}", headers=headers
            )
            return json.loads(connection.getresponse().read())["data"]
        finally:
            connection.close()


def _new_date() -> str:
    """Returns what `new Date().toISOString()` gives."""
    now = dt.datetime.now(dt.UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"


def main(api_url: str, key: str, integration: str) -> None:
    """Answers orders until the input ends."""
    guide = Guide(api_url, key, integration)
    for line in sys.stdin:
        match line.strip():
            case "webhook":
                guide.handle_data_changed_webhook()
                answer: Any = guide.last_fetched_at
            case "cron":
                guide.handle_cron_job()
                answer = guide.last_fetched_at
            case "rows":
                answer = guide.rows
            case other:
                raise SystemExit(f"no such order: {other}")
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4])
