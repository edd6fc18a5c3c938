"""Durable, Once, Ordered, Resumable: kill -9 of each role and of nats-server under load loses and repeats nothing."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.history import Arrival, History
from tests.e2e.running import RunningReno, reno_in
from tests.e2e.traffic import Backend, Listener, arrival, pull_all

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SECONDS = 14
EVENTS_PER_S = 1000
BATCH = 20
MEMBERS = [f"m{n}" for n in range(40)]
ONLINE = MEMBERS[:12]
KILL_AT_S = (3.0, 8.0)
TYPES = ["kill.high", "kill.medium", "kill.low"]
CATALOGUE = "\n".join(
    f'["{name}"]\npriority = "{name.partition(".")[2]}"\nmax_age = "1h"\nttl = "1d"\naction = "act"'
    for name in TYPES
)
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
    listening = [asyncio.create_task(one.listen()) for one in listeners]
    try:
        await asyncio.wait_for(asyncio.gather(*(one.caught_up.wait() for one in listeners)), 30)
        backend = Backend(reno.ingestion, history, MEMBERS, TYPES, seed=1)
        await asyncio.gather(
            backend.publish(SECONDS, EVENTS_PER_S, BATCH), kill_twice(reno, victim)
        )
        for member in MEMBERS:
            history.pulled[f"{member}/audit"] = await pulled(reno, history, member)
        for listener, member in zip(listeners, ONLINE, strict=True):
            await until_all(listening, listener.seen, history, member)
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
    assert len(history.receipts) == SECONDS * EVENTS_PER_S
    assert history.broken_promises() == []


def accepted(history: History, member: str) -> set[str]:
    return {receipt.event_id for receipt in history.receipts if receipt.member == member}


async def pulled(reno: RunningReno, history: History, member: str) -> list[Arrival]:
    """Pulls from the start until everything accepted is there; then whatever is wrong is the checker's to say."""
    wanted = accepted(history, member)
    for _ in range(60):
        seen = [arrival(member, one) for one in await pull_all(reno.devices, member, "audit")]
        if wanted <= {one.event_id for one in seen}:
            break
        await asyncio.sleep(0.5)
    return seen


async def until_all(
    listening: list[asyncio.Task[None]], seen: list[Arrival], history: History, member: str
) -> None:
    """Longer than the interval at which every session looks by itself: what is missing then is lost."""
    wanted = accepted(history, member)
    for _ in range(450):
        failed = [task for task in listening if task.done()]
        assert not failed, failed[0].exception()
        if wanted <= {one.event_id for one in seen}:
            return
        await asyncio.sleep(0.1)
