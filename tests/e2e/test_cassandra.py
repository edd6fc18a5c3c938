"""`reno up --inbox cassandra`: Durable, Once, Ordered, Resumable over a processor's kill -9; and the commands that go with it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reno.config.cassandra_settings import CassandraSettings
from tests.e2e.history import History
from tests.e2e.lane_types import CATALOGUE, TYPES
from tests.e2e.running import RunningReno, end_reno, start_reno
from tests.e2e.settling import online, pulled, until_all
from tests.e2e.traffic import Backend, Listener

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SECONDS = 8
EVENTS_PER_S = 400
BATCH = 20
MEMBERS = [f"m{n}" for n in range(20)]
ONLINE = MEMBERS[:6]
KILL_AT_S = 3.0
CHANGES = ["0001_inbox.cql", "0002_moves.cql"]


@pytest.fixture
def environment(tmp_path: Path, cassandra: CassandraSettings) -> dict[str, str]:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    return {
        "RENO_CATALOGUE": str(catalogue),
        "RENO_INBOX__CONTACT_POINTS": json.dumps(cassandra.contact_points),
        "RENO_INBOX__REQUEST_TIMEOUT_S": "5",
        "RENO_INBOX__KEYSPACE": "e2e",
        # On a busy machine a role may be silent; here only the test kills.
        "RENO_SUPERVISOR__SILENT_AFTER_S": "120",
    }


@pytest.fixture
def reno(tmp_path: Path, environment: dict[str, str]) -> Iterator[RunningReno]:
    running = start_reno(tmp_path / "data", "--inbox", "cassandra", environment=environment)
    try:
        yield running
    finally:
        end_reno(running)


def command(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "reno.cli.main", *arguments],
        env={**os.environ, "RENO_INBOX__ENGINE": "cassandra", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


async def kill(reno: RunningReno, victim: str) -> None:
    await asyncio.sleep(KILL_AT_S)
    pid = reno.pids[victim]
    os.kill(pid, signal.SIGKILL)
    while reno.pids.get(victim) in (pid, None):
        await asyncio.sleep(0.05)


async def test_publish_push_pull_and_a_processors_kill(
    reno: RunningReno, environment: dict[str, str]
) -> None:
    history = History()
    listeners = [Listener(reno.devices, history, member, "tv") for member in ONLINE]
    async with online(listeners, timeout_s=60) as listening:
        backend = Backend(reno.ingestion, history, MEMBERS, TYPES, seed=1)
        await asyncio.gather(
            backend.publish(SECONDS, EVENTS_PER_S, BATCH), kill(reno, "processor-high")
        )
        for member in MEMBERS:
            history.pulled[f"{member}/audit"] = await pulled(reno.devices, history, member)
        for listener, member in zip(listeners, ONLINE, strict=True):
            await until_all(listening, listener.seen, history, member)
    assert len(history.receipts) == SECONDS * EVENTS_PER_S
    assert history.broken_promises() == []
    assert not (reno.data_dir / "inbox").exists()

    code, said = command(environment, "doctor", "--data", str(reno.data_dir), "--json")
    checks = {(check := json.loads(line))["name"]: check for line in said.splitlines()}
    assert (code, checks["cassandra"]["health"]) == (0, "ok"), said
    assert "commitlog_sync group" in checks["cassandra"]["found"]
    assert reno.stop() == 0, reno.said


def test_the_schema_is_applied_once_and_said(environment: dict[str, str]) -> None:
    environment["RENO_INBOX__KEYSPACE"] = "schema_test"
    code, said = command(environment, "schema", "status")
    assert (code, said) == (1, "".join(f"pending  {name}\n" for name in CHANGES))
    code, said = command(environment, "doctor", "--json")
    (check,) = [one for one in map(json.loads, said.splitlines()) if one["name"] == "cassandra"]
    assert (code, check["health"], check["advice"]) == (1, "fail", "reno schema apply")
    assert command(environment, "schema", "apply") == (
        0,
        "".join(f"applied {name}\n" for name in CHANGES),
    )
    assert command(environment, "schema", "apply") == (0, "keyspace schema_test is up to date\n")
    code, said = command(environment, "schema", "status", "--json")
    applied = [{"change": name, "state": "applied"} for name in CHANGES]
    assert (code, [json.loads(line) for line in said.splitlines()]) == (0, applied)


def test_no_cassandra_is_said_without_a_traceback(tmp_path: Path) -> None:
    nowhere = {"RENO_INBOX__CONTACT_POINTS": '["127.0.0.1:1"]'}
    for arguments in (("schema", "apply"), ("up", "--ports", "0", "--data", str(tmp_path / "d"))):
        code, said = command(nowhere, *arguments)
        assert (code, said) == (69, "reno: no Cassandra answers at 127.0.0.1:1\n")
