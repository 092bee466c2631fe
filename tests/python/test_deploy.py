"""Tests the files of deploy/: what their own tools say of them, and whether they fit the program and each other."""

import http.client
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from pages import ROOT
from product import BINARY, free_port, run

DEPLOY = ROOT / "deploy"
CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
INSTALLED = "/usr/local/bin/kombo-source"
UNIT = DEPLOY / "kombo-source.service"
SECRET = "whsec-of-the-container"
# What systemd calls exposure, in tenths; a service without any protection has 96.
MOST_EXPOSED = 20
START_SECONDS = 30


def test_the_linter_finds_nothing_in_the_containerfile() -> None:
    assert _linted((DEPLOY / "Containerfile").read_text()) == ""
    # The linter does find things.
    assert "DL3007" in _linted("FROM docker.io/library/debian:latest\n")


def _linted(text: str) -> str:
    hadolint = str(Path(sys.executable).with_name("hadolint"))
    done = subprocess.run([hadolint, "--no-color", "-"], input=text, text=True, capture_output=True, check=False)
    return done.stdout + done.stderr


def _instructions() -> list[tuple[str, str]]:
    """Returns the instructions of the Containerfile with their arguments."""
    lines = [line for line in (DEPLOY / "Containerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    parts = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(word, rest) for word, rest in parts]


def test_the_image_runs_as_a_user_with_a_volume_and_says_what_it_is() -> None:
    instructions = _instructions()
    last = max(at for at, (word, _) in enumerate(instructions) if word == "FROM")
    image = dict(instructions[last + 1 :])
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", image["USER"])
    assert image["VOLUME"] == image["WORKDIR"] == "/var/lib/kombo"
    assert image["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(image["ENTRYPOINT"]) == [INSTALLED]
    assert run([BINARY, *json.loads(image["CMD"]), "--help"]).code == 0
    labels = dict(word.split("=", 1) for word in shlex.split(image["LABEL"]))
    own = {name.removeprefix("org.opencontainers.image."): text for name, text in labels.items()}
    assert own["version"] == CARGO["version"]
    assert own["source"] == CARGO["repository"]
    assert own["licenses"] == CARGO["license"]
    assert own["revision"] == "${KOMBO_BUILD_COMMIT}"


def test_the_builder_has_the_least_rust_and_the_base_the_same_debian() -> None:
    images = dict(rest.split("=") for word, rest in _instructions() if word == "ARG" and "=" in rest)
    rust, _, release = images["RUST"].rpartition(":")[2].partition("-")
    assert rust == CARGO["rust-version"]
    # A binary does not run with an older C library than the one that it was built with.
    assert images["BASE"] == f"docker.io/library/debian:{release}-slim"


def test_the_context_of_the_image_has_what_cargo_needs_and_no_secret() -> None:
    lines = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "*"
    let_in = [line[1:] for line in lines if line.startswith("!")]
    assert [name for name in let_in if not (ROOT / name).exists()] == []
    command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version=1"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    (package,) = json.loads(printed)["packages"]
    for target in package["targets"]:
        path = Path(target["src_path"]).relative_to(ROOT)
        assert any(path.is_relative_to(name) for name in let_in), f"cargo does not find {path}"
    for name in ("target", "deploy/secrets", ".git", "demo-lake", "kombo-data"):
        assert not any(Path(name).is_relative_to(one) for one in let_in), name


def test_the_configuration_of_the_container_serves_webhooks_health_and_metrics(tmp_path: Path) -> None:
    ports = {8080: free_port(), 8686: free_port()}
    text = (DEPLOY / "config" / "kombo.yaml").read_text()
    text = text.replace("    region: eu\n", f"    endpoint: http://127.0.0.1:{free_port()}/v1\n")
    for old, new in (("/var/lib/kombo", tmp_path / "state"), ("/run/secrets", tmp_path)):
        assert f" {old}/" in text
        text = text.replace(f" {old}/", f" {new}/")
    for inside, outside in ports.items():
        assert f'"0.0.0.0:{inside}"' in text
        text = text.replace(f'"0.0.0.0:{inside}"', f'"127.0.0.1:{outside}"')
    (tmp_path / "kombo.yaml").write_text(text)
    for name in ("api_key", "webhook_secret"):
        (tmp_path / name).write_text(SECRET)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "state").mkdir(mode=0o700)
    environment = {"PATH": os.environ["PATH"], "KOMBO_CONFIG": str(tmp_path / "kombo.yaml"), "KOMBO_LOG_FORMAT": "json"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        service = subprocess.Popen([BINARY, "run"], env=environment, stderr=output, cwd=tmp_path)
    try:
        _until(lambda: _asked(ports[8686], "/live") == 200, log)
        health = dict(_instructions())["HEALTHCHECK"]
        url = urlsplit(json.loads(health.partition("CMD ")[2])[-1])
        assert (url.hostname, url.port) == ("127.0.0.1", 8686)
        assert _asked(ports[8686], url.path) == 200
        # Prometheus asks by the name of the service.
        assert _asked(ports[8686], "/metrics", host="kombo-source:8686") == 200
        assert _asked(ports[8080], "/webhooks/kombo", body="{}") == 401
        service.send_signal(signal.SIGTERM)
        assert service.wait(START_SECONDS) == 0
    finally:
        service.kill()
        service.wait()
    assert all(json.loads(line)["message"] for line in log.read_text().splitlines())


def _asked(port: int, path: str, *, host: str = "127.0.0.1", body: str | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST" if body else "GET", path, body, {"Host": host})
    status = connection.getresponse().status
    connection.close()
    return status


def _until(is_so: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if is_so():
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.05)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Returns a folder with the unit and its drop-in, in which the program has its place on this machine."""
    (tmp_path / "kombo-source.service.d").mkdir()
    text = UNIT.read_text()
    assert f"ExecStart={INSTALLED} " in text
    (tmp_path / UNIT.name).write_text(text.replace(INSTALLED, str(Path(BINARY).resolve())))
    drop_in = (DEPLOY / "credentials.conf").read_text()
    (tmp_path / "kombo-source.service.d" / "credentials.conf").write_text(drop_in)
    return tmp_path


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["systemd-analyze", *arguments], text=True, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.fail("systemd-analyze is missing; install Debian's package `systemd`: it need not run as process 1")


def test_systemd_finds_nothing_in_the_unit_and_its_drop_in(units: Path) -> None:
    unit = units / UNIT.name
    done = _analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    # It does find things, in the drop-in as well.
    (units / "kombo-source.service.d" / "wrong.conf").write_text("[Service]\nProtectSytem=strict\n")
    assert "ProtectSytem" in _analyze("verify", "--man=no", str(unit)).stderr


def test_systemd_calls_the_unit_well_protected(units: Path) -> None:
    done = _analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", str(units / UNIT.name))
    assert done.returncode == 0, done.stdout[-500:]


def _settings(path: Path) -> dict[str, list[str]]:
    """Returns the settings of a unit, each with its values in their order."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_starts_reloads_and_ends_the_program_as_the_program_expects() -> None:
    unit = _settings(UNIT)
    (start,) = unit["ExecStart"]
    assert run([BINARY, *shlex.split(start)[1:], "--help"]).code == 0
    limit = re.search(r"--graceful-shutdown-limit-secs.*?\[default: (\d+)\]", run([BINARY, "run", "--help"]).stdout, re.S)
    assert limit and int(limit[1]) + 10 <= int(unit["TimeoutStopSec"][0])
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert unit["RestartPreventExitStatus"] == ["64 78"]
    # The container has as long.
    assert _compose()["services"]["kombo-source"]["stop_grace_period"] == f"{unit['TimeoutStopSec'][0]}s"


def test_the_drop_in_hands_over_the_secrets_under_the_names_that_it_tells() -> None:
    given = [value.split(":")[0] for value in _settings(DEPLOY / "credentials.conf")["LoadCredential"]]
    told = re.findall(rf"/run/credentials/{UNIT.name}/(\S+)", (DEPLOY / "credentials.conf").read_text())
    assert sorted(given) == sorted(told) == ["api-key", "webhook-secret"]


def _compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_the_packaged_crate_has_what_a_build_reads_and_no_tests() -> None:
    command = ["cargo", "package", "--list", "--allow-dirty", "--offline"]
    packed = set(subprocess.run(command, cwd=ROOT, check=True, text=True, capture_output=True).stdout.split())
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "src", "schemas"], check=True, text=True, capture_output=True
    )
    assert set(tracked.stdout.split()) - packed == set()
    assert {"Cargo.lock", "LICENSE", "README.md", "CHANGELOG.md"} <= packed
    # Whoever packages or links to the crate finds the manual and the unit, but no test, no data of tests, no secret.
    folders = {path.partition("/")[0] for path in packed if "/" in path}
    assert folders == {"deploy", "docs", "examples", "schemas", "src"}
    assert {path for path in packed if path.startswith("deploy/secrets/")} == {"deploy/secrets/.gitignore"}
