"""`reno lane reshard` under load: Durable, Once, Ordered and Resumable while a lane gets more shards and fewer; the command is killed half-way, and so are
nats-server and one of the lane's processors."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from reno.cli.ports import plan_of
from reno.config.cassandra_settings import CassandraSettings
from reno.domain.priority import Priority
from tests.e2e.history import History
from tests.e2e.lane_types import TYPES
from tests.e2e.many import Member
from tests.e2e.running import RunningReno
from tests.e2e.settling import online, pulled, until_all
from tests.e2e.sharing import (
    all_have_news,
    joining_processor,
    shared_out,
    sharing_environment,
    sharing_reno,
)
from tests.e2e.traffic import Backend, Listener

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EVENTS_PER_S = 200
BATCH = 10
MEMBERS = [f"m{number}" for number in range(16)]
PATIENCE_S = 90.0
REPEATED = 20


@pytest.fixture
def environment(tmp_path: Path, cassandra: CassandraSettings) -> dict[str, str]:
    return sharing_environment(tmp_path, cassandra, "e2e_reshard", 4)


@pytest.fixture
def reno(tmp_path: Path, environment: dict[str, str]) -> Iterator[RunningReno]:
    with sharing_reno(tmp_path / "data", environment) as running:
        yield running


@pytest.fixture
def known(reno: RunningReno, environment: dict[str, str]) -> dict[str, str]:
    """With where everything is."""
    return {**environment, **plan_of(reno.state).environment(), "RENO_INBOX__ENGINE": "cassandra"}


@pytest.fixture
def second(tmp_path: Path, known: dict[str, str]) -> Iterator[Member]:
    member = joining_processor(tmp_path, "second", known)
    member.start()
    try:
        yield member
    finally:
        member.kill()


async def reshard(known: Mapping[str, str], shards: int, killed_at: str = "") -> str:
    """What the command said; it is killed when that word comes, and must else succeed."""

    def run() -> str:
        said = []
        began_s = time.monotonic()
        command = [sys.executable, "-m", "reno.cli.main", "lane", "reshard", "high"]
        with subprocess.Popen(
            [*command, "--shards", str(shards), "--patience", str(PATIENCE_S)],
            env={**os.environ, **known},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(f"{time.monotonic() - began_s:6.2f} s  {line}")
                if killed_at and killed_at in line:
                    process.kill()
        text = "".join(said)
        assert (killed_at in text) if killed_at else process.returncode == 0, text
        return text

    return await asyncio.to_thread(run)


async def test_a_lane_gets_more_shards_and_fewer(
    reno: RunningReno, second: Member, known: dict[str, str]
) -> None:
    history = History()
    listeners = {name: Listener(reno.devices, history, name, "tv") for name in MEMBERS}
    logs = [reno.data_dir / "logs" / "processor-high.log", second.log]
    ending = asyncio.Event()
    async with online(listeners.values(), timeout_s=60) as listening:
        backend = Backend(reno.ingestion, history, MEMBERS, TYPES, seed=1)
        publishing = asyncio.create_task(backend.publish_until(ending, EVENTS_PER_S, BATCH))
        await second.ready()

        async def changed(shards: int) -> None:
            """Every device hears of what comes now, and the window knows what came before."""
            began_s, began = time.monotonic(), len(history.receipts)
            old = [one for one in history.receipts if one.priority == Priority.HIGH][-REPEATED:]
            async with asyncio.timeout(PATIENCE_S):
                while not all_have_news(history, listeners, began):
                    assert not publishing.done()
                    await asyncio.sleep(0.05)
            for one in old:
                await backend.repeat(one.member, "plain.high", [one.event_id])
            waited_s = time.monotonic() - began_s
            print(f"\n{shards} shards: {shared_out(logs)}, delivering after {waited_s:.2f} s")

        await reshard(known, 6, killed_at="closed at")
        os.kill(reno.pids["nats"], signal.SIGKILL)
        await reshard(known, 6, killed_at="have begun")
        print(await reshard(known, 6))
        await changed(6)
        second.kill()
        print(await reshard(known, 3))
        second.start()
        await changed(3)
        await second.ready()
        ending.set()
        async with asyncio.timeout(60):
            await publishing
        for name, listener in listeners.items():
            history.pulled[f"{name}/audit"] = await pulled(reno.devices, history, name)
            await until_all(listening, listener.seen, history, name)
    assert {receipt.event_id for receipt in history.receipts} == history.published
    assert history.broken_promises() == []
    assert {name: one.gaps for name, one in listeners.items() if one.gaps} == {}
    assert reno.stop() == 0, reno.said
