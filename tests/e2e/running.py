"""A real `reno up`: started as a person would, on free ports, with a directory of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reno.config.transport import GRPCIO

STOP_TIMEOUT_S = 60.0
UP = ("-m", "reno.cli.main", "up", "--ports", "0", "--json")
MESH = ("--mesh", "--gateways", "2")
EDGES = {"direct": (), "mesh": MESH, "mesh-grpcio": MESH}
"""The ways in, with the options that make them: the doors themselves, or Envoy in front of them; behind it they are h2's unless they are told to be grpcio's."""


@dataclass
class RunningReno:
    """`ports` by name: ingestion, devices, presence, nats, ... (see reno.cli.ports)."""

    data_dir: Path
    process: subprocess.Popen[str]
    ports: dict[str, int]
    said: list[str]
    """Its lines of JSON so far."""
    reader: threading.Thread

    @property
    def is_mesh(self) -> bool:
        """Envoy stands in front."""
        return "mesh-admin" in self.ports

    def is_draining(self) -> bool:
        return any('"draining"' in line for line in list(self.said))

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]}"

    @property
    def ingestion(self) -> str:
        return self.address("ingestion")

    @property
    def devices(self) -> str:
        return self.address("devices")

    @property
    def presence(self) -> str:
        return self.address("presence")

    @property
    def state(self) -> dict[str, Any]:
        """up.json as it is now."""
        state: dict[str, Any] = json.loads((self.data_dir / "up.json").read_text())
        return state

    @property
    def pids(self) -> dict[str, int]:
        """By child: nats, presence, processor-high, processor-medium, processor-low, gateway, ingestion. A child between two lives is missing."""
        pids: dict[str, int] = self.state["pids"]
        return pids

    def log(self, child: str) -> str:
        return (self.data_dir / "logs" / f"{child}.log").read_text()

    def wait_restarted(self, child: str, old_pid: int, timeout_s: float = 30) -> int:
        """The new pid."""
        wait_for(lambda: self.pids.get(child, old_pid) != old_pid, timeout_s, f"{child} again")
        return self.pids[child]

    def stop(self) -> int:
        """Ctrl-C; the exit code. Asserts that nothing is left running."""
        pids = list(self.pids.values())
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(STOP_TIMEOUT_S)
        assert_gone(pids)
        assert not (self.data_dir / "up.json").exists()
        return code


def start_reno(
    data_dir: Path, *options: str, environment: Mapping[str, str] | None = None
) -> RunningReno:
    """Returns when it is ready; raises AssertionError with what it said when it is not in time. End it with `stop`, and `end_reno` in a finally."""
    process = subprocess.Popen(
        [sys.executable, *UP, "--data", str(data_dir), *options],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        ports = _ready_ports(process.stdout, said, data_dir)
    except BaseException:
        process.kill()
        process.wait(STOP_TIMEOUT_S)
        process.stdout.close()
        raise
    # Read on, or a long test's words would fill the pipe.
    reader = threading.Thread(target=said.extend, args=(process.stdout,))
    reader.start()
    return RunningReno(data_dir, process, ports, said, reader)


def reno_command(environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """A command's exit code and what it said, over Cassandra."""
    done = subprocess.run(
        [sys.executable, "-m", "reno.cli.main", *arguments],
        env={**os.environ, "RENO_INBOX__ENGINE": "cassandra", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def end_reno(reno: RunningReno) -> None:
    """For the end of a test that may have failed half-way; idempotent."""
    if reno.process.poll() is None:
        reno.process.kill()
        reno.process.wait(STOP_TIMEOUT_S)
    reno.reader.join(STOP_TIMEOUT_S)
    if reno.process.stdout is not None:
        reno.process.stdout.close()


@contextmanager
def reno_in(
    data_dir: Path, environment: Mapping[str, str] | None = None, options: Sequence[str] = ()
) -> Iterator[RunningReno]:
    """Left with a drain, which must be clean, unless the test has stopped it."""
    reno = start_reno(data_dir, *options, environment=environment)
    try:
        yield reno
        if reno.process.poll() is None:
            assert reno.stop() == 0, reno.said
    finally:
        end_reno(reno)


def _ready_ports(lines: Iterable[str], said: list[str], data_dir: Path) -> dict[str, int]:
    """It gives up by itself after start_timeout_s: the lines end then."""
    for line in lines:
        said.append(line)
        event = json.loads(line)
        if event["event"] == "ready":
            ports: dict[str, int] = event["ports"]
            return ports
    logs = {path.name: path.read_text()[-2000:] for path in (data_dir / "logs").glob("*.log")}
    raise AssertionError(f"reno up was not ready:\n{''.join(said)}\n{logs}")


@pytest.fixture(scope="session", params=EDGES)
def running_reno(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningReno]:
    """One for the session and each way in: leave it as you found it. Ends with a drain, which must be clean."""
    data_dir = tmp_path_factory.mktemp("reno") / "data"
    doors = ("RENO_GATEWAY__TRANSPORT", "RENO_INGESTION__TRANSPORT")
    told = dict.fromkeys(doors, GRPCIO) if request.param.endswith(GRPCIO) else {}
    with reno_in(data_dir, told, EDGES[request.param]) as reno:
        yield reno


def is_running(pid: int) -> bool:
    """A zombie does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def assert_gone(pids: list[int]) -> None:
    wait_for(lambda: not any(map(is_running, pids)), 5, f"the end of {pids}")


def wait_for(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Raises AssertionError when it does not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.05)
