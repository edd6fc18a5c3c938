"""The contract of reno.ports.Roster, and what happens to it when a server dies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from reno.adapters.memory_roster import MemoryRoster
from reno.adapters.nats_roster import NatsRoster
from reno.domain.priority import Priority
from reno.ports import Beat, LogAbsent, Roster, Word
from tests.reno.adapters.log_contract import PATIENCE_S
from tests.servers.nats import NatsProcess, connected

Rosters = tuple[Roster, Roster]


@pytest.fixture(params=["memory", "nats"])
async def two(request: pytest.FixtureRequest) -> AsyncIterator[Rosters]:
    """As two processes have it."""
    if request.param == "memory":
        roster = MemoryRoster()
        yield roster, roster
        return
    server: NatsProcess = request.getfixturevalue("nats_server")
    async with connected(server.settings()) as one, connected(server.settings()) as another:
        yield NatsRoster(one), NatsRoster(another)


@asynccontextmanager
async def hearing(roster: Roster, priority: Priority = Priority.HIGH) -> AsyncIterator[list[Beat]]:
    """What comes to be heard; listening has begun."""
    heard: list[Beat] = []

    async def hear() -> None:
        async for beat in roster.hear(priority):
            heard.append(beat)

    listening = asyncio.create_task(hear())
    try:
        await said_until(roster, Beat("begin", Word.HERE), heard, priority)
        yield heard
    finally:
        listening.cancel()
        await asyncio.wait({listening})


async def said_until(
    roster: Roster, beat: Beat, heard: list[Beat], priority: Priority = Priority.HIGH
) -> None:
    """Again and again until it is heard, as beats are."""
    async with asyncio.timeout(PATIENCE_S):
        while beat not in heard:
            with suppress(LogAbsent):
                await roster.say(priority, beat)
            await asyncio.sleep(0.02)


async def test_all_of_a_lane_hear_each_other_and_themselves_in_order(two: Rosters) -> None:
    one, another = two
    async with hearing(one) as ones, hearing(another) as anothers:
        for beat in (Beat("a", Word.COMING), Beat("a", Word.GONE), Beat("b", Word.HERE)):
            await one.say(Priority.HIGH, beat)
        for heard in (ones, anothers):
            await said_until(another, Beat("end", Word.HERE), heard)
            assert [beat for beat in heard if beat.name in "ab"] == [
                Beat("a", Word.COMING),
                Beat("a", Word.GONE),
                Beat("b", Word.HERE),
            ]


async def test_lanes_do_not_hear_each_other(two: Rosters) -> None:
    one, another = two
    async with hearing(one, Priority.LOW) as low:
        await another.say(Priority.HIGH, Beat("high", Word.HERE))
        await said_until(another, Beat("low", Word.HERE), low, Priority.LOW)
        assert Beat("high", Word.HERE) not in low


async def test_beats_come_again_when_the_server_is_back(fresh_nats: NatsProcess) -> None:
    async with connected(fresh_nats.settings()) as connection:
        roster = NatsRoster(connection)
        async with hearing(roster) as heard:
            fresh_nats.kill()
            async with asyncio.timeout(PATIENCE_S):
                while connection.is_connected:
                    await asyncio.sleep(0.02)
            with pytest.raises(LogAbsent):
                await roster.say(Priority.HIGH, Beat("nobody", Word.HERE))
            fresh_nats.start()
            await said_until(roster, Beat("again", Word.HERE), heard)
            assert Beat("nobody", Word.HERE) not in heard
