"""Changing a lane's shards over log and inbox in memory: Once, Ordered and Resumable across any changes, whatever was interrupted."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.fold import Fold, remembered_since_ms
from processor.inheriting import first_entry, heirs_of
from processor.resharding import Resharding, refusal
from reno.adapters.memory_inbox import MemoryInbox
from reno.adapters.memory_log import MemoryLog
from reno.domain.member import member_key, shard_of
from reno.domain.position import mark_of, parts_of
from reno.domain.priority import Priority
from reno.ports import (
    CannotReshard,
    JournalEntry,
    LaneInfo,
    LaneStanding,
    LogAbsent,
    LogRecord,
    Shard,
    Slice,
    shards_of_lane,
)
from tests.processor.records import envelope, envelope_id, event_id_of, row

LANE = Priority.HIGH
MEMBERS = ("anna", "ben", "cleo", "dan", "eva")
WINDOW_MS = 600_000
COUNTS = st.integers(1, 9)


class BrokenOff(Exception):
    """As kill -9 of the command."""


class Inbox(MemoryInbox):
    """`left`: so many steps of a change still succeed; None: all."""

    left: int | None = None

    def _step(self) -> None:
        if self.left is not None:
            if not self.left:
                raise BrokenOff
            self.left -= 1

    async def remember(self, shard: Shard, entries: Sequence[JournalEntry]) -> None:
        self._step()
        await super().remember(shard, entries)

    async def begin(self, shard: Shard, first: JournalEntry) -> None:
        self._step()
        await super().begin(shard, first)

    async def go_over(self, priority: Priority, shards: int, mark: int) -> None:
        self._step()
        await super().go_over(priority, shards, mark)
        self._step()


class World:
    """A lane with a door that knows its shards and owners that fold them."""

    def __init__(self, shards: int) -> None:
        self.now_ms = 1_000_000_000
        self.log = MemoryLog(shards=shards, now_ms=lambda: self.now_ms)
        self.inbox = Inbox(shards)
        self.envelopes = 0

    async def shards(self) -> int:
        return (await self.log.open_lane(LANE)).shards

    async def publish(self, member: str, event_id: str) -> int:
        shards = await self.shards()
        self.envelopes += 1
        payload = envelope(self.envelopes, [row(member, event_id, window_ms=WINDOW_MS)])
        shard = Shard(LANE, shard_of(member_key("", member), shards), shards)
        return await self.log.append(shard, payload, envelope_id(self.envelopes).hex(), 1.0)

    async def process(self) -> None:
        """Each shard as an owner that has just begun."""
        for shard in shards_of_lane(LANE, await self.shards()):
            if not await self.log.lag(shard):
                continue
            fold = Fold(0)
            newest = await self.inbox.last_entry(shard)
            if newest is not None:
                async for entry in self.inbox.journal(shard, remembered_since_ms(newest)):
                    fold.restore(entry)
                for _ in fold.take_up():
                    pass
            records: list[LogRecord] = []
            async with aclosing(self.log.read(shard, 1)) as reading:  # type: ignore[type-var]
                records = await anext(reading)
            assert newest is None or newest.sequence < records[0].sequence
            await self.inbox.append(shard, [fold.fold(record).write for record in records])
            await self.log.purge(shard, records[-1].sequence, records[-1].reading)

    async def reshard(self, shards: int, patience_s: float = 10.0) -> list[str]:
        said: list[str] = []
        await Resharding(LANE, self.log, self.inbox, said.append, patience_s).run(shards)
        return said

    async def rows(self, member: str) -> tuple[list[tuple[int, bytes]], int]:
        (page,) = await self.inbox.read(LANE, [Slice("", member, "", 0, 10_000, 1 << 30)], 0)
        return [(one.position, one.row) for one in page.rows], page.mark


@given(st.text(), COUNTS, COUNTS)
def test_a_members_new_shard_is_an_heir_of_its_old_one(member: str, old: int, new: int) -> None:
    key = member_key("", member)
    before = Shard(LANE, shard_of(key, old), old)
    heirs = heirs_of(before, new)
    assert Shard(LANE, shard_of(key, new), new) in heirs
    assert heirs_of(Shard(LANE, 0, 4), 8) == [Shard(LANE, 0, 8), Shard(LANE, 4, 8)]
    assert heirs_of(Shard(LANE, 5, 8), 4) == [Shard(LANE, 1, 4)]


def test_the_first_entry_knows_the_latest_time_and_the_longest_window() -> None:
    entries = [
        JournalEntry(2, 5, 900, b"a" * 16, b"", b"", window_ms=10),
        JournalEntry(2, 7, 800, b"b" * 16, b"", b"", window_ms=30),
    ]
    assert first_entry(2, 9, entries) == JournalEntry(2, 9, 900, b"", b"", b"", window_ms=30)
    assert first_entry(2, 9, []) == JournalEntry(2, 9, 0, b"", b"", b"")


_publishes = st.tuples(
    st.sampled_from(MEMBERS),
    st.sampled_from([f"e-{number}" for number in range(4)]),
    st.sampled_from((0, 1, 1000, WINDOW_MS // 2, WINDOW_MS - 1, WINDOW_MS)),
)
_changes = st.tuples(COUNTS, st.lists(st.integers(0, 12), max_size=3))


@settings(max_examples=100)
@given(COUNTS, st.lists(st.one_of(_publishes, _publishes, _changes), max_size=40))
async def test_no_change_loses_repeats_or_reorders(
    shards: int, steps: list[tuple[str, str, int] | tuple[int, list[int]]]
) -> None:
    world = World(shards)
    await world.log.open_lane(LANE)
    expected: dict[str, list[tuple[str, int]]] = {member: [] for member in MEMBERS}
    firsts_ms: dict[tuple[str, str], int] = {}
    for step in steps:
        if len(step) == 3:
            member, event_id, later_ms = step
            world.now_ms += later_ms
            sequence = await world.publish(member, event_id)
            first_ms = firsts_ms.get((member, event_id))
            if first_ms is None or world.now_ms - first_ms >= WINDOW_MS:
                firsts_ms[member, event_id] = world.now_ms
                expected[member].append((event_id, sequence))
        else:
            to, interruptions = step
            await world.process()
            for left in interruptions:
                world.inbox.left = left
                try:
                    await world.reshard(to)
                except BrokenOff:
                    continue
            world.inbox.left = None
            await world.reshard(to)
            assert await world.shards() == await world.inbox.shards(LANE) == to
    await world.process()
    for member, wanted in expected.items():
        rows, mark = await world.rows(member)
        found = [(row, parts_of(position)) for position, row in rows]
        assert [place for _, place in found] == [(0, sequence, 0) for _, sequence in wanted]
        assert [event_id_of(r) for r, _ in found] == [e for e, _ in wanted]
        assert parts_of(mark)[0] == 0, "no device is told that anything was lost"


async def test_a_lane_is_closed_until_its_shards_have_begun() -> None:
    world = World(4)
    await world.publish("anna", "e-1")
    running = asyncio.create_task(world.reshard(6))
    async with asyncio.timeout(10):
        while (await world.log.standing(LANE)).to_shards is None:
            await asyncio.sleep(0.01)
    with pytest.raises(LogAbsent):
        await world.publish("anna", "e-2")
    assert await world.inbox.shards(LANE) == 4
    await world.process()
    said = await running
    assert said == [
        "closed at sequence 2",
        "processed",
        "6 shards have begun",
        "open with 6 shards",
    ]
    assert (await world.rows("anna"))[1] == mark_of(0, 2)
    assert await world.publish("anna", "e-2") == 3


async def test_what_is_not_processed_in_time_opens_the_lane_as_it_was() -> None:
    world = World(4)
    await world.publish("anna", "e-1")
    with pytest.raises(CannotReshard, match=r"not processed within 0\.2 s"):
        await world.reshard(6, patience_s=0.2)
    assert await world.log.standing(LANE) == LaneStanding(LaneInfo(0, 4), None, 2)
    await world.publish("anna", "e-2")
    await world.process()
    assert len((await world.rows("anna"))[0]) == 2


async def test_what_comes_after_the_end_closes_the_lane_again() -> None:
    """As where a server that had not heard of the change took a message."""
    world = World(4)
    await world.publish("anna", "e-0")
    await world.process()
    closes: list[int] = []
    stored: list[int] = []

    class Late(MemoryLog):
        async def close(self, priority: Priority, to_shards: int) -> int:
            sequence = await super().close(priority, to_shards)
            closes.append(sequence)
            stored.append(await world.inbox.shards(LANE))
            if len(closes) == 1:
                self._lanes[priority].to_shards = None
                await world.publish("anna", "late")
                self._lanes[priority].to_shards = to_shards
            return sequence

    world.log.__class__ = Late
    running = asyncio.create_task(world.reshard(6))
    async with asyncio.timeout(10):
        while len(closes) < 2:
            await world.process()
            await asyncio.sleep(0.01)
    await running
    assert closes == [2, 4]
    assert stored == [4, 4], "readers went over when nothing came any more"
    assert len((await world.rows("anna"))[0]) == 2


async def test_what_comes_while_journals_are_carried_over_is_known_too() -> None:
    """Within the very millisecond of the last entry that was carried over."""
    world = World(4)
    await world.publish("anna", "e-0")
    await world.process()
    remember = world.inbox.remember

    async def meanwhile(shard: Shard, entries: Sequence[JournalEntry]) -> None:
        world.inbox.remember = remember  # type: ignore[method-assign]
        await remember(shard, entries)
        await world.publish("anna", "e-1")
        await world.process()

    world.inbox.remember = meanwhile  # type: ignore[method-assign]
    await world.reshard(6)
    for event_id in ("e-0", "e-1", "e-2"):
        await world.publish("anna", event_id)
    await world.process()
    assert len((await world.rows("anna"))[0]) == 3


async def test_what_does_not_answer_is_asked_again() -> None:
    world = World(2)
    await world.log.open_lane(LANE)
    refusals = [LogAbsent("away"), LogAbsent("still away")]
    standing = world.log.standing

    async def sometimes(priority: Priority) -> LaneStanding:
        if refusals:
            raise refusals.pop()
        return await standing(priority)

    world.log.standing = sometimes  # type: ignore[method-assign]
    assert (await world.reshard(3))[-1] == "open with 3 shards"


@pytest.mark.parametrize(
    ("shards", "to_shards", "stored", "wanted", "why"),
    [
        (4, None, 4, 6, None),
        (4, None, 4, 4, None),
        (4, 6, 4, 6, None),
        (4, 6, 6, 6, None),
        (4, 6, 4, 4, None),
        (4, None, 6, 6, "the log has 4 shards, the inbox 6"),
        (4, 6, 4, 8, "a change from 4 to 6 shards is under way"),
        (4, 6, 6, 4, "too late to go back to 4"),
    ],
)
def test_what_is_refused(
    shards: int, to_shards: int | None, stored: int, wanted: int, why: str | None
) -> None:
    found = refusal(LaneStanding(LaneInfo(0, shards), to_shards, 9), stored, wanted)
    assert found == why or (found is not None and why is not None and found.startswith(why))


async def test_a_change_that_is_under_way_can_be_taken_back() -> None:
    world = World(4)
    await world.publish("anna", "e-0")
    await world.log.close(LANE, 6)
    assert await world.reshard(4) == ["open with 4 shards"]
    await world.publish("anna", "e-1")
    await world.process()
    assert len((await world.rows("anna"))[0]) == 2
