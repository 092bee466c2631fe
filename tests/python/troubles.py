"""Each kind of trouble, provoked on a running service and cured again.

A case is a generator. It yields its service first while all is well, then when the trouble is provoked, then when the cure
is done. A case whose trouble is there from the start says so by `begins_ill`.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import damages
import mounts
import webhooks
from clock import Clock
from living import Living, living_twin
from product import BINARY, Outcome, run
from proxy import Answer, running_proxy
from schemas import endpoint
from service import SECRET, Service, service_of

TAGS, USERS, SKILLS = (endpoint(path) for path in ("ats/tags", "ats/users", "lms/skills"))
DAY_SECONDS = 86_400
MINUTES_MS = 60_000
START_SECONDS = 60
TELLS_SECONDS = 50
OTHER_KEY = "not-the-key-of-the-twin"
OTHER_SECRET = "whsec-not-the-secret-of-the-service"


@dataclass
class Stage:
    """What a case needs: a folder, a twin that may be shared, and an end for everything that it starts."""

    folder: Path
    shared: Living
    stack: ExitStack
    begins_ill: bool = False
    status: Callable[[], Outcome] | None = None
    """Another way to ask for the status, when the machine's clock or files are not the service's."""

    def twin(self, *arguments: str) -> Living:
        """Starts a twin of this case alone, on the clock of this machine."""
        return self.stack.enter_context(living_twin("--now", *arguments, integrations=3, rows=30))

    def service(self, living: Living | None = None, category: str = "ats") -> Service:
        """Sets up a service of one integration, not started yet, which nothing makes busy but webhooks."""
        living = living or self.shared
        ids = [one.id for one in living.twin.of(category)][:1]
        service = self.stack.enter_context(service_of(living.twin, self.folder, integrations=ids))
        paths = {"ats": [TAGS.path, USERS.path], "lms": [SKILLS.path]}[category]
        service.source["endpoints"] = paths
        service.source["schedule"] = {
            "heartbeat_interval_secs": 100 * DAY_SECONDS,
            "full_interval_secs": 1_000 * DAY_SECONDS,
        }
        service.settings["sinks"]["lake"]["upkeep"] = {"enabled": False}
        service.settings["sinks"]["lake"]["fold"] = {"enabled": True, "max_age_secs": 1}
        service.arguments = ("--log-format", "json")
        return service

    def proxied(self, service: Service, faults: "Faults") -> None:
        """Puts a proxy with faults between the service and the twin."""
        proxy = running_proxy(service.source["endpoint"], faults.script, dates=faults.date)
        service.source["endpoint"] = self.stack.enter_context(proxy).url

    def secret(self, name: str, text: str) -> Path:
        """Writes a file that nobody else may read."""
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(text)
        return file

    def commit(self, service: Service, endpoint: str = TAGS.path) -> None:
        """Changes a row, and waits until the service has committed it."""
        committed = service.total("kombo_fetches_total", result="committed")
        self.shared.change("edit", service.source["integrations"][0], endpoint)
        tell(service)
        done = lambda: service.total("kombo_fetches_total", result="committed") > committed  # noqa: E731
        service.until(done, "commits a change", TELLS_SECONDS)

    def shifted_status(self, service: Service, ms: int) -> None:
        """Asks for the status as if this machine's clock were ahead."""
        clock = Clock(self.folder / "clock-of-status", int(time.time() * 1000) + ms)
        self.status = lambda: _status(service, clock.environment())


Case = Callable[[Stage], Iterator[Service]]


def started(service: Service, fetches: int = 2) -> Service:
    """Starts a service, and waits until the first fetches have ended."""
    service.start()
    service.until(service.is_listening, "answers", START_SECONDS)
    service.until_fetched(fetches, START_SECONDS)
    return service


def tell(service: Service, *models: str, secret: str = SECRET) -> int:
    """Posts a webhook for the service's integration, and returns the status of the answer."""
    (one, *_) = service.source["integrations"]
    body = webhooks.data_changed(one, models or ["ats_tags"])
    return webhooks.post(service.url, body, webhooks.signature(secret, body)).status


def key_refused(stage: Stage) -> Iterator[Service]:
    """The key file gets a wrong key, and the right one again."""
    service = stage.service()
    right = service.environment.pop("KOMBO_API_KEY")
    file = stage.secret("key", right)
    service.source["api_key_file"] = str(file)
    yield started(service)
    file.write_text(OTHER_KEY)
    service.send(signal.SIGHUP)
    tell(service)
    yield service
    file.write_text(right)
    service.send(signal.SIGHUP)
    yield service


def kombo_unreachable(stage: Stage) -> Iterator[Service]:
    """Kombo answers every request with 503 for a while."""
    service, faults = stage.service(), Faults()
    stage.proxied(service, faults)
    yield started(service)
    faults.answer = Answer(503, b"")
    tell(service)
    yield service
    faults.answer = None
    yield service


def waiting_for_rate(stage: Stage) -> Iterator[Service]:
    """Kombo answers 429 with a long wait; the service starts again when the wait is over for Kombo."""
    service, faults = stage.service(), Faults()
    stage.proxied(service, faults)
    yield started(service)
    faults.answer = Answer(429, b"{}", headers=(("retry-after", "900"),))
    tell(service)
    yield service
    faults.answer = None
    service.kill()
    yield started(service, 0)


def no_integrations(stage: Stage) -> Iterator[Service]:
    """A new lake and an empty list; then a webhook names a customer."""
    stage.begins_ill = True
    service = stage.service()
    (one, *_) = service.source["integrations"]
    service.source["integrations"] = []
    yield started(service, 0)
    yield service
    service.source["integrations"] = [one]
    assert tell(service) == 200
    yield service


def lake_unwritable(stage: Stage) -> Iterator[Service]:
    """The lake becomes read-only, and writable again."""
    service = stage.service()
    service.prefix = mounts.on_own_mount(Path(service.lake))
    yield started(service)
    mounts.remount(service.pid, Path(service.lake), "bind,ro")
    stage.shared.change("edit", service.source["integrations"][0], TAGS.path)
    tell(service)
    # Notes cannot be written either. `status` sees their age.
    stage.shifted_status(service, 3 * MINUTES_MS)
    yield service
    mounts.remount(service.pid, Path(service.lake), "bind,rw")
    stage.status = None
    yield service


def lake_unreadable(stage: Stage) -> Iterator[Service]:
    """An entry of a log is emptied while the service is stopped; `repair` mends it, again while the service is stopped."""
    service = started(stage.service())
    yield service
    stage.commit(service)
    stage.commit(service)
    assert service.stop() == 0, service.printed()[-2000:]
    damages.empty_entry(Path(service.lake) / TAGS.table / "deltas")
    yield started(service, 0)
    assert service.stop() == 0, service.printed()[-2000:]
    outcome = service.verb("repair", "--yes")
    assert outcome.code == 0, outcome.text
    yield started(service)


def fetches_failing(stage: Stage) -> Iterator[Service]:
    """One endpoint answers nonsense for longer than the grace."""
    service, faults = stage.service(), Faults()
    stage.proxied(service, faults)
    yield started(service)
    faults.answer, faults.path = Answer(200, b"[]"), f"/{TAGS.path}"
    tell(service)
    service.until(lambda: service.total("kombo_failing_tables") > 0, "fails", TELLS_SECONDS)
    # The grace is ten minutes, and an instant of Kombo's that is further ahead than that is not believed.
    faults.ahead_seconds = 595
    tell(service, "ats_users")
    yield service
    faults.answer = None
    tell(service)
    yield service


def late(stage: Stage) -> Iterator[Service]:
    """Nothing is fetched for longer than a short objective."""
    service = stage.service()
    service.source["schedule"]["freshness_objective_secs"] = 10
    yield started(service)
    # The objective passes.
    yield service
    service.source["schedule"]["freshness_objective_secs"] = DAY_SECONDS
    service.write()
    service.send(signal.SIGHUP)
    yield service


def held(stage: Stage) -> Iterator[Service]:
    """A scope is switched off at Kombo, so that a table seems to be empty; then it is switched on again."""
    living = stage.stack.enter_context(living_twin("--now", integrations=3, rows=400))
    service = stage.service(living, "lms")
    service.source["endpoints"] = ["lms/course-progressions"]
    yield started(service, 1)
    service.until(lambda: service.folds() > 0, "folds", TELLS_SECONDS)
    (one,) = service.source["integrations"]
    living.change("scope_off", one, "lms/course-progressions")
    tell(service, "lms_course_progressions")
    yield service
    living.change("scope_on", one, "lms/course-progressions")
    tell(service, "lms_course_progressions")
    yield service


def fold_failing(stage: Stage) -> Iterator[Service]:
    """A data file of `current` is cut; it is restored, and the service starts again."""
    service = started(stage.service())
    service.until(lambda: service.folds() > 1, "folds", TELLS_SECONDS)
    yield service
    table = Path(service.lake) / TAGS.table / "current"
    kept = {file: file.read_bytes() for file in table.rglob("*.parquet")}
    damages.cut_file(table)
    stage.shared.change("edit", service.source["integrations"][0], TAGS.path)
    tell(service)
    yield service
    for file, content in kept.items():
        file.write_bytes(content)
    service.kill()
    yield started(service, 0)


def webhooks_refused(stage: Stage) -> Iterator[Service]:
    """The secret of the service is not Kombo's; then it is."""
    service = stage.service()
    file = stage.secret("secret", service.environment.pop("KOMBO_WEBHOOK_SECRET"))
    service.source["webhook"]["secret_file"] = str(file)
    yield started(service)
    for _ in range(4):
        assert tell(service, secret=OTHER_SECRET) == 401
    yield service
    file.write_text(OTHER_SECRET)
    service.send(signal.SIGHUP)
    service.until(lambda: tell(service, secret=OTHER_SECRET) == 200, "takes it", TELLS_SECONDS)
    yield service


def no_webhooks(stage: Stage) -> Iterator[Service]:
    """Heartbeats find a change that no webhook announced; then a webhook comes."""
    living = stage.twin()
    service = stage.service(living)
    service.source["schedule"]["heartbeat_interval_secs"] = 2
    # The first deltas follow the full fetches. Those after them are heartbeats.
    yield started(service, 6)
    living.change("edit", service.source["integrations"][0], TAGS.path)
    unannounced = "kombo_unannounced_changes_total"
    service.until(lambda: service.total(unannounced) > 0, "finds the change", TELLS_SECONDS)
    living.advance(400)
    yield service
    tell(service)
    yield service


def clock_skewed(stage: Stage) -> Iterator[Service]:
    """This machine's clock jumps ahead by ten minutes, and back."""
    service = stage.service()
    clock = Clock(stage.folder / "clock", int(time.time() * 1000))
    service.environment.update(clock.environment())
    yield started(service)
    clock.show(int(time.time() * 1000) + 10 * MINUTES_MS)
    yield service
    clock.show(int(time.time() * 1000))
    yield service


def disk_nearly_full(stage: Stage) -> Iterator[Service]:
    """The lake is on a disk of 64 MB, which grows."""
    stage.begins_ill = True
    service = stage.service()
    lake = Path(service.lake)
    service.prefix = mounts.on_small_disk(lake, "64m")
    yield started(service)
    yield service
    mounts.remount(service.pid, lake, "size=8g")
    yield service


def upkeep_failing(stage: Stage) -> Iterator[Service]:
    """Upkeep meets a log with an emptied entry; the entry comes back."""
    service = stage.service()
    service.settings["sinks"]["lake"]["upkeep"] = {"enabled": True, "interval_secs": 2}
    yield started(service)
    stage.commit(service)
    stage.commit(service)
    assert service.stop() == 0, service.printed()[-2000:]
    log = Path(service.lake) / TAGS.table / "deltas" / "_delta_log"
    kept = {file: file.read_bytes() for file in log.glob("*.json")}
    damages.empty_entry(log.parent)
    yield started(service, 0)
    for file, content in kept.items():
        file.write_bytes(content)
    yield service


def service_silent(stage: Stage) -> Iterator[Service]:
    """The service is killed; three minutes later nobody has started it; then somebody does."""
    service = started(stage.service())
    yield service
    service.kill()
    stage.shifted_status(service, 3 * MINUTES_MS)
    yield service
    stage.status = None
    yield started(service, 0)


@dataclass
class Faults:
    """What a proxy answers in place of the twin: to every request, or to those of one path."""

    answer: Answer | None = None
    path: str = ""
    ahead_seconds: int = 0
    """By how much Kombo's clock is ahead."""

    def script(self, path: str, _integration: str) -> Answer | None:
        """Returns the answer in place of the twin's."""
        return self.answer if path.endswith(self.path) else None

    def date(self, _target: str) -> str:
        """Returns the time on Kombo's clock."""
        return formatdate(time.time() + self.ahead_seconds, usegmt=True)


CASES: dict[str, Case] = {
    case.__name__: case
    for case in (
        key_refused,
        kombo_unreachable,
        waiting_for_rate,
        no_integrations,
        lake_unwritable,
        service_silent,
        lake_unreadable,
        fetches_failing,
        late,
        held,
        fold_failing,
        webhooks_refused,
        no_webhooks,
        clock_skewed,
        disk_nearly_full,
        upkeep_failing,
    )
}


def status_of(service: Service, stage: Stage) -> Outcome:
    """Asks for the status as JSON."""
    return stage.status() if stage.status else _status(service, {})


def _status(service: Service, environment: Mapping[str, str]) -> Outcome:
    command = [BINARY, "status", "--json", "--config", str(service.config)]
    # A service with a mount of its own sees another lake than this process.
    before = mounts.inside(service.pid) if service.prefix else ()
    return run([*before, *command], {**os.environ, **service.environment, **environment})
