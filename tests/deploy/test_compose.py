"""deploy/compose.yaml without an engine: what it says fits RENO's settings and itself."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import yaml

from reno.adapters.envoy_config import bootstrap
from reno.adapters.nats_permissions import render_accounts
from reno.domain.priority import LANES
from reno.domain.shard_set import parse_shards
from tests.deploy.environment import drain_s, settings_of
from tests.deploy.services import port_of
from tests.house.tree import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
RENO = {name: one for name, one in SERVICES.items() if "RENO_" in str(one.get("environment", {}))}
ROLES = {name: one for name, one in RENO.items() if one.get("command", [""])[0] == "serve"}
SECONDS = re.compile(r"(\d+)s")


def test_it_has_what_a_small_cluster_has() -> None:
    for start, least in {
        "nats-": 3,
        "cassandra-": 1,
        "presence-": 2,
        "gateway-": 2,
        "ingestion-": 2,
        "envoy": 1,
        **{f"processor-{lane.word}-": 1 for lane in LANES},
    }.items():
        assert sum(name.startswith(start) for name in SERVICES) >= least, start


@pytest.mark.parametrize("name", RENO)
def test_every_setting_is_one_that_reno_knows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings_of(RENO[name]["environment"], monkeypatch)


@pytest.mark.parametrize("name", ROLES)
def test_its_health_is_asked_where_it_answers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(ROLES[name]["environment"], monkeypatch)
    *_, address, service = ROLES[name]["healthcheck"]["test"]
    assert address == f"127.0.0.1:{port_of(service, settings)}"


@pytest.mark.parametrize("name", ROLES)
def test_a_drain_fits_into_its_grace(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    grace = SECONDS.fullmatch(ROLES[name]["stop_grace_period"])
    assert grace is not None
    assert int(grace[1]) > drain_s(settings_of(ROLES[name]["environment"], monkeypatch))


def test_every_shard_has_one_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for lane in LANES:
        owned: list[int] = []
        for name, one in ROLES.items():
            if one["command"][1:] == ["processor", "--priority", lane.word]:
                settings = settings_of(one["environment"], monkeypatch)
                shards = settings.for_lane(lane).log.shards
                has = parse_shards(settings.processor.shards).numbers
                owned += range(shards) if has is None else has
                assert name.startswith(f"processor-{lane.word}-")
        assert sorted(owned) == list(range(shards)), lane


@pytest.mark.parametrize("name", RENO)
def test_every_address_is_a_service_of_the_file(name: str) -> None:
    for variable, value in RENO[name]["environment"].items():
        for host in re.findall(r"([a-z]+(?:-[a-z]+)*-\d+):\d+", str(value)):
            assert host in SERVICES, variable


def test_gateways_are_told_apart() -> None:
    ids = [
        (
            one["environment"]["RENO_GATEWAY__GATEWAY_ID"],
            name,
            one["environment"]["RENO_GATEWAY__ADVERTISE"],
        )
        for name, one in ROLES.items()
        if one["command"] == ["serve", "gateway"]
    ]
    assert all(gateway == name and at == f"{name}:7411" for gateway, name, at in ids)


def test_only_this_host_gets_in() -> None:
    published = [port for one in SERVICES.values() for port in one.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_fills_the_disk_with_its_log(name: str) -> None:
    assert SERVICES[name]["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", [name for name in SERVICES if not name.startswith("cassandra-")])
def test_what_is_ours_may_little(name: str) -> None:
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_its_nats_configuration_is_one(tmp_path: Path) -> None:
    # What the service's entry point does before it starts the server.
    (tmp_path / "nats.conf").write_text((DEPLOY / "nats.conf").read_text("utf-8"), "utf-8")
    (tmp_path / "accounts.conf").write_text(render_accounts(), "utf-8")
    given = SERVICES["nats-1"]["environment"]
    checked = subprocess.run(
        [Path(sys.executable).parent / "nats-server", "-t", "-c", tmp_path / "nats.conf"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **{name: plain(one) for name, one in given.items()}},
    )
    assert checked.returncode == 0, checked.stderr
    assert "sync_interval: always" in (DEPLOY / "nats.conf").read_text("utf-8")


def plain(value: str) -> str:
    """As Compose hands it over where nobody gave the variable."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def test_who_knows_the_log_is_a_user_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = set(re.findall(r'user: "([^"]+)"', render_accounts()))
    for name, one in ROLES.items():
        settings = settings_of(one["environment"], monkeypatch)
        role = one["command"][1]
        if role in {"ingestion", "processor"}:
            assert settings.log.user in made, name
            assert settings.log.user == "-".join((role, *one["command"][3:4])), name
            assert settings.log.password is not None, name


def test_the_image_is_made_of_what_is_there() -> None:
    lines = (DEPLOY / "Dockerfile").read_text("utf-8").splitlines()
    copied = [
        source
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    project = tomlkit.parse((ROOT / "pyproject.toml").read_text("utf-8")).unwrap()
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) <= set(copied)
    assert {"cassandra", "mesh"} <= set(project["project"]["optional-dependencies"])


def test_envoy_takes_what_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = settings_of(SERVICES["envoy"]["environment"], monkeypatch)
    assert "--concurrency $$RENO_MESH__WORKERS" in SERVICES["envoy"]["entrypoint"][-1]
    assert "RENO_MESH__WORKERS" in SERVICES["envoy"]["environment"]
    (tmp_path / "envoy.json").write_text(json.dumps(bootstrap(settings)), "utf-8")
    checked = subprocess.run(
        [
            Path(sys.executable).parent / "envoy",
            *("--mode", "validate", "--base-id", str(os.getpid()), "-c", tmp_path / "envoy.json"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
