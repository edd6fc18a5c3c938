"""Promises: Durable, Bounded, Isolated. An owner whose log, inbox or presence is not what it should be, or that is ended half-way."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from processor.stopping import Stopping
from reno.adapters.memory_log import MemoryLog
from reno.catalogue.entry import LONGEST_WINDOW_MS
from reno.domain.outcome import Outcome
from reno.domain.position import position_of
from reno.domain.reason import Reason
from reno.errors import TryLater
from reno.ports import EnvelopeWrite, JournalEntry, LogRecord, Shard
from tests.processor.records import envelope_id, row
from tests.processor.surroundings import (
    G1,
    G2,
    SETTINGS,
    SHARD,
    Gateways,
    Surroundings,
    until,
)


@pytest.fixture
def world() -> Surroundings:
    world = Surroundings()
    world.presence.places = {"anna": [G1], "ben": [G2]}
    return world


async def test_a_log_that_is_another_than_the_journals_is_never_purged_unread(
    world: Surroundings,
) -> None:
    """Durable: a log made anew, that grew past the mark before an owner came, holds what nobody stored."""
    entry = JournalEntry(0, 3, 1_000, bytes(16), b"", b"")
    await world.inbox.append(SHARD, [EnvelopeWrite(entry, ())])
    for number in range(4):
        await world.publish(row("anna", f"e-{number}"))
    async with world.owned():
        await world.until_purged()
    assert [each.position for each in await world.inbox.rows("anna")] == [
        position_of(1, sequence, 0) for sequence in (1, 2, 3, 4)
    ]


async def test_what_is_older_than_the_journal_is_not_missed(world: Surroundings) -> None:
    """A log server that crashed may show again what was purged long ago."""
    world.log = MemoryLog(shards=1, now_ms=lambda: 1_000)
    await world.publish(row("anna", "e-1"))
    log_time_ms = 1_000 + 2 * LONGEST_WINDOW_MS
    entry = JournalEntry(0, 2, log_time_ms, envelope_id(2), bytes([Outcome.DUPLICATE]), bytes(12))
    await world.inbox.append(SHARD, [EnvelopeWrite(entry, ())])
    for number in range(2, 4):
        await world.publish(row("anna", f"e-{number}"))
    async with world.owned():
        await world.until_purged()
    assert world.gateways.positions(G1) == [position_of(0, 3, 0)]


async def test_durable_what_is_stored_but_not_delivered_stays_in_the_journal(
    world: Surroundings,
) -> None:
    """However far the log's clock has run ahead of what is delivered."""
    now_ms = 10**12
    world.log = MemoryLog(shards=1, now_ms=lambda: now_ms)
    world.settings = SETTINGS.model_copy(update={"max_batch_events": 1})
    world.presence.holds = asyncio.Semaphore(0)
    async with world.crashing():
        await world.publish(row("anna", "e-1"))
        await until(lambda: world.presence.lookups == 1)
        await world.publish(row("anna", "e-2"))
        now_ms += 2 * 86_400_000
        await world.publish(row("anna", "e-3"))
        await until(lambda: len(world.inbox.appends) == 3)
        world.presence.holds.release()
        await until(lambda: world.presence.lookups == 2)
        await until(lambda: bool(world.inbox.trims))
    world.presence.holds = None
    async with world.owned():
        await world.until_purged()
    assert world.gateways.positions(G1) == [position_of(0, number, 0) for number in (1, 2, 3)]


async def test_bounded_an_inbox_with_too_much_to_write_is_asked_again(
    world: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Isolated: a flood of acknowledgements must not end the owner."""
    append, trim = world.inbox.append, world.inbox.trim_journal
    refused: list[str] = []

    async def appending(shard: Shard, writes: Sequence[EnvelopeWrite]) -> None:
        if "append" not in refused:
            refused.append("append")
            raise TryLater(Reason.FULL, "told to be full", retry_after_s=0.1)
        await append(shard, writes)

    async def trimming(shard: Shard, before_ms: int) -> None:
        if "trim" not in refused:
            refused.append("trim")
            raise TryLater(Reason.FULL, "told to be full", retry_after_s=0.1)
        await trim(shard, before_ms)

    monkeypatch.setattr(world.inbox, "append", appending)
    monkeypatch.setattr(world.inbox, "trim_journal", trimming)
    async with world.owned():
        await world.publish(row("anna", "e-1"))
        await until(lambda: refused == ["append", "trim"])
        await world.publish(row("anna", "e-2"))
        await world.until_purged()
    assert len(world.gateways.positions(G1)) == 2


async def test_a_quiet_shards_journal_is_looked_after(
    world: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inbox renews the newest entry when it is asked to trim: a shard without events must ask, too."""
    monkeypatch.setattr("processor.purger.QUIET_S", 0.01)
    async with world.owned():
        await until(lambda: len(world.inbox.trims) >= 2)


async def test_a_drain_that_is_cut_short_ends(world: Surroundings) -> None:
    world.settings = SETTINGS.model_copy(update={"max_batch_events": 1})
    world.presence.holds = asyncio.Semaphore(0)
    stopping = Stopping()
    owner = await world.owner(stopping)
    for number in range(4):
        await world.publish(row("anna", f"e-{number}"))
    running = asyncio.create_task(owner.run())
    # One is looked up, one waits, one is stored and waits for its turn to wait.
    await until(lambda: len(world.inbox.appends) == 3)
    stopping.say()
    await asyncio.sleep(0)
    running.cancel()
    _, hanging = await asyncio.wait({running}, timeout=5)
    assert not hanging


class FrozenLog(MemoryLog):
    """The same log, for an owner that is frozen with what it read last in its hand."""

    def __init__(self, log: MemoryLog) -> None:
        self.__dict__ = vars(log)
        self.thawed = asyncio.Event()
        self.held: list[LogRecord] = []

    async def read(self, shard: Shard, from_sequence: int) -> AsyncIterator[list[LogRecord]]:
        async for records in super().read(shard, from_sequence):
            self.held = records
            await self.thawed.wait()
            yield records


async def test_once_an_owner_that_was_frozen_goes_on_where_the_next_one_is(
    world: Surroundings,
) -> None:
    """Durable, Ordered: what it held when it froze is neither lost nor stored again, and what it never read is known to it."""
    shared = world.log
    world.log = frozen = FrozenLog(shared)
    async with world.owned():
        await world.publish(row("anna", "e-1"))
        await until(lambda: bool(frozen.held))
        await world.publish(row("anna", "e-2"))
        world.log, world.gateways = shared, Gateways()
        async with world.owned():
            await world.until_purged()
        frozen.thawed.set()
        await world.publish(row("anna", "e-2"))
        await world.publish(row("anna", "e-3"))
        await world.until_purged()
    assert [each.position for each in await world.inbox.rows("anna")] == [
        position_of(0, sequence, 0) for sequence in (1, 2, 4)
    ]


async def test_members_nobody_could_locate_are_not_forgotten_over_the_next_ones(
    world: Surroundings,
) -> None:
    world.settings = SETTINGS.model_copy(update={"retry_s": 600.0})
    async with world.owned():
        world.presence.fails = True
        await world.publish(row("ben", "e-1"))
        await until(lambda: world.presence.lookups == 1)
        world.presence.fails = False
        await world.publish(row("anna", "e-2"))
        await until(lambda: len(world.gateways.answered) == 2)
    assert world.gateways.positions(G1) == [position_of(0, 2, 0)]
    assert world.gateways.positions(G2) == [position_of(0, 1, 0)]
