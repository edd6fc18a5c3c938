"""Durable, Once, Ordered, Resumable: kill -9 of each role and of nats-server under load loses and repeats nothing."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.history import History
from tests.e2e.lane_types import CATALOGUE, TYPES
from tests.e2e.running import RunningReno, reno_in
from tests.e2e.settling import online, pulled, until_all
from tests.e2e.traffic import Backend, Listener

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SECONDS = 20
EVENTS_PER_S = 1000
BATCH = 20
MEMBERS = [f"m{n}" for n in range(40)]
ONLINE = MEMBERS[:12]
KILL_AT_S = (4.0, 11.0)
VICTIMS = [
    "ingestion",
    "gateway",
    "processor-high",
    "processor-low",
    "presence",
    "nats",
]


@pytest.fixture
def reno(tmp_path: Path) -> Iterator[RunningReno]:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    with reno_in(tmp_path / "data", {"RENO_CATALOGUE": str(catalogue)}) as running:
        yield running


async def kill_twice(reno: RunningReno, victim: str) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    for due in KILL_AT_S:
        await asyncio.sleep(started + due - loop.time())
        pid = reno.pids[victim]
        os.kill(pid, signal.SIGKILL)
        while reno.pids.get(victim) in (pid, None):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("victim", VICTIMS)
async def test_kill_under_load(reno: RunningReno, victim: str) -> None:
    history = History()
    listeners = [Listener(reno.devices, history, member, "tv") for member in ONLINE]
    async with online(listeners, timeout_s=30) as listening:
        backend = Backend(reno.ingestion, history, MEMBERS, TYPES, seed=1)
        await asyncio.gather(
            backend.publish(SECONDS, EVENTS_PER_S, BATCH), kill_twice(reno, victim)
        )
        for member in MEMBERS:
            history.pulled[f"{member}/audit"] = await pulled(reno.devices, history, member)
        for listener, member in zip(listeners, ONLINE, strict=True):
            await until_all(listening, listener.seen, history, member)
    assert len(history.receipts) == SECONDS * EVENTS_PER_S
    assert history.broken_promises() == []
