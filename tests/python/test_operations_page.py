"""The procedures of docs/operations.md, run as they are printed: the commands come from the page itself.

The webhook by hand of docs/service.md is run here as well, because it needs the same machine.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import lake as lakes
import pages
import pytest
import webhooks
import yaml
from clock import Clock
from current import assert_current_equals_truth, tables_of
from living import Living, living_twin
from newest import assert_newest_equal_truth
from product import BINARY, free_port
from schemas import Endpoint, endpoint
from service import Service

PAGE, SERVICE_PAGE = pages.page("docs/operations.md"), pages.page("docs/service.md")
TAGS, USERS, EMPLOYEES = (endpoint(path) for path in ("ats/tags", "ats/users", "hris/employees"))
EXAMPLE, EXAMPLE_DAY = "personio:CBNMt7dSNCzBdnRTx87dev4E", "2026-11-30"
SECRET, NEW_SECRET = "whsec-the-old-one-of-the-page", "whsec-the-new-one-of-the-page"
COMMAND_SECONDS = 60
SECONDS = 60
# What `systemctl` is to the page: it asks the test, which owns the process, and waits for the answer.
SYSTEMCTL = """#!/bin/bash
printf '%s' "$1" > "$REQUESTS/new" && mv "$REQUESTS/new" "$REQUESTS/request"
while [ -e "$REQUESTS/request" ]; do sleep 0.02; done
"""


class Unit(Service):
    """The service of the page, whose configuration belongs to the page: nothing but its commands changes the file."""

    @property
    def config(self) -> Path:
        """Returns the configuration file."""
        return self.folder / "kombo.yaml"

    def write(self) -> None:
        """Reads what the file says, instead of writing it."""
        self.settings = yaml.safe_load(self.config.read_text())

    def post_signed(self, secret: str, body: bytes) -> int:
        """Posts a webhook, signed with a secret, and returns the status."""
        return webhooks.post(self.url, body, webhooks.signature(secret, body)).status


@dataclass
class Machine:
    """The machine of the page, below a folder: its paths, its ports, its `systemctl`, and Kombo."""

    root: Path
    living: Living
    category: str = "ats"
    names: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    truths: int = 0

    def __post_init__(self) -> None:
        for path in ("/etc/kombo", "/var/lib/kombo", "/backup", "/srv/kombo", "/usr/local/bin"):
            self.names[path] = f"{self.root}{path}"
        for port in (8080, 8081, 8686, 8687):
            self.names[f"127.0.0.1:{port}"] = f"127.0.0.1:{free_port()}"
        self.names[EXAMPLE] = self.ids[0]
        self.names[EXAMPLE_DAY] = time.strftime("%Y-%m-%d")
        for folder in ("etc/kombo", "etc/kombo-dev", "var/lib/kombo", "usr/local/bin", "requests"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "usr/local/bin/kombo-source").symlink_to(Path(BINARY).resolve())
        self._put("usr/local/bin/systemctl", SYSTEMCTL, 0o755)
        self._put("etc/kombo/api-key", self.living.twin.key)
        self._put("etc/kombo/webhook-secret", SECRET)
        self.configure("The set-up that the commands assume")
        self.unit = Unit(self.root / "etc/kombo", {}, self.environment)
        self.unit.write()

    @property
    def ids(self) -> list[str]:
        """Returns the integrations that have the tables of these tests."""
        return [one.id for one in self.living.twin.of(self.category)]

    @property
    def endpoints(self) -> list[Endpoint]:
        """Returns the endpoints that are fetched."""
        return [one for one in (TAGS, USERS, EMPLOYEES) if one.category == self.category]

    @property
    def lake(self) -> Path:
        """Returns the lake of the configuration."""
        self.unit.write()
        return Path(self.unit.lake)

    def configure(self, heading: str) -> Path:
        """Writes the configuration of a section to the file that its first line names, with the twin as Kombo."""
        (block,) = pages.blocks(pages.section(PAGE, heading), "yaml")
        first, _, text = block.partition("\n")
        file = Path(self._here(first.removeprefix("# ")))
        (region,) = (line for line in text.splitlines() if line.startswith("    region: "))
        endpoints = ", ".join(one.path for one in self.endpoints)
        source = f"    endpoint: {self.living.twin.url}\n    endpoints: [{endpoints}]\n"
        text = text.replace(f"{region}\n", f"{source}    request: {{rate_limit_enabled: false}}\n")
        text = text.replace("    inputs: [kombo]\n", "    inputs: [kombo]\n    commit_window_secs: 1\n")
        file.write_text(self._here(text))
        return file

    def follow(self, heading: str, block: int = 0, typed: str = "", page: str = PAGE) -> str:
        """Runs the commands of a section's console block, one after the other; each has to succeed."""
        found = pages.blocks(pages.section(page, heading), "console")[block]
        return self.run("\n".join(pages.commands(found)), typed)

    def run(self, script: str, typed: str = "") -> str:
        """Runs commands in a shell, with the names of this machine; returns what they printed."""
        (setup,) = pages.blocks(pages.section(PAGE, "The set-up that the commands assume"), "console")
        commands = self._here("\n".join(["set -euo pipefail", *pages.commands(setup), script]))
        process = subprocess.Popen(
            ["bash", "-c", commands],
            cwd=self.root,
            env=self._environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdin and process.stdout, "they are pipes"
        process.stdin.write(f"{typed}\n")
        process.stdin.close()
        deadline = time.monotonic() + COMMAND_SECONDS
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
            self._answer()
            time.sleep(0.02)
        printed = process.stdout.read()
        print("".join(f"    | {line}\n" for line in printed.splitlines()), end="", flush=True)
        assert process.returncode == 0, f"{commands}\nended with {process.returncode}:\n{printed}"
        return printed

    def fill(self) -> None:
        """Fetches everything once."""
        self.run("kombo-source backfill " + " ".join(f"--integration {one}" for one in self.ids))

    def change(self, integration: str) -> None:
        """Changes a row of each table, and posts the webhook, signed as the service expects it."""
        for one in (TAGS, USERS):
            self.living.change("edit", integration, one.path)
        body = webhooks.data_changed(integration, ["ats_tags", "ats_users"])
        assert self.unit.post_signed(SECRET, body) == 200, self.unit.printed()[-2000:]

    def until_right(self) -> None:
        """Waits until the newest rows of the lake are those of Kombo, and folds: then `current` is Kombo's, too."""
        self.truths += 1
        truth = self.living.truth(self.root / f"truth-{self.truths}")
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                assert_newest_equal_truth(self.lake, truth, only=self.endpoints)
            except (AssertionError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
            else:
                break
        self.run("kombo-source fold")
        tables = [table for table in tables_of(truth) if table[0] in self.endpoints]
        assert_current_equals_truth(self.lake, truth, tables)

    def _answer(self) -> None:
        """Does what `systemctl` was asked, if it was."""
        request = self.root / "requests/request"
        if not request.exists():
            return
        match request.read_text():
            case "start":
                self.unit.start_and_wait()
            case "stop":
                assert self.unit.stop() == 0, self.unit.printed()[-2000:]
            case "reload":
                self.unit.send(signal.SIGHUP)
        request.unlink()

    def _environ(self) -> dict[str, str]:
        path = f"{self.root}/usr/local/bin:{os.environ['PATH']}"
        own = {name: text for name, text in os.environ.items() if not name.startswith("KOMBO_")}
        return {**own, **self.environment, "PATH": path, "REQUESTS": f"{self.root}/requests"}

    def _here(self, text: str) -> str:
        for there, here in self.names.items():
            text = text.replace(there, here)
        return text

    def _put(self, name: str, text: str, mode: int = 0o600) -> None:
        file = self.root / name
        file.write_text(text)
        file.chmod(mode)


@pytest.fixture(scope="module")
def living() -> Iterator[Living]:
    """A Kombo at the present time, whose changes are made by the tests."""
    with living_twin("--now", integrations=6, rows=20) as living:
        living.pause()
        yield living


@pytest.fixture
def machine(living: Living) -> Iterator[Machine]:
    """A machine with a filled lake; the service does not run yet."""
    with TemporaryDirectory() as name:
        machine = Machine(Path(name), living)
        try:
            machine.fill()
            yield machine
        finally:
            machine.unit.end()


def test_a_copy_of_the_lake_is_a_backup_with_and_without_the_service(machine: Machine) -> None:
    machine.run("systemctl start kombo-source")
    machine.change(machine.ids[0])
    machine.until_right()
    machine.follow("Make a backup", 0)
    machine.change(machine.ids[1])
    machine.until_right()
    # Between the logs and the data files the service commits and folds: the copy is that of the logs.
    folder, enter, logs, data = pages.commands(pages.blocks(pages.section(PAGE, "Make a backup"), "console")[1])
    machine.run(f"{folder}\n{enter}\n{logs}")
    machine.change(machine.ids[0])
    machine.until_right()
    machine.run(f"{enter}\n{data}")
    checked = pages.blocks(pages.section(PAGE, "Make a backup"), "console")[3]
    for copy in ("lake", "live"):
        commands = "\n".join(pages.commands(checked)).replace("/backup/lake", f"/backup/{copy}")
        assert "nothing to mend" in machine.run(commands)

    machine.change(machine.ids[0])
    machine.until_right()
    machine.follow("Restore a backup")
    # What changed since the backup comes back from Kombo, without a full fetch.
    machine.until_right()
    assert (machine.root / "var/lib/kombo/lake-broken").is_dir()
    restore = pages.commands(pages.blocks(pages.section(PAGE, "Restore a backup"), "console")[0])
    broken = "--lake-url /var/lib/kombo/lake-broken"
    lost = Path(machine.run(f"kombo-source files --table ats_tags --part current {broken}").split()[0])
    lost.unlink()
    assert lost.name in machine.run(f"kombo-source lint {broken} || test $? = 1")
    machine.run("rm -r /var/lib/kombo/lake-broken")
    machine.run("\n".join(restore).replace("/backup/lake", "/backup/live"))
    machine.until_right()
    machine.follow("Restore a backup", 1)
    machine.until_right()


def test_a_lake_moves_by_copying_it(machine: Machine) -> None:
    machine.run("systemctl start kombo-source")
    before = machine.lake
    machine.follow("Move the lake to another place")
    assert machine.lake == machine.root / "srv/kombo/lake" != before
    machine.change(machine.ids[0])
    machine.until_right()


def test_a_refused_key_is_replaced_without_a_restart(machine: Machine) -> None:
    key = machine.root / "etc/kombo/api-key"
    key.write_text("a-key-that-was-deleted")
    machine.run("systemctl start kombo-source")
    machine.unit.until(lambda: "refuses the API key" in machine.unit.printed(), "it is refused", SECONDS)
    machine.change(machine.ids[0])
    machine.follow("Rotate the API key", typed=machine.living.twin.key)
    assert key.stat().st_mode & 0o077 == 0, "others can read the key"
    machine.until_right()


def test_for_a_while_both_webhook_secrets_are_accepted_and_then_only_the_new_one(machine: Machine) -> None:
    unit, body = machine.unit, webhooks.data_changed(machine.ids[0], ["ats_tags"])
    machine.run("systemctl start kombo-source")
    assert unit.post_signed(SECRET, body) == 200
    assert unit.post_signed(NEW_SECRET, body) == 401
    machine.follow("Rotate the webhook secret", 0, typed=NEW_SECRET)
    unit.until(lambda: unit.post_signed(NEW_SECRET, body) == 200, "it accepts the new secret", SECONDS)
    assert unit.post_signed(SECRET, body) == 200
    machine.follow("Rotate the webhook secret", 1)
    unit.until(lambda: unit.post_signed(SECRET, body) == 401, "it refuses the old secret", SECONDS)
    assert unit.post_signed(NEW_SECRET, body) == 200


def test_a_webhook_by_hand_is_accepted_and_explained(machine: Machine) -> None:
    machine.run("systemctl start kombo-source")
    machine.environment["KOMBO_WEBHOOK_SECRET"] = SECRET
    by_hand = machine.follow("Set up the webhook", page=SERVICE_PAGE)
    assert by_hand.split() == ["ok", "200"], by_hand
    body, *_ = pages.commands(pages.blocks(pages.section(SERVICE_PAGE, "Set up the webhook"), "console")[0])
    (explain, _) = pages.commands(
        pages.blocks(pages.section(SERVICE_PAGE, "What happens when a webhook arrives?"), "console")[0]
    )
    assert "data-changed" in machine.run(f"{body}\n{explain}")


def test_a_second_environment_runs_beside_the_first_one(machine: Machine) -> None:
    config = machine.configure("Run a second environment")
    for name in ("api-key", "webhook-secret"):
        (config.parent / name).write_text((machine.root / "etc/kombo" / name).read_text())
        (config.parent / name).chmod(0o600)
    machine.follow("Run a second environment")
    second = Unit(config.parent, {}, {})
    second.write()
    try:
        machine.run("systemctl start kombo-source")
        second.start_and_wait()
        assert second.stop() == 0
    finally:
        second.end()
    assert lakes.has_table(Path(second.lake), TAGS) and Path(second.lake) != machine.lake


def test_a_damaged_table_is_moved_away_and_written_anew(machine: Machine) -> None:
    machine.run("systemctl start kombo-source")
    machine.change(machine.ids[0])
    machine.until_right()
    for block, part in enumerate(("current", "deltas")):
        log = sorted((machine.lake / TAGS.table / part / "_delta_log").glob("*.json"))[-1]
        log.write_bytes(log.read_bytes()[:20])
        machine.follow("Cure a damaged table", block)
        machine.run("kombo-source status && kombo-source lint")
        machine.until_right()


def test_the_other_commands_run_beside_the_service(machine: Machine) -> None:
    (machine.root / "kombo-source-new").symlink_to(Path(BINARY).resolve())
    machine.run("systemctl start kombo-source")
    machine.change(machine.ids[0])
    machine.until_right()
    assert "2 integrations" in machine.follow("Watch it")
    assert "nothing is held" in machine.run("kombo-source accept")
    for heading in (
        "Old files and retention",
        "Is the lake fast to read?",
        "Bring rows back from the future",
        "What if the process is killed?",
        "Use the rate limit",
        "Upgrade, and go back",
    ):
        machine.follow(heading)
    machine.until_right()


def test_what_is_held_back_is_shown_and_accepted() -> None:
    with TemporaryDirectory() as name, living_twin("--now", integrations=2, rows=1_100) as living:
        living.pause()
        machine = Machine(Path(name), living, "hris")
        machine.fill()
        for index in range(900, 1_050):
            living.change("delete", machine.ids[0], EMPLOYEES.path, index)
        machine.run("kombo-source backfill --mode delta")
        assert "mass_delete" in machine.run("kombo-source status --json")
        printed = machine.follow("Decide what is held back")
        assert "would be accepted" in printed and "accepted  hris_employees" in printed
        assert "nothing is held" in machine.run("kombo-source accept")
        machine.until_right()


def test_a_deleted_customer_is_purged_at_once_and_nobody_else() -> None:
    # Its time is in the past: a purge goes by the earlier of two clocks, this one and that of the files.
    with TemporaryDirectory() as name, living_twin(integrations=6, rows=20) as living:
        living.pause()
        machine = Machine(Path(name), living)
        clock = Clock(Path(name) / "clock", living.now_ms())
        machine.environment.update(clock.environment())
        machine.fill()
        gone, stays = machine.ids
        assert "nothing to purge" in machine.run("kombo-source purge")
        living.change("integration_deleted", gone)
        for state in ("deleting", "deleted"):
            machine.run("kombo-source backfill --mode delta || test $? = 1")
            assert f"{gone}  {state}" in machine.run(f"kombo-source status --integration {gone}")
            living.advance(25 * 3600)
            clock.show(living.now_ms())
        printed = machine.follow("Remove a deleted customer")
        assert f"waits    {gone}" in printed and f"purged   {gone}" in printed
        keys = {one.id: one.key for one in living.twin.truth.integrations}
        for table in (lakes.snapshots(machine.lake, TAGS), f"{machine.lake}/{TAGS.table}/current"):
            rows = lakes.read_reference(table, columns=["integration_key"])
            assert {row["integration_key"] for row in rows} == {keys[stays]}
