"""The alert rules that the program prints, read as Prometheus reads them."""

import re
from dataclasses import dataclass
from typing import Any

import promql
import yaml
from product import BINARY, run

DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")
MEMBERS = {"alert", "expr", "for", "labels", "annotations"}
ANNOTATIONS = {"summary", "description", "runbook", "runbook_url"}


@dataclass(frozen=True)
class Rule:
    """One alert rule."""

    name: str
    expression: str
    lasting: str
    severity: str
    annotations: dict[str, str]

    @property
    def heading(self) -> str:
        """Returns the heading of the page on call that the rule links."""
        return self.annotations["runbook_url"].rpartition("#")[2]


def printed(*arguments: str) -> str:
    """Returns what `alerts` prints."""
    outcome = run([BINARY, "alerts", *arguments])
    assert outcome.code == 0 and not outcome.stderr, outcome.text[-2000:]
    return outcome.stdout


def printed_rules(*arguments: str) -> list[Rule]:
    """Returns the rules that `alerts` prints; fails on what Prometheus would refuse."""
    file = yaml.safe_load(printed(*arguments))
    assert file.keys() == {"groups"}, file.keys()
    (group,) = file["groups"]
    assert group.keys() == {"name", "rules"}, group.keys()
    return [_rule(one) for one in group["rules"]]


def _rule(one: dict[str, Any]) -> Rule:
    assert one.keys() == MEMBERS, f"{one.get('alert')}: {one.keys() ^ MEMBERS}"
    assert re.fullmatch(r"[a-zA-Z_]\w*", one["alert"]), one["alert"]
    assert DURATION.fullmatch(one["for"]), one["for"]
    assert one["labels"].keys() == {"severity"} and one["labels"]["severity"] in ("critical", "warning")
    assert one["annotations"].keys() == ANNOTATIONS, one["alert"]
    promql.parse(one["expr"])
    return Rule(one["alert"], one["expr"], one["for"], one["labels"]["severity"], one["annotations"])
