"""Promises: Durable, Isolated. Processors of a lane that come, go, die, and hear nothing: every shard has somebody all the time, and one when all is quiet."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from processor.share import Share
from processor.stopping import Stopping
from reno.adapters.memory_roster import MemoryRoster
from reno.domain.priority import Priority
from reno.ports import Beat, LogAbsent
from tests.processor.surroundings import until

SHARDS = 8
LEASE_S = 0.3


class Ear:
    """A roster that can be taken away from one."""

    def __init__(self, roster: MemoryRoster) -> None:
        self._roster = roster
        self.is_cut_off = False

    async def say(self, priority: Priority, beat: Beat) -> None:
        if self.is_cut_off:
            raise LogAbsent("told to be away")
        await self._roster.say(priority, beat)

    async def hear(self, priority: Priority) -> AsyncIterator[Beat]:
        async for beat in self._roster.hear(priority):
            if not self.is_cut_off:
                yield beat


class One:
    def __init__(self, roster: MemoryRoster) -> None:
        self.ear = Ear(roster)
        self.has: Collection[int] = frozenset()
        self.stopping = Stopping()
        self.share = Share(self.ear, Priority.HIGH, SHARDS, LEASE_S, self.stopping, self._own)

    def _own(self, numbers: Collection[int]) -> None:
        self.has = numbers

    @asynccontextmanager
    async def running(self) -> AsyncIterator["One"]:
        running = asyncio.create_task(self.share.run())
        try:
            yield self
        finally:
            self.stopping.say()
            async with asyncio.timeout(10):
                await running


def are_shared_out(ones: Collection[One]) -> bool:
    return sorted(number for one in ones for number in one.has) == list(range(SHARDS)) and all(
        one.share.is_known for one in ones
    )


@pytest.fixture
async def three() -> AsyncIterator[list[One]]:
    roster = MemoryRoster()
    async with AsyncExitStack() as stack:
        ones = [await stack.enter_async_context(One(roster).running()) for _ in range(3)]
        await until(lambda: are_shared_out(ones))
        yield ones


async def test_who_comes_gets_a_share_and_who_says_goodbye_leaves_his(three: list[One]) -> None:
    sizes = sorted(len(one.has) for one in three)
    assert sizes == [2, 3, 3]
    leaving, *staying = three
    leaving.stopping.say()
    await leaving.share.say_goodbye()
    await until(lambda: are_shared_out(staying))


async def test_who_falls_silent_is_followed_and_gets_the_same_back(three: list[One]) -> None:
    lost, *others = three
    had = lost.has
    lost.ear.is_cut_off = True
    await until(lambda: are_shared_out(others))
    assert lost.has == had, "who hears nobody goes on"
    lost.ear.is_cut_off = False
    await until(lambda: are_shared_out(three))
    assert lost.has == had


async def test_nothing_moves_while_nobody_hears_anybody(three: list[One]) -> None:
    had = [one.has for one in three]
    for one in three:
        one.ear.is_cut_off = True
    await asyncio.sleep(3 * LEASE_S)
    assert [one.has for one in three] == had
    for one in three:
        one.ear.is_cut_off = False
    await asyncio.sleep(LEASE_S)
    await until(lambda: are_shared_out(three))
    assert [one.has for one in three] == had
