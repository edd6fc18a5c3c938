"""Commands without a server: what they say, and how they end."""

import fcntl
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reno.cli.main import app
from reno.cli.ports import pick_free
from reno.cli.up_files import running_state, write_state

COMMANDS = [
    "up",
    "serve",
    "publish",
    "subscribe",
    "pull",
    "presence",
    "catalogue",
    "config",
    "mesh",
    "doctor",
    "dlq",
]
NOWHERE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("RENO_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def reno(*arguments: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(app, list(arguments), input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_help_names_every_command() -> None:
    result = reno("--help")
    assert result.exit_code == 0
    assert all(command in result.output for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str) -> None:
    assert reno(command, "--help").exit_code == 0


def test_help_imports_no_heavy_library() -> None:
    code = "import sys, reno.cli.main; print([m for m in ('grpc', 'nats', 'pydantic', 'rocksdict') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_wrong_setting_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENO_LOG__SHARDS", "many")
    monkeypatch.setenv("RENO_LOG__REPLICAS", "9")
    result = reno("config", "show")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 2
    assert "log.shards" in result.stderr
    monkeypatch.setenv("RENO_NO_SUCH", "1")
    assert "reno: RENO_NO_SUCH: no such setting" in reno("up").stderr


def test_config_says_where_values_come_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "reno.toml").write_text("[log]\nshards = 2\nreplicas = 3\n")
    monkeypatch.setenv("RENO_LOG__SHARDS", "8")
    shown = json.loads(reno("config", "show", "--json").stdout)
    assert shown["log.shards"] == {"value": 8, "from": "RENO_LOG__SHARDS"}
    assert shown["log.replicas"] == {"value": 3, "from": "reno.toml"}
    assert shown["presence.lease_s"]["from"] == "default"
    assert "log.replicas" in reno("config", "show").stdout


def test_mesh_config_follows_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENO_MESH__GATEWAYS", '["gateways.example:7401"]')
    shown = json.loads(reno("mesh", "config").stdout)
    (devices,) = [one for one in shown["static_resources"]["clusters"] if one["name"] == "devices"]
    assert devices["type"] == "STRICT_DNS"


def test_catalogue_show() -> None:
    shown = json.loads(reno("catalogue", "show", "--json").stdout)
    assert shown["plan.changed"]["max_age"] == "1d"
    assert shown["diagnostic.requested"]["window"] == "1m"
    assert "profile.maturity_changed" in reno("catalogue", "show").stdout


def test_catalogue_check(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    entry = '["a.b"]\npriority = "high"\nmax_age = "1m"\nttl = "1h"\naction = "look"\n'
    good.write_text(entry)
    assert reno("catalogue", "check", str(good)).exit_code == 0
    bad.write_text(entry.replace("1m", "1") + "more = 1\n")
    result = reno("catalogue", "check", str(bad))
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 2
    assert reno("catalogue", "check", str(tmp_path / "none")).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["publish"], 2),
        (["publish", "plan.changed"], 2),
        (["publish", "plan.changed", "--member", "anna", "--payload", "{"], 2),
        (["publish", "plan.changed", "--member", "anna", "--ttl", "5"], 2),
        (["publish", "plan.changed", "--member", "anna", "--occurred-at", "yesterday"], 2),
        (["publish", "--file", "no-such-file"], 2),
        (["publish", "-", "--member", "anna"], 2),
        (["publish", "plan.changed", "--member", "anna", "--source", "two words"], 2),
        (["subscribe", "--member", "", "--device", "tv", "--class", "tv"], 2),
        (["serve", "gateway", "--priority", "high"], 2),
        (["serve", "nobody"], 2),
        (["up", "--ports", "65530"], 2),
        (["up", "--gateways", "2"], 2),
        (["up", "--mesh", "--gateways", "9"], 2),
    ],
)
def test_a_persons_mistake_is_said_without_a_traceback(arguments: list[str], code: int) -> None:
    result = reno(*arguments)
    assert result.exit_code == code
    assert result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["publish", "plan.changed", "--member", "anna", "--ingestion", NOWHERE],
        ["pull", "--member", "a", "--device", "b", "--class", "tv", "--devices", NOWHERE],
        ["presence", "anna", "--presence", NOWHERE],
    ],
)
def test_a_door_that_is_not_there(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reno.cli.doors.CONNECT_TIMEOUT_S", 0.3)
    result = reno(*arguments)
    assert result.exit_code == 69
    assert f"nothing answers at {NOWHERE}" in result.stderr


def test_up_names_a_port_that_is_taken(tmp_path: Path) -> None:
    plan = pick_free()
    with socket.socket() as other:
        other.bind(("127.0.0.1", plan["presence"]))
        other.listen()
        result = reno("up", "--ports", str(plan.base), "--data", str(tmp_path / "data"))
    assert result.exit_code == 1
    assert f"port {plan['presence']} is taken; presence wants to listen there" in result.stderr


def test_a_second_up_on_a_directory_says_who_holds_it(tmp_path: Path) -> None:
    lock = tmp_path / "up.lock"
    lock.write_text("4711\n")
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = reno("up", "--ports", "0", "--data", str(tmp_path))
    assert result.exit_code == 1
    assert "pid 4711" in result.stderr


def test_up_says_that_the_data_directory_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    result = reno("up", "--ports", "0", "--data", str(file))
    assert result.exit_code == 1
    assert "it is a file" in result.stderr


@pytest.mark.parametrize("role", ["ingestion", "gateway", "presence", "processor"])
def test_serve_names_a_port_that_is_taken(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = pick_free()
    monkeypatch.setenv("RENO_PROCESSOR__PRIORITY", "low")
    for name, value in plan.environment().items():
        monkeypatch.setenv(name, value)
    names = {"gateway": "devices", "processor": "inbox-low"}
    with socket.socket() as other:
        other.bind(("127.0.0.1", plan[names.get(role, role)]))
        other.listen()
        # A process of its own: serving sets up logging for good.
        result = subprocess.run(
            [sys.executable, "-m", "reno.cli.main", "serve", role],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"reno: cannot listen on {plan.address(names.get(role, role))}")


@pytest.mark.parametrize("content", [None, b"\xff", b"[", b'["a.b"]\npriority = "urgent"\n'])
def test_serve_names_a_catalogue_that_cannot_be_used(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "catalogue.toml"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("RENO_CATALOGUE", str(file))
    result = reno("serve", "ingestion")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"reno: {file}: ")


def test_doctor_does_not_believe_what_a_killed_up_left_behind(tmp_path: Path) -> None:
    write_state(tmp_path, {"base": 7400, "pid": 4711})
    lock = tmp_path / "up.lock"
    lock.touch()
    assert running_state(tmp_path) is None
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert running_state(tmp_path) == {"base": 7400, "pid": 4711}


def test_doctor_says_ok_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = pick_free()
    for name, value in plan.environment().items():
        monkeypatch.setenv(name, value)
    result = reno("doctor")
    assert result.exit_code == 0, result.stdout
    with socket.socket() as other:
        other.bind(("127.0.0.1", plan["devices"]))
        other.listen()
        monkeypatch.setattr("reno.cli.running_checks.ASK_TIMEOUT_S", 0.5)
        result = reno("doctor", "--json")
    assert result.exit_code == 1
    checks = {check["name"]: check for check in map(json.loads, result.stdout.splitlines())}
    assert checks["devices"]["health"] == "fail"
    assert checks["devices"]["advice"]
    assert checks["presence"]["health"] == "ok"
    monkeypatch.setenv("RENO_LOG__SHARDS", "many")
    result = reno("doctor")
    assert result.exit_code == 1
    assert "log.shards" in result.stdout
