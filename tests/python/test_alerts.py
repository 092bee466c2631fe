"""Tests the alert rules: Prometheus reads them, they ask for metrics that exist, and those beside the troubles come and go.

`test_troubles.py` drives the rules of the troubles.
"""

import re
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import promql
import pytest
from living import Living, living_twin
from metrics import Metrics
from promql import History
from proxy import Answer, running_proxy
from rules import printed, printed_rules
from schemas import endpoint
from service import Service, service_of

TAGS, USERS = endpoint("ats/tags"), endpoint("ats/users")
JOB, INSTANCE = "kombo", "127.0.0.1:8686"
PAGE = Path(__file__).parents[2] / "docs" / "oncall.md"
# What a template of Prometheus may use here.
TEMPLATES = {
    "$labels.instance",
    "$value",
    "$value | humanize",
    "$value | humanizeDuration",
    "$value | humanizePercentage",
}
SECONDS = 60
PENDING = "kombo_pending_tables"


@pytest.fixture(scope="module")
def living() -> Iterator[Living]:
    """Starts a twin on this machine's clock."""
    with living_twin("--now", integrations=3, rows=20) as living:
        yield living


class Scraped:
    """A service, the scrapes of it, and the rules."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.history = History()
        self.rules = {rule.heading: rule for rule in printed_rules()}

    def scrape(self, at: float | None = None, metrics: Metrics | None = None) -> None:
        """Scrapes the service now, or takes a scrape."""
        metrics = metrics or self.service.metrics()
        self.history.scraped(at or time.time(), metrics, JOB, INSTANCE)

    def fails(self) -> None:
        """Takes a scrape that failed."""
        self.history.scraped(time.time(), None, JOB, INSTANCE)

    def is_true(self, heading: str, at: float | None = None) -> bool:
        """Returns whether an alert is true, and checks that its labels name the service."""
        found = promql.evaluate(self.rules[heading].expression, self.history, at or time.time())
        assert all(labels.get("instance", INSTANCE) == INSTANCE for labels, _ in found)
        return bool(found)


@contextmanager
def scraped(living: Living, folder: Path, **sources: object) -> Iterator[Scraped]:
    """Starts a service of one customer, and scrapes it once."""
    (one, *_) = living.twin.of("ats")
    with service_of(living.twin, folder, integrations=[one.id]) as service:
        service.source["endpoints"] = [TAGS.path, USERS.path]
        service.source.update(sources)
        service.start()
        service.until(service.is_listening, "answers", SECONDS)
        service.until_fetched(1)
        watched = Scraped(service)
        watched.scrape()
        yield watched


def test_every_expression_asks_for_metrics_that_the_service_has(living: Living, tmp_path: Path) -> None:
    with scraped(living, tmp_path) as watched:
        has = watched.service.metrics()
    names = has.names() | {"up"}
    kinds = {one.labels["kind"] for one in has.of("kombo_trouble")}
    for rule in watched.rules.values():
        lacking = promql.metric_names(rule.expression) - names
        assert not lacking, f"{rule.name}: {lacking}"
        asked = promql.matched(rule.expression, "kind") - {None}
        assert asked <= kinds, f"{rule.name}: {asked - kinds}"
    # Every kind has a rule, and every rule a heading. A silent service is seen by Prometheus itself.
    assert kinds <= watched.rules.keys()
    lacking = {heading for heading in watched.rules if f"\n## {heading}\n" not in PAGE.read_text()}
    assert not lacking, f"the page on call has no heading {lacking}"


def test_the_file_is_one_that_prometheus_takes() -> None:
    rules = printed_rules()
    assert len({rule.name for rule in rules}) == len(rules) >= 24
    for rule in rules:
        for name, text in rule.annotations.items():
            assert text.strip() == text and "\n" not in text, f"{rule.name}: {name}"
            used = {one.strip() for one in re.findall(r"{{(.*?)}}", text)}
            assert used <= TEMPLATES, f"{rule.name}: {used - TEMPLATES}"
            assert text.count("{{") == text.count("}}") == len(re.findall(r"{{(.*?)}}", text))
        assert rule.annotations["runbook_url"].startswith("https://")
        assert "$value" in rule.annotations["description"] or rule.heading in ("service_silent", "not_scraped")


def test_a_job_narrows_every_selector_and_a_page_replaces_the_link() -> None:
    job = 'kombo "dev"'
    rules = printed_rules("--job", job, "--runbook-url", "https://wiki.example/kombo")
    for rule in rules:
        asked = promql.matched(rule.expression, "job")
        assert asked == {job}, f"{rule.name} asks for {asked}"
        assert rule.annotations["runbook_url"].startswith("https://wiki.example/kombo#")
    assert [rule.name for rule in rules] == [rule.name for rule in printed_rules()]
    assert 'job="' not in printed()


def test_a_service_that_is_gone_or_starts_again_and_again_is_seen(living: Living, tmp_path: Path) -> None:
    with scraped(living, tmp_path) as watched:
        headings = ("service_silent", "not_scraped", "restarts")
        assert not any(watched.is_true(one) for one in headings)
        for _ in range(3):
            watched.service.kill()
            watched.fails()
            assert watched.is_true("service_silent") and watched.is_true("not_scraped")
            assert not watched.is_true("restarts")
            watched.service.start()
            watched.service.until(watched.service.is_listening, "answers", SECONDS)
            watched.scrape()
        assert watched.is_true("restarts")
        assert not watched.is_true("service_silent") and not watched.is_true("not_scraped")
        assert not watched.is_true("restarts", time.time() + 1_900), "half an hour later"
        watched.history.forget(JOB, INSTANCE)
        assert watched.is_true("not_scraped") and not watched.is_true("service_silent")


def test_a_refused_reload_is_seen_for_half_an_hour(living: Living, tmp_path: Path) -> None:
    with scraped(living, tmp_path) as watched:
        watched.service.config.write_text("sources: {kombo: {type: kombo, pln: all}}")
        refused = {"error_type": "configuration_failed"}
        assert not watched.is_true("configuration_refused")
        watched.service.send(signal.SIGHUP)
        count = lambda: watched.service.total("kombo_component_errors_total", **refused) > 0  # noqa: E731
        watched.service.until(count, "refuses the file", SECONDS)
        watched.scrape()
        assert watched.is_true("configuration_refused")
        assert not watched.is_true("configuration_refused", time.time() + 1_900)


def test_files_that_are_nearly_used_up_are_seen(living: Living, tmp_path: Path) -> None:
    with scraped(living, tmp_path) as watched:
        assert not watched.is_true("files_used_up")
        opened = int(watched.service.total("process_open_fds"))
        before = resource.prlimit(watched.service.pid, resource.RLIMIT_NOFILE)
        # More than 80 % are in use, and the service has room for a scrape and what it does beside it.
        resource.prlimit(watched.service.pid, resource.RLIMIT_NOFILE, (int(opened / 0.88), before[1]))
        watched.scrape()
        assert watched.is_true("files_used_up")
        resource.prlimit(watched.service.pid, resource.RLIMIT_NOFILE, before)
        watched.scrape()
        assert not watched.is_true("files_used_up")


def test_a_queue_that_grows_is_seen_and_one_that_falls_is_not(living: Living, tmp_path: Path) -> None:
    """The service may not ask Kombo, so tables only become due. The scrapes are ten minutes apart for the rule."""
    waits = Answer(429, b"{}", headers=(("retry-after", "30"),))

    def script(path: str, _integration: str) -> Answer | None:
        return waits if path.startswith(("/ats/", "/hris/", "/lms/")) else None

    ids = [one.id for one in living.twin.truth.integrations]
    with (
        running_proxy(living.twin.url, script) as proxy,
        service_of(living.twin, tmp_path, integrations=ids) as service,
    ):
        service.source["endpoint"] = proxy.url
        service.start()
        service.until(service.is_listening, "answers", SECONDS)
        service.until(lambda: service.total(PENDING) > 20, "tables wait", SECONDS)
        grown, now = service.metrics(), time.time()
        for first, second, wanted in [(0.0, 1.0, True), (2.0, 1.0, False), (0.0, 0.0, False)]:
            watched = Scraped(service)
            watched.scrape(now - 600, _times(grown, PENDING, first))
            watched.scrape(now, _times(grown, PENDING, second))
            assert watched.is_true("queue_grows", now) == wanted, f"{first} and {second} times as many"


def test_refused_webhooks_of_new_customers_are_seen_for_an_hour(living: Living, tmp_path: Path) -> None:
    """`test_candidates.py` brings a service to refuse them, and finds them in this metric."""
    with scraped(living, tmp_path) as watched:
        before, now = watched.service.metrics(), time.time()
    watched.history = History()
    watched.scrape(now, before)
    assert not watched.is_true("new_integrations_refused", now)
    watched.scrape(now + 15, _with(before, "kombo_candidates_refused_total", 2.0, reason="full"))
    assert watched.is_true("new_integrations_refused", now + 15)
    assert not watched.is_true("new_integrations_refused", now + 3_700)


def test_what_no_service_can_be_brought_to_is_seen_in_its_metrics(living: Living, tmp_path: Path) -> None:
    """Rows that are lost, a service that hangs, a fold that waits for an hour: a real scrape, with another value."""
    with scraped(living, tmp_path) as watched:
        now = watched.service.metrics()
    lost = _with(now, "kombo_component_discarded_events_total", 3.0, intentional="false")
    waiting = _with(now, "kombo_pending_tables", 7.0, lane="notified")
    hangs = _with(waiting, "kombo_running_fetches", 0.0)
    explained = _with(hangs, "kombo_trouble", 1.0, kind="key_refused")
    folds = _with(now, "kombo_fold_lag_seconds", 3_601.0)
    busy = _with(waiting, "kombo_running_fetches", 1.0)
    for heading, scrape, wanted in [
        ("rows_discarded", now, False),
        ("rows_discarded", lost, True),
        ("nothing_fetched", now, False),
        ("nothing_fetched", busy, False),
        ("nothing_fetched", hangs, True),
        ("nothing_fetched", explained, False),
        ("fold_behind", now, False),
        ("fold_behind", folds, True),
    ]:
        watched.history = History()
        watched.scrape(metrics=scrape)
        assert watched.is_true(heading) == wanted, heading


def _with(scrape: Metrics, name: str, value: float, **labels: str) -> Metrics:
    """Returns a scrape with another value of some series."""
    chosen = [one for one in scrape.of(name, **labels)]
    assert chosen, f"no series {name} {labels}"
    samples = [one._replace(value=value) if one in chosen else one for one in scrape.samples]
    return replace(scrape, samples=tuple(samples))


def _times(scrape: Metrics, name: str, factor: float) -> Metrics:
    """Returns a scrape in which all series of a metric are so many times as large."""
    samples = [one._replace(value=one.value * factor) if one.name == name else one for one in scrape.samples]
    return replace(scrape, samples=tuple(samples))
