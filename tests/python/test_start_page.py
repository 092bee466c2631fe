"""What `docs/start.md` prints works as it is printed, in an empty folder."""

import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
import yaml

from pages import blocks, commands, page, section
from product import BINARY, Outcome, Twin, free_port, run, running, running_twin
from readers import duckdb_with_extensions

EXAMPLE = "personio:CBNMt7dSNCzBdnRTx87dev4E"
START = page("docs/start.md")


def test_the_first_query_and_the_views_read_a_demo_lake(tmp_path: Path) -> None:
    _shell(tmp_path, ["kombo-source demo --rows 50"])
    text = section(START, "2. Query what landed")
    (query,) = blocks(text, "sql")
    rows = duckdb_with_extensions().execute(_here(_without_install(query), tmp_path)).fetchall()
    assert sum(people for _, people in rows) > 20
    for block in blocks(text, "console"):
        _shell(tmp_path, commands(block))


def test_own_data_in_five_steps(tmp_path: Path) -> None:
    text = section(START, "3. Your own data")
    with running_twin("--no-rate-limit", "--now", rows=50) as twin:
        first, second = (commands(block) for block in blocks(text, "console"))
        assert first[0] == "export KOMBO_API_KEY=..."
        integration = twin.of("hris")[0].id
        done = _shell(tmp_path, [line.replace(EXAMPLE, integration) for line in first[1:]], twin)
        assert "1 integration" in done.stdout
        # The file names no integration: the lake knows it.
        _shell(tmp_path, second, twin)


@pytest.mark.timeout(400)
def test_a_service_with_webhooks_on_one_machine(tmp_path: Path) -> None:
    text = section(START, "4. A running service with webhooks, without a Kombo account")
    start_twin, start_service, looks = (commands(block) for block in blocks(text, "console"))
    api, hook, telemetry = free_port(), free_port(), free_port()
    ports = {"8484": str(api), "8080": str(hook), "8686": str(telemetry)}

    def with_ports(line: str) -> str:
        for printed, port in ports.items():
            line = line.replace(f"127.0.0.1:{printed}", f"127.0.0.1:{port}")
        return line

    (settings,) = blocks(text, "yaml")
    config = yaml.safe_load(with_ports(settings))
    config["api"] = {"address": f"127.0.0.1:{telemetry}"}
    (tmp_path / "kombo.yaml").write_text(yaml.safe_dump(config))
    exports, run_service = start_service
    environment = dict(pair.split("=") for pair in exports.removeprefix("export ").split())
    twin_words = with_ports(start_twin[0]).split()[1:]
    log = tmp_path / "service.log"
    with running([BINARY, *twin_words, "--address", f"127.0.0.1:{api}"]), log.open("w") as output:
        service = subprocess.Popen(
            [BINARY, *run_service.split()[1:]],
            env={**os.environ, **environment},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _until(lambda: "committed" in log.read_text(), "something is committed", 120)
            status, drift, health = (with_ports(line) for line in looks)
            _until(lambda: _run(tmp_path, status).code == 0, "status says that all is fresh", 150)
            assert _run(tmp_path, drift).code == 0
            (query,) = blocks(text, "sql")
            _until(lambda: _finds_people(_here(query, tmp_path)), "the query finds people", 120)
            # The first webhook has named a customer. Troubles are looked at every few seconds.
            _until(lambda: _is_well(health.split()[-1]), "nothing is wrong", 30)
        finally:
            service.terminate()
            assert service.wait(timeout=60) == 0, log.read_text()[-3000:]


def _shell(folder: Path, lines: list[str], twin: Twin | None = None) -> Outcome:
    """Runs command lines in one shell, in a folder; each has to succeed. The program is on the PATH."""
    environment = {**os.environ, "PATH": f"{Path(BINARY).parent}:{os.environ['PATH']}"}
    if twin is not None:
        environment |= {"KOMBO_API_KEY": twin.key, "KOMBO_API_URL": twin.url}
    script = "\n".join(["set -eux", f"cd '{folder}'", *lines])
    done = run(["bash", "-c", script], environment)
    assert done.code == 0, done.text[-4000:]
    return done


def _is_well(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except urllib.error.HTTPError:
        return False


def _run(folder: Path, line: str) -> Outcome:
    words = line.split()
    assert words[0] == "kombo-source"
    return run(["env", f"--chdir={folder}", BINARY, *words[1:]])


def _without_install(query: str) -> str:
    """The extension comes from the test's own packages: tests use no network."""
    return query.replace("INSTALL delta; LOAD delta;", "")


def _here(query: str, folder: Path) -> str:
    return re.sub(r"'(demo|twin)-lake/", rf"'{folder}/\1-lake/", query)


def _finds_people(query: str) -> bool:
    """There is no table before the first fold."""
    try:
        return bool(duckdb_with_extensions().execute(query).fetchall())
    except duckdb.Error:
        return False


def _until(holds: Callable[[], bool], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)
