"""Integrations that only signed webhooks name: a flood of forged ids, crashes, restarts, a refused customer."""

import http.client
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import deltalake
import pytest
import webhooks
from living import Living, living_twin
from newest import newest_rows
from schemas import endpoint
from service import SECRET, Service, service_of

TAGS = endpoint("ats/tags")
MODELS = ["ats_tags"]
MOST = 1_000
BUDGET = 300


@pytest.fixture
def living() -> Iterator[Living]:
    """Starts a twin with a few customers."""
    with living_twin(integrations=8, rows=20) as living:
        yield living


@pytest.fixture
def service(living: Living, tmp_path: Path) -> Iterator[Service]:
    """Sets up a service that knows no integration beforehand, within the budget of 300 requests a minute."""
    with service_of(living.twin, tmp_path, integrations=()) as service:
        service.source["endpoints"] = [TAGS.path]
        service.source["request"] = {"rate_limit_num": BUDGET}
        yield service


def customers(living: Living) -> list[str]:
    """Returns the ids of the customers with tags."""
    return [one.id for one in living.twin.of("ats")]


def announce(service: Service, ids: Iterable[str]) -> None:
    """Posts a webhook for each customer."""
    for one in ids:
        service.accepts(webhooks.data_changed(one, MODELS))


def flood(service: Service, ids: Iterable[str]) -> Counter[int]:
    """Posts a signed webhook for each id on one connection, and counts the answers."""
    target = urlsplit(service.url)
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
    answers: Counter[int] = Counter()
    for one in ids:
        body = webhooks.data_changed(one, MODELS)
        headers = {webhooks.SIGNATURE: webhooks.signature(SECRET, body)}
        connection.request("POST", target.path, body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        answers[answer.status] += 1
    connection.close()
    return answers


def forged(count: int) -> list[str]:
    """Returns ids that the twin does not know."""
    return [f"greenhouse:forged{number:06}" for number in range(count)]


def asked(living: Living) -> int:
    """Returns how often the twin was asked for an integration."""
    return int(living.requests()["by_path"].get("/integrations/{id}", 0))


def registered(service: Service) -> set[str]:
    """Returns the ids in the registry."""
    table = deltalake.DeltaTable(f"{service.lake}/kombo_integrations").to_pyarrow_table()
    return set(table.column("_integration_id").to_pylist())


def fetched(living: Living, service: Service) -> set[str]:
    """Returns the customers with rows in the lake."""
    keys = {one.key: one.id for one in living.truth(service.folder / "truth").integrations}
    return {keys[key] for key, _ in newest_rows(service.lake, TAGS)}


def bytes_below(folder: Path) -> int:
    """Returns the size of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_a_flood_of_forged_ids_is_bounded_and_customers_notice_nothing(
    living: Living, service: Service
) -> None:
    ids = customers(living)
    service.start_and_wait()
    announce(service, ids[:-1])
    service.until_fetched(len(ids) - 1, 20)
    before = asked(living)
    assert before == len(ids) - 1, "each customer once"

    answers = flood(service, forged(3 * MOST))
    assert set(answers) == {200, 503}, answers
    assert MOST <= answers[200] <= MOST + BUDGET // 10, answers
    announce(service, ids[:-1])
    assert registered(service) == set(ids[:-1]), "candidates are no customers"
    lake = Path(service.lake)
    lists = list((lake / "kombo_candidates").iterdir())
    assert len(lists) <= 17, lists
    assert bytes_below(lake / "kombo_candidates") < 400_000
    assert bytes_below(lake / "kombo_integrations") < 100_000
    assert asked(living) - before <= 2 * BUDGET // 10
    metrics = service.metrics()
    assert metrics.total("kombo_candidates_refused_total", reason="full") == answers[503]
    service.until(lambda: "more webhooks of new integrations" in service.printed(), "the others are counted", 30)
    named = re.findall(r"new integration (greenhouse:forged\d+) was answered 503", service.printed())
    assert len(set(named)) >= 10

    # After a crash nobody is asked for but the candidates, and their share is the same.
    service.kill()
    before = asked(living)
    service.start_and_wait()
    service.until_fetched(len(ids) - 1, 30)
    assert 0 < asked(living) - before <= BUDGET // 10
    status = service.verb("status", "--json")
    candidates = status.summary()["service"]["candidates"]
    assert 0 < candidates <= answers[200]
    [notes] = (lake / "kombo_status").glob("*.json")
    assert notes.stat().st_size < 20_000
    assert service.stop() == 0


def test_a_crash_right_after_the_answer_forgets_no_new_customer(living: Living, service: Service) -> None:
    ids = customers(living)
    for one in ids:
        service.start_and_wait()
        announce(service, [one])
        service.kill()
    service.start_and_wait()
    service.until(lambda: fetched(living, service) == set(ids), "every customer is fetched", 30)
    assert service.stop() == 0
    assert registered(service) == set(ids)
    before = asked(living)
    service.start_and_wait()
    lists = Path(service.lake) / "kombo_candidates"
    service.until(lambda: not list(lists.iterdir()), "nothing waits", 20)
    assert asked(living) == before
    assert service.stop() == 0


def test_a_restart_asks_for_no_confirmed_integration(living: Living, service: Service) -> None:
    ids = customers(living)
    parked = ids[0]
    service.start_and_wait()
    announce(service, ids)
    service.until_fetched(len(ids), 20)
    living.refuse(parked, None, "INTEGRATION.INACTIVE")
    announce(service, [parked])
    service.until(lambda: f"{parked} is parked: inactive" in service.printed(), "it is parked", 30)
    assert service.stop() == 0
    before, deltas = asked(living), living.requests()["by_kind"]["delta"]
    for _ in range(3):
        service.start_and_wait()
        service.until_fetched(len(ids) - 1, 20)
        assert service.stop() == 0
    assert asked(living) == before
    assert living.requests()["by_kind"]["delta"] >= deltas + 3 * (len(ids) - 1), "their deltas stay"


def test_a_customer_whose_webhook_was_refused_is_loaded_by_the_cure(living: Living, service: Service) -> None:
    late = customers(living)[-1]
    service.start_and_wait()
    flood(service, forged(MOST + BUDGET))
    assert service.post(webhooks.data_changed(late, MODELS)).status == 503
    # The first seconds of the flood have their lines already: later ones name the customer.
    told = f"the new integration {late} was answered 503"

    def is_told() -> bool:
        assert service.post(webhooks.data_changed(late, MODELS)).status == 503
        return told in service.printed()

    service.until(is_told, "the customer is named", 60)
    cure = re.search(rf"run kombo-source (backfill --integration {re.escape(late)}) and restart the service", service.printed())
    assert cure, service.printed()[-2000:]
    done = service.verb(*cure[1].split())
    assert done.code == 0, done.text
    service.kill()
    service.start_and_wait()
    announce(service, [late])
    service.until(lambda: fetched(living, service) == {late}, "it is fetched", 30)
    assert service.stop() == 0
