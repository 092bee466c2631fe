"""Tests that large pages stay within the memory that all tables share."""

import os
import subprocess
import threading
import time
from pathlib import Path

import large_pages
import pytest
from product import BINARY

PAGE_MEGABYTES = 50
MOST_MEGABYTES = 300
SECONDS = 240


@pytest.mark.parametrize(
    ("endpoint", "rows", "zipped"),
    [("hris/teams", 1, False), ("hris/teams", 250, True), ("hris/*", 250, False)],
)
def test_pages_of_50_mb_stay_within_300_mb(
    lake: Path, endpoint: str, rows: int, zipped: bool
) -> None:
    running = large_pages.running_large_pages(PAGE_MEGABYTES, rows=rows, zipped=zipped)
    with running as url:
        command = [BINARY, "backfill", "--api-url", url, "--lake-url", str(lake), "--quiet"]
        command += ["--integration", large_pages.INTEGRATION, "--endpoint", endpoint]
        process = subprocess.Popen(
            [*command, "--no-rate-limit"],
            env={**os.environ, "KOMBO_API_KEY": "any"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        end = threading.Timer(SECONDS, process.kill)
        end.start()
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, large_pages.peak_megabytes(process.pid))
            time.sleep(0.02)
        end.cancel()
        assert process.stdout, "the output is a pipe"
        assert process.returncode == 0, process.stdout.read().decode(errors="replace")[-2000:]
        process.stdout.close()
    print(f"    {endpoint}, {rows} rows, zipped {zipped}: {peak:.0f} MB", flush=True)
    assert peak < MOST_MEGABYTES
