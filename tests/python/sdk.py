"""Pages through every list endpoint of Kombo's own client, against a running twin.

Needs `pip install kombo==1.4.0`. The client checks every row against its models, so this shows whether the twin is
correct. Environment:

    KOMBO_BASE_URL         such as http://127.0.0.1:8484/v1
    KOMBO_API_KEY          the twin's key
    KOMBO_INTEGRATIONS     integration ids with commas between, or the path of the integrations.json beside the truth
    KOMBO_INCLUDE_DELETED  1 to ask for deleted rows, too (anonymised ones are legal and not readable by the client)

Prints a count per endpoint; exits with 1 on any failure, or where an endpoint has no rows.
"""

import inspect
import json
import os
import sys

from kombo import Kombo

CLIENTS = {"ATS": "ats", "HRIS": "hris", "ASSESSMENT": "assessment"}


def integration_ids():
    given = os.environ["KOMBO_INTEGRATIONS"]
    if given.endswith(".json"):
        with open(given, encoding="utf-8") as file:
            return [integration["id"] for integration in json.load(file)]
    return given.split(",")


def endpoints(client):
    """Returns the methods that page: methods with a cursor argument."""
    for name, method in inspect.getmembers(client, inspect.ismethod):
        if name.startswith("_") or name.endswith("_async"):
            continue
        parameters = inspect.signature(method).parameters
        if "cursor" in parameters:
            yield name, method, parameters


def count(method, arguments):
    """Walks all pages. Ids must not repeat, because a repeated page would hide a missing one."""
    ids = []
    response = method(**arguments)
    while response is not None:
        ids += [row.id for row in response.result.data.results]
        response = response.next()
    if len(ids) != len(set(ids)):
        raise AssertionError("an id came twice")
    return len(ids)


def walk(client, failures):
    for name, method, parameters in endpoints(client):
        arguments = {"page_size": 250}
        if os.environ.get("KOMBO_INCLUDE_DELETED") and "include_deleted" in parameters:
            arguments["include_deleted"] = True
        try:
            rows = count(method, arguments)
        except Exception as error:  # any failure at all is a finding
            print(f"  {name}: {type(error).__name__}: {str(error)[:2000]}")
            failures.append(name)
            continue
        print(f"  {name}: {rows} rows")
        if rows == 0:
            failures.append(name)


def main():
    failures, categories = [], set()
    for integration in integration_ids():
        kombo = Kombo(
            api_key=os.environ["KOMBO_API_KEY"],
            server_url=os.environ["KOMBO_BASE_URL"],
            integration_id=integration,
            timeout_ms=120_000,
        )
        kombo.general.check_api_key()
        category = kombo.general.get_integration_details(integration_id=integration).data.category
        category = getattr(category, "value", category)
        print(f"{integration} ({category})")
        for name in ("get_integration_fields", "get_custom_fields"):
            fields = count(getattr(kombo.general, name), {"integration_id": integration, "page_size": 7})
            print(f"  {name}: {fields} fields")
        if category in CLIENTS:
            walk(getattr(kombo, CLIENTS[category]), failures)
            categories.add(category)
        if category == "ASSESSMENT":
            packages = kombo.assessment.get_packages().data.packages
            print(f"  get_packages: {len(packages)} packages")
            if not packages:
                failures.append("get_packages")
    if not {"ATS", "HRIS"} <= categories:
        failures.append("no ATS or no HRIS integration")
    print(f"{len(failures)} failures {failures}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
