"""Tests that each kind of trouble is told everywhere and ends everywhere: log, metric, `/health`, `status`, alert.

All kinds run beside each other, each on a service of its own. The table that is printed says what each place told.
"""

import json
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import promql
from living import Living, living_twin
from product import Outcome
from promql import History
from rules import Rule, printed_rules
from service import Service
from troubles import CASES, Stage, status_of

SECONDS = 60
# The exit codes of `status`: nothing to do, and something to do.
WELL, ILL = 0, 1
JOB = "kombo-source"
# A lake that cannot be written has no notes of its trouble either. `status` sees that they are old.
SHOWN_AS = {"lake_unwritable": "service_silent"}
# What a killed service cannot say of itself.
ONLY_SEEN_FROM_OUTSIDE = {"service_silent"}


@dataclass
class Told:
    """What each place told of one trouble."""

    kind: str
    log: str = ""
    metric: str = ""
    status: str = ""
    health: str = ""
    alert: str = ""
    seconds: float = 0.0
    lasted: float = 0.0

    def line(self) -> str:
        """Returns a line of the table."""
        told = (self.kind, self.log, self.metric, self.status, self.health, self.alert)
        return f"| {' | '.join(told)} | {self.seconds:.0f} s | {self.lasted:.0f} s |"


@dataclass
class Watch:
    """Scrapes one service as Prometheus does, and reads what it tells."""

    kind: str
    rule: Rule
    stage: Stage
    history: History = field(default_factory=History)

    def scrape(self, service: Service) -> float:
        """Scrapes the service. Returns whether the metric says that the trouble lasts, as 1 or 0."""
        metrics = service.metrics() if _answers(service) else None
        self.history.scraped(time.time(), metrics, JOB, self.kind)
        return metrics.total("kombo_trouble", kind=self.kind) if metrics else -1.0


    def lasts(self, service: Service) -> bool:
        """Scrapes once more, and returns whether metric and alert say that the trouble lasts."""
        value = self.scrape(service)
        alert = bool(promql.evaluate(self.rule.expression, self.history, time.time()))
        if self.kind in ONLY_SEEN_FROM_OUTSIDE:
            return alert
        assert alert == (value > 0), f"the metric is {value}, the alert {alert}"
        return alert


def test_each_trouble_is_told_everywhere_and_ends_everywhere(tmp_path: Path) -> None:
    rules = {rule.heading: rule for rule in printed_rules()}
    with living_twin("--now", integrations=3, rows=30) as shared, ThreadPoolExecutor(len(CASES)) as pool:
        running = {
            kind: pool.submit(_tried, kind, shared, rules[kind], tmp_path / kind) for kind in CASES
        }
        ended = {kind: one.result() for kind, one in running.items()}
    print("\n| Trouble | Log line | Metric | `status` | `/health` | Alert | Told after | Over after |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for told, _ in ended.values():
        print(told.line(), flush=True)
    wrong = [f"{kind}: {error}" for kind, (_, error) in ended.items() if error]
    assert not wrong, "\n".join(wrong)


def test_every_kind_of_trouble_is_provoked() -> None:
    kinds = {kind for rule in printed_rules() for kind in promql.matched(rule.expression, "kind")}
    assert kinds - {None} | ONLY_SEEN_FROM_OUTSIDE == CASES.keys()


def _tried(kind: str, shared: Living, rule: Rule, folder: Path) -> tuple[Told, str]:
    folder.mkdir()
    told = Told(kind)
    try:
        with ExitStack() as stack:
            stage = Stage(folder, shared, stack)
            _provoked_and_cured(told, Watch(kind, rule, stage), CASES[kind](stage))
    except Exception:  # noqa: BLE001, every case is to be judged
        return told, traceback.format_exc(limit=-4)[-3000:]
    return told, ""


def _provoked_and_cured(told: Told, watch: Watch, case: Iterator[Service]) -> None:
    service = next(case)
    if not watch.stage.begins_ill:
        assert not watch.lasts(service), f"it is ill before anything happened: {service.ask('/health')}"
    began = time.monotonic()
    service = next(case)
    _until(watch, service, True)
    told.seconds = time.monotonic() - began
    _read_all(told, watch, service)
    began = time.monotonic()
    service = next(case)
    _until(watch, service, False)
    told.lasted = time.monotonic() - began
    _assert_over(watch, service)


def _until(watch: Watch, service: Service, wanted: bool) -> None:
    deadline = time.monotonic() + SECONDS
    while watch.lasts(service) != wanted:
        said = "told" if wanted else "over"
        assert time.monotonic() < deadline, f"not {said} within {SECONDS} s: {service.printed()[-1500:]}"
        time.sleep(0.5)


def _read_all(told: Told, watch: Watch, service: Service) -> None:
    kind = watch.kind
    told.alert = watch.rule.name
    outcome, found = _status(watch, service, SHOWN_AS.get(kind, kind))
    assert outcome.code == ILL, f"status ends with {outcome.code}"
    told.status = f"exit code {outcome.code}, `{found['kind']}`"
    if kind in ONLY_SEEN_FROM_OUTSIDE:
        told.log = told.metric = told.health = "none: the process is gone"
        return
    told.metric = f'`kombo_trouble{{kind="{kind}"}}` 1'
    code, text = service.ask("/health")
    health = json.loads(text)
    (one,) = [one for one in health["troubles"] if one["kind"] == kind]
    stops_all = any(one["stops_data"] == "all" for one in health["troubles"])
    assert health["ok"] != stops_all and code == (503 if stops_all else 200), text
    assert one["cure"] and one["what"] and one["since"], text
    assert service.ask("/live")[0] == 200
    # The lease cannot be renewed where nothing can be written. Then another service may work, and none may acknowledge.
    ready = 503 if kind == "lake_unwritable" else 200
    assert service.ask("/ready")[0] == ready, f"/ready is not {ready}"
    told.health = f"{code}, stops {one['stops_data']}"
    line = next(line for line in _log(service) if line.get("trouble") == kind)
    assert one["what"] in line["message"] and one["cure"] in line["message"], line
    assert line["level"] == ("ERROR" if one["stops_data"] == "all" else "WARN"), line
    told.log = f"{line['level']}: {line['message']}"


def _assert_over(watch: Watch, service: Service) -> None:
    _, text = service.ask("/health")
    kinds = [one["kind"] for one in json.loads(text)["troubles"]]
    assert watch.kind not in kinds, text
    deadline = time.monotonic() + SECONDS
    while watch.kind in _kinds(status_of(service, watch.stage)):
        assert time.monotonic() < deadline, "status goes on"
        time.sleep(0.5)


def _status(watch: Watch, service: Service, kind: str) -> tuple[Outcome, Any]:
    """Asks for the status until it names the trouble: the notes are written a moment after the metric."""
    deadline = time.monotonic() + SECONDS
    while True:
        outcome = status_of(service, watch.stage)
        found = [one for one in json.loads(outcome.stdout)["troubles"] if one["kind"] == kind]
        if found:
            return outcome, found[0]
        assert time.monotonic() < deadline, f"status does not name it: {outcome.text[-1500:]}"
        time.sleep(0.5)


def _kinds(outcome: Outcome) -> list[str]:
    return [one["kind"] for one in json.loads(outcome.stdout)["troubles"]]


def _log(service: Service) -> list[dict[str, Any]]:
    lines = service.printed().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def _answers(service: Service) -> bool:
    try:
        return service.process is not None and service.ask("/live")[0] > 0
    except OSError:
        return False
