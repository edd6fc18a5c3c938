"""Durable, Once, Ordered, Resumable: a whole fleet under load, while its processors and its inbox's nodes are killed.

FLEET_SECONDS and FLEET_EVENTS_PER_S make the first test longer and heavier (docs/many.md).
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio

from reno.adapters import cassandra_schema
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.cassandra_statements import STORING
from reno.adapters.together import together
from reno.domain.member import member_key
from reno.errors import Unavailable
from tests.e2e.crowd import Crowd, pull_page
from tests.e2e.fleet import Fleet, fleet_in
from tests.e2e.lane_types import TYPES
from tests.e2e.many import LANES, Member
from tests.e2e.traffic import Backend, connected
from tests.servers.cassandra_ring import CassandraRing

SECONDS = int(os.environ.get("FLEET_SECONDS", "20"))
EVENTS_PER_S = int(os.environ.get("FLEET_EVENTS_PER_S", "1000"))
KILL_EVERY_S = 5.0
LESS_PER_S = 200
"""While the inbox is broken."""

LARGE = b"x" * 30_000
WAIT_S = 60.0

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600 + 3 * SECONDS)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    async with fleet_in(tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet


async def kill_in_turn(processors: list[Member], until: float) -> int:
    """One every KILL_EVERY_S, started again at once; how many."""
    loop = asyncio.get_running_loop()
    due = loop.time() + KILL_EVERY_S
    kills = 0
    for victim in itertools.cycle(processors):
        await asyncio.sleep(min(due, until) - loop.time())
        if loop.time() >= until:
            break
        victim.kill()
        victim.start()
        await victim.ready()
        kills += 1
        due = max(due + KILL_EVERY_S, loop.time())
    return kills


async def test_processors_die_in_turn_and_nothing_is_lost_repeated_or_out_of_order(
    fleet: Fleet,
) -> None:
    turns = zip(*(fleet.many.processors[lane] for lane in LANES), strict=True)
    processors = [member for turn in turns for member in turn]
    loop = asyncio.get_running_loop()
    async with Crowd(fleet.many, "turn", TYPES) as crowd:
        started = loop.time()
        async with crowd.publishing(EVENTS_PER_S):
            kills = await kill_in_turn(processors, started + SECONDS)
        published = loop.time()
        await crowd.is_pushed()
        pushed = loop.time()
        await crowd.is_pulled()
    history = crowd.history
    print(
        f"\n{len(history.receipts)} events acknowledged in {published - started:.1f} s,",
        f"{len(history.receipts) / (published - started):.0f}/s of {EVENTS_PER_S}/s;",
        f"{kills} kills; pushed to who was online {pushed - published:.1f} s later",
    )
    assert kills
    assert len(history.receipts) == len(history.published)
    assert history.broken_promises() == []


async def test_ring_nodes_die_and_the_log_keeps_what_the_inbox_does_not_take(
    fleet: Fleet,
) -> None:
    _, second, third = fleet.ring.nodes
    high_and_medium, low = TYPES[:2], TYPES[2:]
    async with Crowd(fleet.many, "ring", high_and_medium, members=5) as crowd:
        hoard = Backend(fleet.many.doors[0], crowd.history, crowd.members[:1], low, 99, LARGE)
        async with crowd.publishing(LESS_PER_S):
            await crowd.accepts(LESS_PER_S)
            third.freeze()
            await write_with_one_attempt(fleet.ring)
            await crowd.accepts(LESS_PER_S)
            third.kill()
            for _ in range(3):
                await crowd.accepts(LESS_PER_S)
                await crowd.is_pushed()
            await pull_until(crowd, works=True)
            second.kill()
            refused = await pull_until(crowd, works=False)
            assert refused is not None
            assert refused.code() is grpc.StatusCode.UNAVAILABLE
            assert (refused.details() or "").startswith("NOT_READY: ")
            # One node alone may not know what was applied.
            with pytest.raises(Unavailable):
                await asyncio.to_thread(cassandra_schema.status, fleet.ring.settings())
            await crowd.accepts(LESS_PER_S)
            never_stored = await hoard.publish_until_full(20)
            # One lane's full log is no other lane's.
            await crowd.accepts(LESS_PER_S)
        # Nodes that start want the machine for themselves.
        for node in (second, third):
            node.start()
        for node in (second, third):
            await asyncio.to_thread(node.wait_ready)
        async with crowd.publishing(LESS_PER_S):
            await crowd.accepts(LESS_PER_S)
        await crowd.is_pushed()
        await crowd.is_pulled()
    history = crowd.history
    assert len(history.receipts) == len(history.published) - len(never_stored)
    pulled = {one.event_id for arrivals in history.pulled.values() for one in arrivals}
    assert pulled.isdisjoint(never_stored)
    assert history.broken_promises() == []


async def write_with_one_attempt(ring: CassandraRing) -> None:
    """Raises Unavailable where a request waits for a node that hangs: the driver gives that one up with all that it was asked."""
    session = CassandraSession(ring.settings(attempts=1, request_timeout_s=60.0), STORING)
    keys = [member_key("", f"m{number}") for number in range(60)]
    await together(session.write("keep", [key, 9, 1, 10**15, b"x", 3600]) for key in keys)
    await session.close()


async def pull_until(crowd: Crowd, works: bool) -> grpc.aio.AioRpcError | None:
    """Waits until a Pull is answered for every lane, or refused; what was under way may go the other way."""
    member = crowd.members[0]
    async with connected(crowd.ways[member]) as channel, asyncio.timeout(WAIT_S):
        while True:
            try:
                page = await pull_page(channel, member)
            except grpc.aio.AioRpcError as error:
                if not works:
                    return error
            else:
                # Never a lane as current whose inbox does not answer.
                assert page.notifications or page.missing
                if works and not page.missing:
                    return None
            await asyncio.sleep(0.1)
