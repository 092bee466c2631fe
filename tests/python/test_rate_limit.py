"""Tests that the request budget of the API key is used fully, and never exceeded."""

import dataclasses
from pathlib import Path

from product import backfill_of, running_twin
from proxy import Exchange, running_proxy

# Requests per minute that the twin allows by default.
LIMIT = 300
WINDOW_SECONDS = 60
LEAST_SHARE = 0.95
CLOSED_WINDOWS = 2


def test_thirty_integrations_under_a_limit_meet_no_429_and_use_the_windows(lake: Path) -> None:
    with (
        running_twin(integrations=30, rows=1_500) as twin,
        running_proxy(twin.url) as proxy,
    ):
        backfill = dataclasses.replace(
            backfill_of(twin, lake), api_url=proxy.url, arguments=("--json",)
        )
        backfill.must_succeed()
        limited = [one for one in proxy.exchanges if one.status == 429]
        assert not limited, f"{len(limited)} requests met 429"
        windows = _windows(proxy.exchanges)
        # The last window ends early, with the end of the work.
        used = [len(window) for window in windows[:-1]]
        begins = [window[0].at for window in windows]
        lasted = [later - earlier for earlier, later in zip(begins, begins[1:], strict=False)]
        told = ", ".join(f"{one:.1f}" for one in lasted)
        print(f"    {used} of {LIMIT} requests, a new window after {told} s", flush=True)
        assert len(used) >= CLOSED_WINDOWS, f"only {len(used)} windows were closed: too little work"
        for count, seconds in zip(used, lasted, strict=True):
            assert LEAST_SHARE * LIMIT <= count <= LIMIT, f"a window had {count} requests"
            # A window begins with its first request, so time can also be lost between two windows.
            least = LEAST_SHARE * LIMIT * seconds / WINDOW_SECONDS
            assert count >= least, f"{count} requests in {seconds:.1f} s"


def _windows(exchanges: list[Exchange]) -> list[list[Exchange]]:
    """Splits exchanges into windows. A window begins where the server's `ratelimit-remaining` rises again.

    Requests that are in flight together may be noted out of order, so a small rise is none.
    """
    windows: list[list[Exchange]] = []
    lowest = 0
    for one in exchanges:
        if one.remaining is None:
            continue
        if not windows or one.remaining > lowest + LIMIT // 10:
            windows.append([])
            lowest = one.remaining
        windows[-1].append(one)
        lowest = min(lowest, one.remaining)
    return windows
