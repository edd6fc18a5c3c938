"""Durable, Once, Ordered, Resumable: many of each role on a cluster of three log servers; everything is restarted, one by one, under load."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.history import History
from tests.e2e.lane_types import CATALOGUE, TYPES
from tests.e2e.many import Many, log_environment
from tests.e2e.settling import online, pulled, until_all
from tests.e2e.traffic import Backend, Listener
from tests.servers.nats_cluster import NatsCluster, nats_cluster_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EVENTS_PER_S = 250
"""Of each backend; there is one for each door."""

BATCH = 10
MEMBERS = [[f"m{door}-{n}" for n in range(12)] for door in range(2)]
ONLINE = 5
"""Of each door's members."""

SHARDS = 2


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NatsCluster]:
    with nats_cluster_in(tmp_path / "nats") as cluster:
        yield cluster


@pytest.fixture
async def many(tmp_path: Path, cluster: NatsCluster) -> AsyncIterator[Many]:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    log = log_environment(cluster.settings(), SHARDS)
    started = Many(tmp_path, {"RENO_CATALOGUE": str(catalogue), **log})
    try:
        await started.start()
        yield started
    finally:
        started.kill()


async def restart_everything(many: Many, cluster: NatsCluster) -> None:
    for member in many.members:
        await many.restart(member)
    for server in cluster.servers:
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(cluster.wait_whole)


async def test_a_rolling_restart_of_everything_loses_nothing(
    many: Many, cluster: NatsCluster
) -> None:
    history = History()
    # Either gateway, whichever is there: the one that a device was at goes away once.
    ways = [f"ipv4:{','.join(many.gateways[turn:] + many.gateways[:turn])}" for turn in range(2)]
    watched = [member for members in MEMBERS for member in members[:ONLINE]]
    listeners = {
        member: Listener(ways[n % 2], history, member, "tv") for n, member in enumerate(watched)
    }
    ending = asyncio.Event()
    async with online(listeners.values(), timeout_s=30) as listening:
        backends = [
            Backend(door, history, members, TYPES, seed=n)
            for n, (door, members) in enumerate(zip(many.doors, MEMBERS, strict=True))
        ]
        publishing = [
            asyncio.create_task(backend.publish_until(ending, EVENTS_PER_S, BATCH))
            for backend in backends
        ]
        await restart_everything(many, cluster)
        ending.set()
        async with asyncio.timeout(60):
            await asyncio.gather(*publishing)
        for n, member in enumerate(member for members in MEMBERS for member in members):
            history.pulled[f"{member}/audit"] = await pulled(ways[n % 2], history, member)
        for member, listener in listeners.items():
            await until_all(listening, listener.seen, history, member)
    assert len(history.receipts) == len(history.published)
    assert history.broken_promises() == []
