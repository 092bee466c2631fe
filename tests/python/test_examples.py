"""Each example program runs against a twin, and says the right number of rows."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

import lake as lakes
from product import BINARY, Twin, run, running_twin
from schemas import endpoint

EXAMPLES = Path(BINARY).parent / "examples"
TAGS = endpoint("ats/tags")
EMPLOYEES = endpoint("hris/employees")


def test_the_stream_example_counts_the_rows_of_a_complete_fetch() -> None:
    with running_twin("--no-rate-limit", rows=300) as twin:
        integration = twin.of("hris")[0].id
        done = run([str(EXAMPLES / "stream_to_arrow"), integration, "hris/employees"], _environment(twin))
        assert done.code == 0, done.text
        rows = [row for row in twin.truth.rows(EMPLOYEES) if row["_integration_id"] == integration]
        assert f"complete: {len(rows)} rows" in done.stdout


def test_the_stream_example_ends_with_an_error_when_the_key_is_wrong() -> None:
    with running_twin(rows=20) as twin:
        environment = {**_environment(twin), "KOMBO_API_KEY": "wrong-key-of-someone"}
        done = run([str(EXAMPLES / "stream_to_arrow"), twin.of("hris")[0].id, "hris/employees"], environment)
        assert done.code != 0
        assert "complete" not in done.stdout
        assert "wrong-key-of-someone" not in done.text


def test_the_sink_example_commits_a_snapshot_and_then_a_delta(tmp_path: Path) -> None:
    with running_twin("--no-rate-limit", rows=300) as twin:
        command = [str(EXAMPLES / "parquet_folder_sink"), str(tmp_path), twin.of("ats")[0].id, "ats/tags"]
        first = run(command, _environment(twin))
        assert first.code == 0, first.text
        rows = [row for row in twin.truth.rows(TAGS) if row["_integration_id"] == twin.of("ats")[0].id]
        assert f"snapshot committed: {len(rows)} rows" in first.stdout, first.text
        second = run(command, _environment(twin))
        assert second.code == 0, second.text
        assert second.stdout.startswith("delta "), second.text


@pytest.mark.timeout(120)
def test_the_embedded_service_fills_a_lake_and_ends_on_a_signal(tmp_path: Path) -> None:
    with running_twin("--no-rate-limit", rows=50) as twin:
        lake = tmp_path / "lake"
        environment = {**_environment(twin), "KOMBO_WEBHOOK_SECRET": twin.webhook_secret}
        command = [str(EXAMPLES / "embedded_service"), str(lake), twin.of("hris")[0].id]
        with subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as service:
            assert service.stdout is not None
            assert re.match(r"webhooks are received at http://127\.0\.0\.1:\d+$", service.stdout.readline().rstrip())
            _until_committed(lake / "hris_employees" / "snapshots" / "_delta_log")
            service.send_signal(signal.SIGINT)
            assert "the service has ended" in service.stdout.read()
        assert service.returncode == 0
        rows = [row for row in twin.truth.rows(EMPLOYEES) if row["_integration_id"] == twin.of("hris")[0].id]
        found = lakes.read_reference(lakes.snapshots(lake, EMPLOYEES), columns=["id"])
        assert len(found) == len(rows)


def _environment(twin: Twin) -> dict[str, str]:
    return {**os.environ, "KOMBO_API_URL": twin.url, "KOMBO_API_KEY": twin.key}


def _until_committed(log: Path, seconds: float = 60) -> None:
    """Waits until a Delta log has its first entry with data files."""
    deadline = time.monotonic() + seconds
    while not any('"add"' in entry.read_text() for entry in log.glob("*.json")):
        assert time.monotonic() < deadline, f"nothing was committed to {log}"
        time.sleep(0.05)
