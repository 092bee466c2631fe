"""Tests the twin with Kombo's own client. If the client rejects the twin, tests against the twin prove nothing."""

import os
import re
import sys

from product import run, running_twin
from schemas import REPOSITORY

# Endpoints of `schemas/` for which version 1.4.0 of the client has a paging method.
ENDPOINTS = 29


def test_the_vendors_client_pages_through_every_endpoint_it_knows() -> None:
    with running_twin("--no-rate-limit", integrations=4, rows=600) as twin:
        environment = {
            **os.environ,
            "KOMBO_BASE_URL": twin.url,
            "KOMBO_API_KEY": twin.key,
            "KOMBO_INTEGRATIONS": ",".join(one.id for one in twin.truth.integrations),
        }
        script = REPOSITORY / "tests/python/sdk.py"
        outcome = run([sys.executable, str(script)], environment)
    assert outcome.code == 0, outcome.text[-4000:]
    walked = re.findall(r"^  get_\w+: (\d+) rows$", outcome.stdout, re.MULTILINE)
    print(f"    {len(walked)} endpoints, {sum(map(int, walked))} rows", flush=True)
    assert len(walked) >= ENDPOINTS, outcome.stdout
