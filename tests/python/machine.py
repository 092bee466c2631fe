"""The machine that docs/operations.md assumes, below a folder: commands of the manual run on it as they are printed."""

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pages
import webhooks
import yaml
from current import assert_current_equals_truth, current, tables_of
from living import Living
from newest import assert_newest_equal_truth
from product import BINARY, free_port
from readers import Row, StorageOptions, read_deltalake
from schemas import REPOSITORY, Endpoint, endpoint
from service import Service

PAGE, SERVICE_PAGE = pages.page("docs/operations.md"), pages.page("docs/service.md")
TAGS, USERS, EMPLOYEES = (endpoint(path) for path in ("ats/tags", "ats/users", "hris/employees"))
EXAMPLE, EXAMPLE_DAY = "personio:CBNMt7dSNCzBdnRTx87dev4E", "2026-11-30"
SECRET, NEW_SECRET = "whsec-the-old-one-of-the-page", "whsec-the-new-one-of-the-page"
COMMAND_SECONDS = 60
SECONDS = 60
# What `systemctl` is to the page: it asks the test, which owns the process, and waits for the answer.
SYSTEMCTL = """#!/bin/bash
printf '%s' "$*" > "$REQUESTS/new" && mv "$REQUESTS/new" "$REQUESTS/request"
while [ -e "$REQUESTS/request" ]; do sleep 0.02; done
"""
# What `sudo` is to the page: there is one user here, who owns everything.
SUDO = """#!/bin/bash
[ "$1" = chown ] && exit 0
words=()
while [ $# -gt 0 ]; do
    case "$1 $2" in
        "-u kombo" | "-o kombo") shift 2 ;;
        --preserve-env*) shift ;;
        *) words+=("$1"); shift ;;
    esac
done
exec "${words[@]}"
"""


class Unit(Service):
    """The service of the page, whose configuration belongs to the page: nothing but its commands changes the file."""

    @property
    def config(self) -> Path:
        """Returns the configuration file."""
        return self.folder / "kombo.yaml"

    @property
    def url(self) -> str:
        """Returns the URL for webhooks."""
        webhook = self.source["webhook"]
        return f"http://{webhook['address']}{webhook['path']}"

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
    terminal: dict[str, str] = field(default_factory=dict)
    """What only the operator's terminal has, and no service."""
    store: StorageOptions | None = None
    """How readers reach a lake in a bucket."""
    truths: int = 0
    units: dict[str, Unit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in ("/etc/kombo", "/etc/systemd", "/var/lib/kombo", "/backup", "/srv/kombo", "/usr/local/bin"):
            self.names[path] = f"{self.root}{path}"
        for port in (8080, 8081, 8686, 8687):
            self.names[f"127.0.0.1:{port}"] = f"127.0.0.1:{free_port()}"
        self.names[EXAMPLE] = self.ids[0]
        self.names[EXAMPLE_DAY] = time.strftime("%Y-%m-%d")
        for folder in ("etc/kombo", "etc/systemd/system", "var/lib/kombo", "usr/local/bin", "requests"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "usr/local/bin/kombo-source").symlink_to(Path(BINARY).resolve())
        self._put("usr/local/bin/systemctl", SYSTEMCTL, 0o755)
        self._put("usr/local/bin/sudo", SUDO, 0o755)
        self._put("etc/kombo/api-key", self.living.twin.key)
        self._put("etc/kombo/webhook-secret", SECRET)
        self.configure("The set-up that the commands assume")
        unit = self.here((REPOSITORY / "deploy/kombo-source.service").read_text())
        self._put("etc/systemd/system/kombo-source.service", unit)
        self.unit = self._unit("kombo-source")
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
    def uri(self) -> str:
        """Returns the address of the lake in the configuration."""
        self.unit.write()
        return self.unit.lake

    @property
    def lake(self) -> Path:
        """Returns the folder of the lake."""
        return Path(self.uri)

    def configure(self, heading: str, page: str = PAGE, living: Living | None = None) -> Path:
        """Writes the configuration of a section to the file that its first line names, with a twin as Kombo."""
        url = (living or self.living).twin.url
        (block,) = pages.blocks(pages.section(page, heading), "yaml")
        first, _, text = block.partition("\n")
        file = Path(self.here(first.removeprefix("# ")))
        file.parent.mkdir(parents=True, exist_ok=True)
        (region,) = (line for line in text.splitlines() if line.startswith("    region: "))
        endpoints = ", ".join(one.path for one in self.endpoints)
        source = f"    endpoint: {url}\n    endpoints: [{endpoints}]\n"
        text = text.replace(f"{region}\n", f"{source}    request: {{rate_limit_enabled: false}}\n")
        text = text.replace("    inputs: [kombo]\n", "    inputs: [kombo]\n    commit_window_secs: 1\n")
        file.write_text(self.here(text))
        return file

    def follow(self, heading: str, block: int = 0, typed: str = "", page: str = PAGE) -> str:
        """Runs the commands of a section's console block, one after the other; each has to succeed."""
        found = pages.blocks(pages.section(page, heading), "console")[block]
        return self.run("\n".join(pages.commands(found)), typed)

    def run(self, script: str, typed: str = "") -> str:
        """Runs commands in a shell, with the names of this machine; returns what they printed."""
        (setup,) = pages.blocks(pages.section(PAGE, "The set-up that the commands assume"), "console")
        commands = self.here("\n".join(["set -euo pipefail", *pages.commands(setup), script]))
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
                assert_newest_equal_truth(
                    self.uri, truth, only=self.endpoints, options=self.store
                )
            except (AssertionError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
            else:
                break
        self.run("kombo-source fold")
        tables = [table for table in tables_of(truth) if table[0] in self.endpoints]

        def read(lake: Path | str, one: Endpoint) -> list[Row]:
            return read_deltalake(current(lake, one), storage_options=self.store)

        assert_current_equals_truth(self.uri, truth, tables, read)

    def here(self, text: str) -> str:
        """Returns a text of the manual with the names of this machine."""
        for there, here in self.names.items():
            text = text.replace(there, here)
        return text

    def end(self) -> None:
        """Ends each service that runs."""
        for unit in self.units.values():
            unit.end()

    def _answer(self) -> None:
        """Does what `systemctl` was asked, if it was."""
        request = self.root / "requests/request"
        if not request.exists():
            return
        verb, *names = request.read_text().split()
        for unit in map(self._unit, [name for name in names if not name.startswith("-")]):
            if verb in ("stop", "restart") and unit.process:
                assert unit.stop() == 0, unit.printed()[-2000:]
            if verb in ("start", "restart", "enable"):
                unit.start_and_wait()
            if verb == "reload":
                unit.send(signal.SIGHUP)
        request.unlink()

    def _unit(self, name: str) -> Unit:
        """Returns the service of a unit, with the environment that its files name."""
        systemd = self.root / "etc/systemd/system"
        unit = systemd / f"{name}.service"
        if name not in self.units:
            (config,) = re.findall(r"^Environment=KOMBO_CONFIG=(.*)$", unit.read_text(), re.M)
            self.units[name] = Unit(Path(config).parent, {}, {})
        texts = [one.read_text() for one in (unit, *systemd.glob(f"{name}.service.d/*.conf"))]
        files = re.findall(r"^EnvironmentFile=(.*)$", "\n".join(texts), re.M)
        lines = [line for file in files for line in Path(file).read_text().splitlines()]
        named = dict(line.split("=", 1) for line in lines)
        self.units[name].environment = {**self.environment, **named}
        return self.units[name]

    def _environ(self) -> dict[str, str]:
        path = f"{self.root}/usr/local/bin:{os.environ['PATH']}"
        own = {name: text for name, text in os.environ.items() if not name.startswith("KOMBO_")}
        return {**own, **self.environment, **self.terminal, "PATH": path, "REQUESTS": f"{self.root}/requests"}

    def _put(self, name: str, text: str, mode: int = 0o600) -> None:
        file = self.root / name
        file.write_text(text)
        file.chmod(mode)
