"""`reno up --inbox cassandra`: Durable, Once, Ordered, Isolated, Resumable while a lane's processors share its shards; two join, one is killed, one is frozen
and goes on later, all under load."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from reno.cli.ports import plan_of
from reno.config.cassandra_settings import CassandraSettings
from reno.domain.member import member_key, shard_of
from reno.domain.shard_set import parse_shards
from tests.e2e.history import History
from tests.e2e.lane_types import TYPES
from tests.e2e.many import Member
from tests.e2e.running import RunningReno, reno_command
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

SHARDS = 8
EVENTS_PER_S = 300
BATCH = 10
PATIENCE_S = 90.0
FIRST = "processor-high"
"""The one that `reno up` runs."""


@pytest.fixture
def environment(tmp_path: Path, cassandra: CassandraSettings) -> dict[str, str]:
    return sharing_environment(tmp_path, cassandra, "e2e_sharing", SHARDS)


@pytest.fixture
def reno(tmp_path: Path, environment: dict[str, str]) -> Iterator[RunningReno]:
    with sharing_reno(tmp_path / "data", environment) as running:
        yield running


@pytest.fixture
def joining(
    tmp_path: Path, reno: RunningReno, environment: dict[str, str]
) -> Iterator[list[Member]]:
    """Two more processors of the lane, not started yet."""
    found = plan_of(reno.state).environment()
    known = {**environment, **found}
    made = [joining_processor(tmp_path, f"joining-{number}", known) for number in range(2)]
    try:
        yield made
    finally:
        for member in made:
            member.kill()


def members() -> list[str]:
    """Two of each shard."""
    found: dict[int, list[str]] = {number: [] for number in range(SHARDS)}
    for name in (f"m{n}" for n in range(1000)):
        of_shard = found[shard_of(member_key("", name), SHARDS)]
        if len(of_shard) < 2:
            of_shard.append(name)
    return [name for names in found.values() for name in names]


def share(log: Path) -> frozenset[int]:
    """What a processor said last that it has."""
    (mine,) = shared_out([log])
    return (parse_shards(mine).numbers or frozenset()) if mine else frozenset()


@dataclass
class Watch:
    """Sees when shards have moved, and when every member's device hears of what is published again."""

    history: History
    listeners: Mapping[str, Listener]

    async def moves(self, what: str, logs: Sequence[Path]) -> None:
        """Until these processors have every shard once, and devices have got something that was accepted since. Prints how long both took."""
        began_s, began = time.monotonic(), len(self.history.receipts)
        async with asyncio.timeout(PATIENCE_S):
            while sorted(n for log in logs for n in share(log)) != list(range(SHARDS)):
                await asyncio.sleep(0.05)
            moved_s = time.monotonic() - began_s
            while not all_have_news(self.history, self.listeners, began):
                await asyncio.sleep(0.05)
        shares = " + ".join(str(len(share(log))) for log in logs)
        delivered_s = time.monotonic() - began_s
        print(f"\n{what}: {shares} shards after {moved_s:.2f} s, delivering {delivered_s:.2f} s")


async def test_shards_move_to_who_is_there(
    reno: RunningReno, joining: list[Member], environment: dict[str, str]
) -> None:
    history = History()
    names = members()
    listeners = {name: Listener(reno.devices, history, name, "tv") for name in names}
    first = reno.data_dir / "logs" / f"{FIRST}.log"
    second, third = joining
    watch = Watch(history, listeners)
    ending = asyncio.Event()
    async with online(listeners.values(), timeout_s=60) as listening:
        backend = Backend(reno.ingestion, history, names, TYPES, seed=1)
        publishing = asyncio.create_task(backend.publish_until(ending, EVENTS_PER_S, BATCH))
        second.start()
        await second.ready()
        await watch.moves("a second one is ready", [first, second.log])
        third.start()
        await third.ready()
        await watch.moves("a third one is ready", [first, second.log, third.log])
        second.kill()
        await watch.moves("the second one is killed", [first, third.log])
        assert third.process is not None
        third.process.send_signal(signal.SIGSTOP)
        await watch.moves("the third one is frozen", [first])
        third.process.send_signal(signal.SIGCONT)
        await watch.moves("the third one goes on", [first, third.log])
        await third.stop()
        await watch.moves("the third one is stopped", [first])
        ending.set()
        async with asyncio.timeout(60):
            await publishing
        for name, listener in listeners.items():
            history.pulled[f"{name}/audit"] = await pulled(reno.devices, history, name)
            await until_all(listening, listener.seen, history, name)
    assert len(history.receipts) == len(history.published)
    assert history.broken_promises() == []
    assert not (reno.data_dir / "inbox").exists()

    asked = ("doctor", "--data", str(reno.data_dir), "--json")
    code, said = reno_command(environment, *asked)
    checks = {(check := json.loads(line))["name"]: check for line in said.splitlines()}
    assert (code, checks["cassandra"]["health"]) == (0, "ok"), said
    assert "commitlog_sync group" in checks["cassandra"]["found"]
    assert reno.stop() == 0, reno.said
