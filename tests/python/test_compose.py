"""Tests deploy/compose.yaml: its form by a strict reader, and that the files that it joins fit each other."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from pages import ROOT
from product import BINARY, run

DEPLOY = ROOT / "deploy"
PROGRAM = "kombo-source"


@pytest.fixture(scope="module")
def compose() -> Any:
    """Returns the compose file, once the reader has found nothing wrong with it."""
    read = PyCompose.from_yaml((DEPLOY / "compose.yaml").read_text())
    read.validate()
    return read.to_dict()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("restart: unless-stopped", "restrat: unless-stopped"),
        ('"127.0.0.1:8080:8080"', '"127.0.0.1:8080:http"'),
        ("secrets: [api_key,", "secrets: [kombo_key,"),
        ("stop_grace_period: 80s", "stop_grace_period: long"),
    ],
)
def test_the_reader_finds_what_is_wrong(right: str, wrong: str) -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert right in text
    with pytest.raises(ValueError):
        PyCompose.from_yaml(text.replace(right, wrong, 1)).validate()


def test_every_file_exists_and_secrets_stay_out_of_git(compose: Any) -> None:
    named = [bind for service in compose["services"].values() for bind in _binds(service)]
    assert named
    for service in compose["services"].values():
        if build := service.get("build"):
            named += [build["context"], f"{build['context']}/{build['dockerfile']}"]
    assert [name for name in named if not (DEPLOY / name).exists()] == []
    for secret in compose["secrets"].values():
        path = Path(secret["file"])
        assert (DEPLOY / path).parent.is_dir(), path
        ignored = ["git", "-C", str(ROOT), "check-ignore", "--quiet", str(DEPLOY / path)]
        assert subprocess.run(ignored, check=False).returncode == 0, f"git does not ignore {path}"


def test_nothing_is_open_to_other_machines_and_no_service_has_rights_to_lose(compose: Any) -> None:
    for name, service in compose["services"].items():
        for port in service.get("ports", ()):
            assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), f"{name} publishes {port}"
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "pid", "cap_add", "devices"} & set(service), name
        assert service.get("network_mode", "none") == "none", name
        # No log fills the disk.
        assert service["logging"]["options"]["max-size"], name


def test_every_volume_is_declared(compose: Any) -> None:
    volumes = [volume for service in compose["services"].values() for volume in service.get("volumes", ())]
    named = {volume.split(":")[0] for volume in volumes if not volume.startswith(".")}
    assert named == set(compose["volumes"])


def test_no_secret_stands_in_a_variable(compose: Any) -> None:
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search("KEY|SECRET|PASSWORD|TOKEN", variable):
                assert str(value).startswith("/run/secrets/"), f"{name}: {variable}"
                assert str(value).rpartition("/")[2] in service["secrets"]


def test_images_of_others_have_a_version(compose: Any) -> None:
    for name, service in compose["services"].items():
        if "build" not in service:
            assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name


def test_the_service_s_configuration_fits_its_volumes_secrets_and_ports(compose: Any) -> None:
    service = compose["services"][PROGRAM]
    (folder,) = _binds(service)
    settings = yaml.safe_load((DEPLOY / folder / "kombo.yaml").read_text())
    source, sink = settings["sources"]["kombo"], settings["sinks"]["lake"]
    published = {int(port.rpartition(":")[2]) for port in service["ports"]}
    addresses = [settings["api"]["address"], source["webhook"]["address"]]
    assert {int(address.rpartition(":")[2]) for address in addresses} == published
    mounts = [volume.split(":")[1] for volume in service["volumes"]]
    for path in (settings["data_dir"], sink["url"]):
        assert any(Path(path).is_relative_to(mount) for mount in mounts), path
    secrets = {source["api_key_file"], source["webhook"]["secret_file"]}
    assert secrets == {f"/run/secrets/{name}" for name in service["secrets"]}


def test_prometheus_and_grafana_find_the_service_its_rules_and_its_dashboard(compose: Any) -> None:
    services = compose["services"]
    written = {file: _printed(verb) for verb, file in _writes(compose).items()}
    prometheus = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    (job,) = prometheus["scrape_configs"]
    settings = yaml.safe_load((DEPLOY / "config" / "kombo.yaml").read_text())
    port = settings["api"]["address"].rpartition(":")[2]
    assert [one["targets"] for one in job["static_configs"]] == [[f"{PROGRAM}:{port}"]]
    rules = [written[file] for file in prometheus["rule_files"]]
    assert rules and all(yaml.safe_load(text)["groups"] for text in rules)
    assert set(re.findall(r'job="([^"]*)"', "".join(rules))) <= {job["job_name"]}
    provider = yaml.safe_load((DEPLOY / "grafana/dashboards/kombo-source.yaml").read_text())["providers"][0]
    (dashboard,) = (text for file, text in written.items() if file.endswith(".json"))
    assert provider["options"]["path"] in {str(Path(file).parent) for file in written}
    kinds = {one["query"] for one in json.loads(dashboard)["templating"]["list"] if one["type"] == "datasource"}
    source = yaml.safe_load((DEPLOY / "grafana/datasources/prometheus.yaml").read_text())["datasources"][0]
    assert kinds == {source["type"]}
    (published,) = services["prometheus"]["ports"]
    assert source["url"] == f"http://prometheus:{published.rpartition(':')[2]}"
    for reader in ("prometheus", "grafana"):
        assert "observed:/observed:ro" in services[reader]["volumes"]
        # Otherwise the first start finds no files.
        assert services[reader]["depends_on"]["observed"]["condition"] == "service_completed_successfully"


def _binds(service: Any) -> list[str]:
    """Returns the paths of the host that a service sees, without those of secrets."""
    sources = [volume.split(":")[0] for volume in service.get("volumes", ())]
    return [source for source in sources if source.startswith(".")]


def _writes(compose: Any) -> dict[str, str]:
    """Returns which verb of the program writes which file for the others."""
    (script,) = compose["services"]["observed"]["command"]
    return dict(re.findall(rf"{PROGRAM} (\w+) > (\S+?\.\w+)", script))


def _printed(verb: str) -> str:
    outcome = run([BINARY, verb])
    assert outcome.code == 0, outcome.text
    return outcome.stdout
