"""Tests the service's log as its operator reads it, and as a program reads it."""

import json
import re
import signal
import tempfile
from pathlib import Path

import webhooks
from living import living_twin
from service import SECRET, service_of

NEW_SECRET = "whsec-canary-of-the-new-one"
NOT_KOMBO = "whsec-of-somebody-else"
# One place of the code logs at most 20 lines in 10 s.
MORE_FETCHES_THAN_LINES = 30


def test_start_reload_minute_and_end_are_one_line_each_and_say_a_thing_once() -> None:
    with tempfile.TemporaryDirectory() as name, living_twin(integrations=3, rows=5) as living:
        living.pause()
        folder = Path(name)
        secret = folder / "webhook-secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        empty = {"KOMBO_WEBHOOK_SECRET": ""}
        with service_of(living.twin, folder, environment=empty) as service:
            service.source["webhook"]["secret_file"] = str(secret)
            service.start_and_wait()
            service.until_fetched(MORE_FETCHES_THAN_LINES)
            signature = webhooks.signature(NOT_KOMBO, b"{}")
            assert webhooks.post(service.url, b"{}", signature).status == 401

            def reloaded(says: str) -> str:
                service.write()
                service.send(signal.SIGHUP)
                service.until(lambda: says in service.printed(), f"logs {says!r}", 20)
                (line,) = [line for line in service.printed().splitlines() if says in line]
                return line

            service.source["schedule"] = {"heartbeat_interval_secs": 3600}
            secret.write_text(NEW_SECRET)
            changed = reloaded("configuration reloaded: sources")
            assert changed.endswith(
                "sources.kombo.schedule.heartbeat_interval_secs: 21600 → 3600; the webhook secrets: replaced"
            )
            assert service.metrics().total("kombo_reloaded_total") == 1, "counted when logged"
            reloaded("configuration reloaded: no setting has changed")
            service.settings["sinks"]["lake"]["commit_window_secs"] = 2
            refused = reloaded("the configuration was not reloaded")
            assert "ERROR" in refused and "sinks cannot change while the service runs" in refused
            assert 'changed="sinks.lake.commit_window_secs: 1 → 2"' in refused
            assert service.stop() == 0, service.printed()[-2000:]
            printed = service.printed()
    lines = printed.splitlines()

    def one(pattern: str) -> str:
        found = [line for line in lines if re.search(pattern, line)]
        assert len(found) == 1, f"{pattern}: {found}"
        return found[0]

    start = one(r" INFO kombo-source \d+\.\d+\.\d+ \(.*\) runs: \d+ endpoints of 3 known integrations from ")
    for told in (living.twin.url, service.lake, "a delta every 6 h", "webhooks at", "health and metrics at"):
        assert told in start, f"{told}: {start}"
    one(r" INFO in the last \d+ s: .*\d+ snapshots, .*\d+ rows, .*1 webhook refused")
    one(r" INFO ended \d+\.\d s after SIGTERM$")
    assert f'the secret at Kombo with the file "{secret}"' in one("refused a webhook without a valid signature")
    suppressed = [line for line in lines if "suppressed, because lines like this came too often" in line]
    assert suppressed and all(" INFO " in line for line in suppressed), suppressed
    said_again = re.compile(r"(integration\.id|endpoint|mode|rows|elapsed_ms)=")
    twice = [line for line in lines if said_again.search(line)]
    assert not twice, twice[:3]
    assert not [line for line in lines if ": empty in" in line], "an empty delta is for debugging"
    assert not [key for key in (SECRET, NEW_SECRET, living.twin.key) if key in printed]


def test_a_log_in_json_keeps_every_field() -> None:
    with tempfile.TemporaryDirectory() as name, living_twin(integrations=1, rows=5) as living:
        living.pause()
        with service_of(living.twin, Path(name)) as service:
            service.arguments = ("--log-format", "json")
            service.start_and_wait()
            service.until_fetched(1)
            assert service.stop() == 0, service.printed()[-2000:]
            events = [json.loads(line) for line in service.printed().splitlines()]
    (start,) = [event for event in events if "full_fetch_secs" in event]
    assert start["integrations"] == 1 and start["lake"] == service.lake
    assert start["webhook_address"] == service.source["webhook"]["address"]
    assert start["full_fetch_secs"] == 7 * 24 * 3600 and start["version"] and "commit" in start
    fetched = next(event for event in events if event.get("result") == "committed")
    assert {"integration.id", "endpoint", "mode", "rows", "pages", "elapsed_ms"} <= fetched.keys()
    (minute,) = [event for event in events if "empty_deltas" in event]
    assert minute["snapshots"] >= 1 and minute["requests"] >= minute["snapshots"]
    assert minute["failed_fetches"] == 0 and minute["late_tables"] == 0
    (end,) = [event for event in events if event.get("signal") == "SIGTERM"]
    assert end["elapsed_ms"] >= 0
