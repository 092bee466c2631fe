"""Measures how much of Kombo's rate limit a first load uses: 300 requests a minute, 100 ms latency, 30 customers.

    python3 benches/rate.py

The stand-in counts in windows of a minute that start with their first request, as Kombo documents, and answers 429 beyond the limit.
The theoretical finish spends each window completely as soon as it opens: (windows - 1) minutes, and the requests of the last
window by `--concurrency` requests at a time. The paced finish spreads the requests evenly over time instead. Use is the theoretical
finish over the measured one: the last answer, and the end of the program. Refused requests are counted. The program is $KOMBO_SOURCE or target/release/kombo-source.
"""

import argparse
import json
import os
import shutil
import sys
import urllib.request
from math import ceil

from accounting import Server, cost_of
from many import ENDPOINTS, WINDOW_SECONDS, integration_id
from scale import BINARY, TARGET, records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--integrations", type=int, default=30)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--latency-ms", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=4, help="the program's default")
    arguments = parser.parse_args()
    work = TARGET / "bench-rate"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    ids = ",".join(integration_id(one) for one in range(arguments.integrations))
    limits = ("--limit", str(arguments.limit), "--latency-ms", str(arguments.latency_ms))
    served = ("--records", str(records()), "--integrations", str(arguments.integrations), *limits)
    with Server("many.py", *served) as server:
        command = [BINARY, "-q", "backfill", "--api-url", f"{server.url}/v1", "--lake-url", str(work / "lake")]
        command += ["--integration", ids, "--endpoint", ",".join(f"hris/{one}" for one in ENDPOINTS)]
        command += ["--rate-limit", str(arguments.limit), "--concurrency", str(arguments.concurrency)]
        cost = cost_of(command, os.environ | {"KOMBO_API_KEY": "bench"}, work / "log")
        if cost.code != 0:
            sys.exit((work / "log").read_text(errors="replace")[-2000:])
        with urllib.request.urlopen(f"{server.url}/__stats") as answer:
            told = json.load(answer)
    granted = told["requests"] - told["refused"]
    windows = ceil(granted / arguments.limit)
    last = granted - (windows - 1) * arguments.limit
    ideal = (windows - 1) * WINDOW_SECONDS + ceil(last / arguments.concurrency) * arguments.latency_ms / 1000
    paced = granted * WINDOW_SECONDS / arguments.limit
    asked = told["last_request"] - told["first_request"] + arguments.latency_ms / 1000
    print("| requests | 429 | theoretical finish, s | paced finish, s | last answer, s | program, s | use by the last answer | by the program |")
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {granted:,} | {told['refused']} | {ideal:.1f} | {paced:.1f} | {asked:.1f} | {cost.wall_s:.1f}"
        f" | {ideal / asked:.1%} | {ideal / cost.wall_s:.1%} |"
    )
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
