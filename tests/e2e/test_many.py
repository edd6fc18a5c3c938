"""Durable, Once, Ordered, Resumable: many of each role on a cluster of three log servers; everything is restarted, one by one, under load."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.history import Arrival, History
from tests.e2e.many import Many
from tests.e2e.traffic import Backend, Listener, arrival, pull_all
from tests.servers.nats_cluster import NatsCluster, nats_cluster_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EVENTS_PER_S = 250
"""Of each backend; there is one for each door."""

BATCH = 10
MEMBERS = [[f"m{door}-{n}" for n in range(12)] for door in range(2)]
ONLINE = 5
"""Of each door's members."""

SHARDS = 2
TYPES = ["many.high", "many.medium", "many.low"]
CATALOGUE = "\n".join(
    f'["{name}"]\npriority = "{name.partition(".")[2]}"\nmax_age = "1h"\nttl = "1d"\naction = "act"'
    for name in TYPES
)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NatsCluster]:
    with nats_cluster_in(tmp_path / "nats") as cluster:
        yield cluster


@pytest.fixture
async def many(tmp_path: Path, cluster: NatsCluster) -> AsyncIterator[Many]:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    log = cluster.settings()
    started = Many(
        tmp_path,
        {
            "RENO_CATALOGUE": str(catalogue),
            "RENO_LOG__SERVERS": json.dumps(log.servers),
            "RENO_LOG__MONITOR_URLS": json.dumps(log.monitor_urls),
            "RENO_LOG__REPLICAS": str(log.replicas),
            "RENO_LOG__SHARDS": str(SHARDS),
            "RENO_LOG__MAX_BYTES_HIGH": str(log.max_bytes_high),
            "RENO_LOG__MAX_BYTES_MEDIUM": str(log.max_bytes_medium),
            "RENO_LOG__MAX_BYTES_LOW": str(log.max_bytes_low),
        },
    )
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
    online = [member for members in MEMBERS for member in members[:ONLINE]]
    listeners = {
        member: Listener(ways[n % 2], history, member, "tv") for n, member in enumerate(online)
    }
    listening = [asyncio.create_task(one.listen()) for one in listeners.values()]
    ending = asyncio.Event()
    try:
        async with asyncio.timeout(30):
            await asyncio.gather(*(one.caught_up.wait() for one in listeners.values()))
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
            await until_all(listening, listener.seen, accepted(history, member))
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
    assert len(history.receipts) == len(history.published)
    assert history.broken_promises() == []


def accepted(history: History, member: str) -> set[str]:
    return {receipt.event_id for receipt in history.receipts if receipt.member == member}


async def pulled(way: str, history: History, member: str) -> list[Arrival]:
    """Until everything accepted is there; then whatever is wrong is the checker's to say."""
    wanted = accepted(history, member)
    for _ in range(60):
        seen = [arrival(member, one) for one in await pull_all(way, member, "audit")]
        if wanted <= {one.event_id for one in seen}:
            break
        await asyncio.sleep(0.5)
    return seen


async def until_all(
    listening: list[asyncio.Task[None]], seen: list[Arrival], wanted: set[str]
) -> None:
    """Longer than the interval at which every session looks by itself: what is missing then is lost."""
    for _ in range(450):
        failed = [task for task in listening if task.done()]
        assert not failed, failed[0].exception()
        if wanted <= {one.event_id for one in seen}:
            return
        await asyncio.sleep(0.1)
