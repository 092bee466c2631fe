"""Tests that Grafana's own types read the printed dashboard and lose nothing of it."""

import json
from collections.abc import Iterator
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from product import BINARY, run

LEAST_SCHEMA_VERSION = 39
COLUMNS = 24


def test_the_dashboard_is_what_grafana_s_own_types_make_of_it() -> None:
    written = _dashboard()
    register_default_plugins()
    again = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(written)))
    lost = [path for path in _paths(written) if path not in set(_paths(again))]
    assert not lost, "unknown to Grafana's types: " + ", ".join(lost[:20])
    changed = [
        path for path, value in _leaves(written) if dict(_leaves(again)).get(path) != value
    ]
    assert not changed, "read otherwise by Grafana's types: " + ", ".join(changed[:20])


def test_its_panels_have_their_own_places_ids_and_queries() -> None:
    dashboard = _dashboard()
    assert dashboard["schemaVersion"] >= LEAST_SCHEMA_VERSION
    assert dashboard["uid"] and dashboard["title"]
    panels = list(_panels(dashboard))
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids)), "two panels have one id"
    assert len(panels) > 10, f"only {len(panels)} panels"
    _assert_apart(panels)
    variables = {one["name"]: one for one in dashboard["templating"]["list"]}
    sources = [name for name, one in variables.items() if one["type"] == "datasource"]
    assert sources and all(variables[one]["query"] == "prometheus" for one in sources)
    for panel in panels:
        if panel["type"] == "row":
            continue
        assert panel["targets"], f"panel {panel['title']!r} asks nothing"
        for target in panel["targets"]:
            assert target["expr"].strip(), f"panel {panel['title']!r} has an empty query"
            uid = (target.get("datasource") or panel["datasource"])["uid"]
            assert uid.strip("${}") in sources, f"panel {panel['title']!r} names a fixed datasource"


def _dashboard() -> Any:
    outcome = run([BINARY, "dashboard"])
    assert outcome.code == 0, outcome.text[-2000:]
    return json.loads(outcome.stdout)


def _panels(dashboard: Any) -> Iterator[Any]:
    for panel in dashboard["panels"]:
        yield panel
        # A collapsed row contains its panels.
        yield from panel.get("panels") or ()


def _assert_apart(panels: list[Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place = panel["gridPos"]
        assert 0 <= place["x"] and place["x"] + place["w"] <= COLUMNS, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["title"])
                assert other == panel["title"], f"{panel['title']!r} lies upon {other!r}"


def _paths(value: Any, within: str = "") -> Iterator[str]:
    """Yields the path of every member."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield f"{within}.{name}"
            yield from _paths(one, f"{within}.{name}")
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _paths(one, f"{within}[{at}]")


def _leaves(value: Any, within: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every text, number and truth value with its path."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _leaves(one, f"{within}.{name}")
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _leaves(one, f"{within}[{at}]")
    else:
        yield within, value
