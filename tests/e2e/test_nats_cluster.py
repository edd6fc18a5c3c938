"""Durable, Ordered: a log of three real servers goes on while one of them is dead, frozen or cut off, and says of every attempt what became of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_log_reader import NatsLogReader
from reno.adapters.nats_log_writer import NatsLogWriter
from reno.adapters.nats_server import are_synced
from reno.config.settings import LogSettings
from reno.domain.priority import Priority
from reno.ports import LogAbsent, LogRecord, LogUnconfirmed
from tests.reno.adapters.log_contract import (
    HIGH_0,
    HIGH_1,
    append_until_confirmed,
    eventually,
    taken,
)
from tests.servers.nats import NatsProcess, connected
from tests.servers.nats_cluster import NatsCluster, nats_cluster

__all__ = ["nats_cluster"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

STREAM = "RENO_HIGH"
STEP = 40
"""Envelopes before, during and after what is broken."""


@pytest.fixture
async def settings(nats_cluster: NatsCluster) -> LogSettings:
    settings = nats_cluster.settings()
    async with connected(settings) as connection:
        reader = NatsLogReader(connection, settings, 1 << 20)

        async def opened() -> bool:
            # The cluster's leader may not know every other server yet.
            try:
                await reader.open_lane(Priority.HIGH)
            except LogAbsent:
                return False
            return True

        await eventually(opened)
    return settings


def server_of(cluster: NatsCluster, connection: NatsConnection) -> int:
    url = connection.client.connected_url
    assert url is not None
    return next(n for n, proxy in enumerate(cluster.clients) if proxy.port == url.port)


@dataclass
class Said:
    """What single attempts, each with an id of its own, were told."""

    stored: list[bytes] = field(default_factory=list)
    absent: list[bytes] = field(default_factory=list)
    unconfirmed: list[bytes] = field(default_factory=list)

    async def attempt(self, writer: NatsLogWriter, name: str) -> None:
        """Until cancelled."""
        number = 0
        while True:
            number += 1
            payload = f"{name}-{number}".encode()
            try:
                await writer.append(HIGH_1, payload, payload.decode(), 0.5)
            except LogAbsent:
                self.absent.append(payload)
            except LogUnconfirmed:
                self.unconfirmed.append(payload)
            except asyncio.CancelledError:
                self.unconfirmed.append(payload)
                raise
            else:
                self.stored.append(payload)
            await asyncio.sleep(0.01)


Break = Callable[[NatsCluster, int, int], None]
"""Of a cluster, given the stream's leader and the server that the writer is connected to."""


def kill_leader(cluster: NatsCluster, leader: int, _connected: int) -> None:
    cluster.servers[leader].kill()


def kill_follower(cluster: NatsCluster, leader: int, connected: int) -> None:
    # The one that the writer talks to, where it can be had.
    cluster.servers[connected if connected != leader else (leader + 1) % 3].kill()


def freeze_leader(cluster: NatsCluster, leader: int, _connected: int) -> None:
    cluster.servers[leader].freeze()


def isolate_leader(cluster: NatsCluster, leader: int, _connected: int) -> None:
    cluster.isolate(leader)


def isolate_the_writers_server(cluster: NatsCluster, _leader: int, connected: int) -> None:
    cluster.isolate(connected)


def cut_clients(cluster: NatsCluster, _leader: int, connected: int) -> None:
    cluster.clients[connected].cut()


def half_open_clients(cluster: NatsCluster, _leader: int, connected: int) -> None:
    cluster.clients[connected].half_open()


def slow_routes(cluster: NatsCluster, _leader: int, _connected: int) -> None:
    for proxy in cluster.routes.values():
        proxy.slow(0.02)


BREAKS: list[Break] = [
    kill_leader,
    kill_follower,
    freeze_leader,
    isolate_leader,
    isolate_the_writers_server,
    cut_clients,
    half_open_clients,
    slow_routes,
]


def mend(cluster: NatsCluster) -> None:
    for server in cluster.servers:
        if server.is_running:
            server.thaw()
        else:
            server.launch()
    cluster.mend()


@pytest.mark.parametrize("break_it", BREAKS, ids=lambda each: each.__name__)
async def test_durable_and_ordered_while_a_server_is_lost(
    nats_cluster: NatsCluster, settings: LogSettings, break_it: Break
) -> None:
    async with connected(settings) as connection, connected(settings) as reading_connection:
        writer = NatsLogWriter(connection)
        reader = NatsLogReader(reading_connection, settings, 1 << 20)
        name = f"e{time.time_ns()}"
        # The break before may have left no leader for a moment.
        first = await append_until_confirmed(writer, HIGH_0, f"before-{name}".encode()) + 1
        expected = [f"{name}-{number}".encode() for number in range(3 * STEP)]
        seen: list[LogRecord] = []
        said = Said()

        async def read() -> None:
            reading = reader.read(HIGH_0, first)
            async with aclosing(reading):  # type: ignore[type-var]
                async for batch in reading:
                    seen.extend(batch)

        async def write(payloads: list[bytes]) -> list[int]:
            return [await append_until_confirmed(writer, HIGH_0, each) for each in payloads]

        async with running(read()), running(said.attempt(writer, f"once-{name}")):
            sequences = await write(expected[:STEP])
            leader = nats_cluster.leader_of(STREAM)
            assert leader is not None
            at = server_of(nats_cluster, connection)
            await asyncio.to_thread(break_it, nats_cluster, leader, at)
            try:
                sequences += await write(expected[STEP : 2 * STEP])
            finally:
                await asyncio.to_thread(mend, nats_cluster)
            sequences += await write(expected[2 * STEP :])

            async def all_seen() -> bool:
                return len({record.payload for record in seen}) >= len(expected)

            await eventually(all_seen)
        # After a break nothing is purged here, so all of it comes again.
        first_seen = {record.sequence: record.payload for record in reversed(seen)}
        assert all(first_seen[record.sequence] == record.payload for record in seen)
        assert list(dict.fromkeys(record.payload for record in seen)) == expected
        assert list(dict.fromkeys(record.sequence for record in seen)) == sequences
        assert sequences == sorted(sequences)
        await judge(said, reader, first, connection)


async def judge(said: Said, reader: NatsLogReader, first: int, connection: NatsConnection) -> None:
    writer = NatsLogWriter(connection)
    last = b"last-%d" % time.time_ns()
    await append_until_confirmed(writer, HIGH_1, last)
    read: dict[int, bytes] = {}
    reading = reader.read(HIGH_1, first)
    async with asyncio.timeout(30), aclosing(reading):  # type: ignore[type-var]
        async for batch in reading:
            # A reading that begins again shows what it has shown.
            assert all(read.get(each.sequence, each.payload) == each.payload for each in batch)
            read.update({record.sequence: record.payload for record in batch})
            if last in read.values():
                break
    kept = list(read.values())
    assert len(kept) == len(set(kept))
    assert [each for each in said.stored if each not in kept] == [], "confirmed, but lost"
    assert [each for each in said.absent if each in kept] == [], "said to be absent, but stored"
    assert [each for each in kept if each in said.stored] == said.stored, "out of order"


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Cancelled at the end; raises what it failed with."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()


async def test_two_of_three_servers_lost_is_said_and_nothing_confirmed_is_lost(
    nats_cluster: NatsCluster, settings: LogSettings
) -> None:
    async with connected(settings) as connection:
        writer = NatsLogWriter(connection)
        reader = NatsLogReader(connection, settings, 1 << 20)
        before = await append_until_confirmed(writer, HIGH_0, b"before-%d" % time.time_ns())
        for server in nats_cluster.servers[:2]:
            server.kill()
        try:
            for number in range(3):
                with pytest.raises((LogAbsent, LogUnconfirmed)):
                    await writer.append(HIGH_0, b"meanwhile", f"meanwhile-{number}", 1.0)
            assert not await are_synced(settings.monitor_urls)
        finally:
            await asyncio.to_thread(mend, nats_cluster)
        after = await append_until_confirmed(writer, HIGH_0, b"after-%d" % time.time_ns())
        records = await taken(reader, HIGH_0, before, 2)
        assert records[0].sequence == before < after


async def test_synced_is_what_no_server_denies_and_most_say(
    nats_cluster: NatsCluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    urls = [server.monitor_url for server in nats_cluster.servers]
    assert await are_synced(urls)
    nobody = NatsProcess(tmp_path_factory.mktemp("nobody")).monitor_url
    assert await are_synced([*urls[:2], nobody])
    assert not await are_synced([urls[0], nobody])
    lazy = NatsProcess(tmp_path_factory.mktemp("lazy"), synced=False)
    await asyncio.to_thread(lazy.start)
    try:
        assert not await are_synced([*urls, lazy.monitor_url])
    finally:
        lazy.kill()
