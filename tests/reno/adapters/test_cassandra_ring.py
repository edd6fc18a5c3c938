"""Three nodes: one that hangs holds nothing up; with one dead the inbox goes on and has lost nothing; with two it says so, and goes on when a majority is back."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from reno.adapters import cassandra_schema
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.cassandra_statements import STORING
from reno.adapters.together import together
from reno.config.cassandra_settings import CassandraSettings
from reno.domain.member import member_key
from reno.errors import Unavailable
from reno.ports import Shard
from tests.reno.adapters.inbox_worlds import (
    LANE,
    World,
    envelope,
    open_cassandra,
    rows_of,
    same_shard,
)
from tests.servers.cassandra_ring import CassandraRing

pytestmark = pytest.mark.timeout(600)

MEMBERS = same_shard(5)
TRY_AGAIN_S = 0.2


class Writer:
    """An owner: each envelope until it is confirmed, one after the other."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.confirmed = 0
        self.refused = 0
        self.stopping = False

    async def run(self) -> None:
        while not self.stopping:
            number = self.confirmed + 1
            rows = [(member, number.to_bytes(4, "big")) for member in MEMBERS for _ in range(3)]
            try:
                await self._world.append(envelope(number, *rows))
            except Unavailable:
                self.refused += 1
                await asyncio.sleep(TRY_AGAIN_S)
            else:
                self.confirmed = number

    async def confirms(self, more: int) -> None:
        """Waits for so many further envelopes."""
        goal = self.confirmed + more
        async with asyncio.timeout(120):
            while self.confirmed < goal:
                await asyncio.sleep(0.05)

    async def is_refused(self) -> None:
        before = self.refused
        async with asyncio.timeout(120):
            while self.refused == before:
                await asyncio.sleep(0.05)


async def read_all(world: World, member: str) -> list[bytes]:
    pages = [await world.read(member)]
    while pages[-1].more:
        pages.append(await world.read(member, pages[-1].through))
    return rows_of(pages)


@pytest.fixture
async def world(cassandra_ring: CassandraRing) -> AsyncIterator[World]:
    settings: CassandraSettings = cassandra_ring.settings()
    async with open_cassandra(settings) as opened:
        yield opened


async def write_with_one_attempt(ring: CassandraRing) -> None:
    """Raises Unavailable where a request waits for a node that hangs: the driver gives that one up with all that it was asked."""
    settings = ring.settings(attempts=1, request_timeout_s=60.0)
    session = CassandraSession(settings, STORING)
    keys = [member_key("", f"m{number}") for number in range(60)]
    await session.read("lane", [int(LANE)])
    ring.nodes[-1].freeze()
    await together(session.write("keep", [key, 9, 1, 10**15, b"x", 3600]) for key in keys)
    await session.close()


async def test_durable_nodes_die_under_load_and_nothing_confirmed_is_lost(
    world: World, cassandra_ring: CassandraRing
) -> None:
    writer = Writer(world)
    writing = asyncio.create_task(writer.run())
    try:
        await writer.confirms(20)
        _, second, third = cassandra_ring.nodes
        await write_with_one_attempt(cassandra_ring)
        await writer.confirms(5)
        third.kill()
        await writer.confirms(20)
        for member in MEMBERS:
            seen = await read_all(world, member)
            assert seen[: 3 * 20] == [n.to_bytes(4, "big") for n in range(1, 21) for _ in range(3)]
        second.kill()
        await writer.is_refused()
        with pytest.raises(Unavailable):
            await world.read(MEMBERS[0])
        # One node alone may not know what was applied.
        with pytest.raises(Unavailable):
            await asyncio.to_thread(cassandra_schema.status, cassandra_ring.settings())
        second.start()
        await asyncio.to_thread(second.wait_ready)
        await writer.confirms(20)
        writer.stopping = True
        await writing
        for member in MEMBERS:
            expected = [n.to_bytes(4, "big") for n in range(1, writer.confirmed + 1)]
            assert await read_all(world, member) == [row for row in expected for _ in range(3)]
        last = await world.inbox.last_entry(Shard(LANE, 0))
        assert last is not None
        assert last.sequence == writer.confirmed
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
