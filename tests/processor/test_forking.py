"""Promises: Durable, Once, Ordered. A log that comes back shorter or other than its shard's journal."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.forking import GenerationsUsedUp, fork_entry, generation_wanted
from processor.owner import Owner
from reno.adapters.memory_log import Lane
from reno.catalogue.entry import LONGEST_WINDOW_MS
from reno.domain.position import MAX_GENERATION, generation_of, mark_of, position_of
from reno.ports import JournalEntry, LogUnconfirmed
from tests.processor.records import event_id_of, row
from tests.processor.surroundings import G1, SETTINGS, SHARD, Surroundings, until

QUICK = SETTINGS.model_copy(update={"fork_after_s": 0.001, "retry_s": 0.001})


def newest(generation: int, sequence: int) -> JournalEntry:
    return JournalEntry(generation, sequence, 1_000, b"i" * 16, b"", b"")


@pytest.mark.parametrize(
    ("journal", "generation", "last_sequence", "changed_in", "wanted"),
    [
        (None, 0, 0, None, 0),
        (None, 3, 0, None, 3),
        (newest(0, 5), 0, 5, None, 0),
        (newest(0, 5), 0, 4, None, 1),
        (newest(0, 5), 1, 0, None, 1),
        (newest(2, 5), 0, 9, None, 3),
        (newest(2, 5), 2, 9, 2, 3),
        (newest(2, 5), 3, 9, 2, 3),
        (newest(2, 5), 1, 9, 1, 3),
    ],
)
def test_the_generation_rises_when_the_log_is_not_the_journals(
    journal: JournalEntry | None,
    generation: int,
    last_sequence: int,
    changed_in: int | None,
    wanted: int,
) -> None:
    assert generation_wanted(journal, generation, last_sequence, changed_in) == wanted


def test_generations_never_wrap() -> None:
    with pytest.raises(GenerationsUsedUp):
        generation_wanted(newest(MAX_GENERATION, 5), MAX_GENERATION, 4, None)


def test_the_first_entry_of_a_generation_is_before_its_messages_and_after_all_others() -> None:
    entry = fork_entry(newest(0, 5), 1)
    assert mark_of(0, 5) < mark_of(entry.generation, entry.sequence) < position_of(1, 1, 0)


class Shifting:
    """A shard whose log is lost and restored while events are published and owners come and go."""

    def __init__(self) -> None:
        self.world = Surroundings()
        self.world.settings = QUICK
        self.world.presence.places = {"anna": [G1]}
        self.published = 0
        self.copies: list[tuple[Lane, set[str]]] = []
        self.in_log: set[str] = set()
        self.must_be_stored: set[str] = set()

    async def publish(self, count: int) -> None:
        for _ in range(count):
            self.published += 1
            self.in_log.add(name := f"e-{self.published}")
            await self.world.publish(row("anna", name))

    def save(self) -> None:
        self.copies.append((self.world.log.saved(SHARD.priority), set(self.in_log)))

    def restore(self, index: int) -> None:
        if not self.copies:
            return
        lane, in_log = self.copies[index % len(self.copies)]
        self.in_log = set(in_log)
        self.world.log.restore(SHARD.priority, lane)
        # A copy is a value: what is restored goes on by itself.
        self.copies = [
            (self.world.log.saved(SHARD.priority), names) if copied is lane else (copied, names)
            for copied, names in self.copies
        ]

    def wipe(self) -> None:
        self.in_log.clear()
        self.world.log.restore(SHARD.priority, None)

    async def processed(self) -> None:
        """Everything that is in the log now is stored and purged."""
        await self.world.log.open_lane(SHARD.priority)
        self.must_be_stored |= self.in_log
        await self.world.until_purged()

    async def step(self, what: tuple[str, int], owner: Owner | None) -> None:
        match what:
            case "publish", count:
                await self.publish(count)
            case "save", _:
                await self.world.log.open_lane(SHARD.priority)
                self.save()
            case "restore", index:
                self.restore(index)
            case "wipe", _:
                self.wipe()
            case "process", _ if owner is not None:
                lane = await self.world.log.open_lane(SHARD.priority)
                owner.heed(lane.generation)
                await self.processed()

    async def check(self) -> None:
        rows = await self.world.inbox.rows("anna")
        names = [event_id_of(each.row) for each in rows]
        assert len(names) == len(set(names)), "stored twice"
        assert self.must_be_stored <= set(names), "purged unread"
        appended = [
            written.position
            for batch in self.world.inbox.appends
            for write in batch
            for written in write.rows
        ]
        assert appended == sorted(set(appended)), (
            "positions ran backwards, or a row was written over"
        )


_steps = st.lists(
    st.tuples(
        st.sampled_from(("publish", "publish", "process", "process", "save", "restore", "wipe")),
        st.integers(1, 4),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_steps, min_size=1, max_size=4))
def test_ordered_positions_never_run_backwards_whatever_becomes_of_the_log(
    lives: Sequence[Sequence[tuple[str, int]]],
) -> None:
    """Each list is an owner's life; nothing that an owner found in the log is lost or stored twice."""

    async def run() -> None:
        shifting = Shifting()
        for life in lives:
            for step in life[::2]:
                await shifting.step(step, None)
            async with shifting.world.owned() as owner:
                for step in life:
                    await shifting.step(step, owner)
                await shifting.step(("process", 1), owner)
        await shifting.check()

    asyncio.run(run())


async def test_a_shard_says_the_fork_though_nothing_comes() -> None:
    """Resumable: the mark rises at once, so that devices learn that something may be lost."""
    shifting = Shifting()
    await shifting.publish(3)
    async with shifting.world.owned():
        await shifting.processed()
    shifting.wipe()
    async with shifting.world.owned() as owner:
        await owner.ready.wait()
        newest = await shifting.world.inbox.last_entry(SHARD)
    assert newest is not None
    assert (newest.generation, newest.sequence) == (1, 0)
    assert len(await shifting.world.inbox.rows("anna")) == 3


async def test_what_one_owner_raised_the_others_follow() -> None:
    shifting = Shifting()
    async with shifting.world.owned() as owner:
        await shifting.publish(2)
        await shifting.processed()
        await shifting.world.log.raise_generation(SHARD.priority, 4)
        owner.heed((await shifting.world.log.open_lane(SHARD.priority)).generation)
        appends = shifting.world.inbox.appends
        await until(lambda: appends[-1][-1].entry.generation == 4)
        await shifting.publish(1)
        await shifting.processed()
    rows = await shifting.world.inbox.rows("anna")
    assert [generation_of(each.position) for each in rows] == [0, 0, 4]


async def test_what_waited_unprocessed_in_a_copy_is_processed_and_what_was_is_not_again() -> None:
    shifting = Shifting()
    await shifting.publish(2)
    shifting.save()
    async with shifting.world.owned():
        await shifting.processed()
        await shifting.publish(2)
        await shifting.processed()
    shifting.restore(0)
    await shifting.publish(1)
    async with shifting.world.owned():
        await shifting.processed()
    rows = await shifting.world.inbox.rows("anna")
    assert [each.position for each in rows] == [
        *(position_of(0, sequence, 0) for sequence in (1, 2, 3, 4)),
        position_of(1, 3, 0),
    ]


async def test_a_purge_under_way_when_the_log_is_another_one_drops_nothing() -> None:
    """Durable: it was meant for what the log held before."""
    shifting = Shifting()
    await shifting.publish(3)
    reading = shifting.world.log.saved(SHARD.priority).reading
    shifting.wipe()
    await shifting.publish(3)
    with pytest.raises(LogUnconfirmed):
        await shifting.world.log.purge(SHARD, 3, reading)
    assert await shifting.world.lag() == 3


async def test_a_copy_older_than_the_duplicate_window_is_not_processed_again() -> None:
    now_ms = 10**12
    shifting = Shifting()
    shifting.world.log._now_ms = lambda: now_ms
    await shifting.publish(2)
    shifting.save()
    async with shifting.world.owned():
        await shifting.processed()
        now_ms += 3 * LONGEST_WINDOW_MS
        await shifting.publish(2)
        await shifting.processed()
    await shifting.world.inbox.trim_journal(SHARD, now_ms - LONGEST_WINDOW_MS)
    shifting.restore(0)
    async with shifting.world.owned():
        await shifting.publish(1)
        await shifting.processed()
    assert len(await shifting.world.inbox.rows("anna")) == 5
    await shifting.check()
