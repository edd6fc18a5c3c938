"""Promises: Durable, Once, Ordered, Isolated. An owner over a log, an inbox, presence and gateways in memory."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.owner import Owner
from processor.stopping import Stopping
from reno.domain.outcome import Outcome
from reno.domain.position import position_of
from reno.domain.priority import Priority
from reno.ports import (
    EnvelopeWrite,
    JournalEntry,
    LogFull,
    LogRecord,
    LogUnconfirmed,
    RowWrite,
    Shard,
)
from tests.processor.records import UNREADABLE_ROW, envelope, row
from tests.processor.surroundings import G1, G2, SETTINGS, SHARD, Surroundings, until


@pytest.fixture
def world() -> Surroundings:
    world = Surroundings()
    world.presence.places = {"anna": [G1], "ben": [G1, G2]}
    return world


async def test_gate_store_look_up_deliver_purge(world: Surroundings) -> None:
    async with world.owned():
        await world.publish(row("anna", "e-1"), row("ben", "e-2"), row("nobody", "e-3"))
        await world.until_purged()
    assert world.gateways.positions(G1) == [position_of(0, 1, 0), position_of(0, 1, 1)]
    assert world.gateways.positions(G2) == [position_of(0, 1, 1)]
    assert len(await world.inbox.rows("nobody")) == 1
    (entry,) = await world.inbox.entries()
    assert entry.verdicts == bytes([Outcome.STORED] * 3)


async def test_rows_carry_what_came_before_them(world: Surroundings) -> None:
    async with world.owned():
        await world.publish(row("anna", "e-1"), row("anna", "e-2"))
        await world.until_purged()
        await world.publish(row("anna", "e-3", store_only=True))
        await world.publish(row("anna", "e-4"))
        await world.until_purged()
    rows = [each for call in world.gateways.answered for each in call.rows]
    assert [(each.position >> 12, each.previous) for each in rows] == [
        (1, None),
        (1, position_of(0, 1, 0)),
        (3, position_of(0, 2, 0)),
    ]


async def test_durable_a_crash_after_the_store_is_delivered_again_and_stored_once(
    world: Surroundings,
) -> None:
    world.presence.holds = asyncio.Event()
    async with world.crashing():
        await world.publish(row("anna", "e-1"), row("anna", "e-1"), row("anna", "e-2"))
        await until(lambda: world.presence.lookups == 1)
    stored, appends = await world.inbox.rows("anna"), len(world.inbox.appends)
    assert not world.gateways.attempts

    world.presence.holds = None
    async with world.owned():
        await world.until_purged()
    assert await world.inbox.rows("anna") == stored
    assert len(world.inbox.appends) == appends
    assert world.gateways.positions(G1) == [each.position for each in stored]


async def test_durable_a_crash_before_the_store_is_stored_once(world: Surroundings) -> None:
    world.inbox.fails = True
    async with world.crashing() as owner:
        await world.publish(row("anna", "e-1"))
        await owner.ready.wait()
    assert await world.lag() == 1
    world.inbox.fails = False
    async with world.owned():
        await world.until_purged()
    assert len(await world.inbox.rows("anna")) == 1
    assert len(world.gateways.positions(G1)) == 1


async def test_an_inbox_that_fails_is_asked_again_with_the_same_writes(
    world: Surroundings,
) -> None:
    world.inbox.fails = True
    async with world.owned():
        await world.publish(row("anna", "e-1"))
        await until(lambda: world.inbox.refusals >= 3)
        assert not world.gateways.attempts
        assert await world.lag() == 1
        world.inbox.fails = False
        await world.until_purged()
    assert len(world.gateways.positions(G1)) == 1


async def test_once_a_duplicate_is_caught_after_a_restart(world: Surroundings) -> None:
    async with world.owned():
        await world.publish(row("anna", "e-1"))
        await world.until_purged()
    async with world.owned():
        await world.publish(row("anna", "e-1"), row("anna", "e-2"))
        await world.until_purged()
    entries = await world.inbox.entries()
    assert entries[1].verdicts == bytes((Outcome.DUPLICATE, Outcome.STORED))
    assert world.gateways.positions(G1) == [position_of(0, 1, 0), position_of(0, 2, 1)]


async def test_once_an_envelope_that_the_log_holds_twice_counts_once(world: Surroundings) -> None:
    payload = envelope(99, [row("anna", "e-1", window_ms=0)])
    async with world.owned():
        await world.log.append(SHARD, payload, "first", 1.0)
        await world.until_purged()
    async with world.owned():
        await world.log.append(SHARD, payload, "second", 1.0)
        await world.until_purged()
    assert len(await world.inbox.rows("anna")) == 1
    assert [each.repeated_envelope for each in await world.inbox.entries()] == [False, True]
    assert len(world.gateways.positions(G1)) == 1


async def test_isolated_a_silent_gateway_does_not_hold_the_shard_and_has_it_all_later(
    world: Surroundings,
) -> None:
    world.settings = SETTINGS.model_copy(update={"retry_s": 0.1})
    async with world.owned():
        await world.publish(row("ben", "e-0"))
        await world.until_purged()
        world.gateways.silent.add(G1)
        for number in range(1, 30):
            await world.publish(row("ben", f"e-{number}"))
            await world.until_purged()
        # Every row went to the other one; the silent one held one call, and then background ones.
        assert len(world.gateways.positions(G2)) == 30
        silent_calls = [each for each in world.gateways.attempts if each.gateway == G1]
        assert len(silent_calls) < 30
        world.gateways.silent.clear()
        await until(lambda: position_of(0, 30, 0) in world.gateways.positions(G1))
        await world.publish(row("ben", "e-30"))
        await until(lambda: position_of(0, 31, 0) in world.gateways.positions(G1))
        assert len(set(world.gateways.positions(G1))) == 31


async def test_isolated_a_late_gateway_holds_nobody_and_is_asked_once(
    world: Surroundings,
) -> None:
    """What follows waits behind the call, and still says what came before it."""
    world.settings = SETTINGS.model_copy(
        update={"deliver_timeout_s": 0.01, "deliver_patience_s": 60.0}
    )
    async with world.owned():
        await world.publish(row("ben", "e-0"))
        await until(lambda: len(world.gateways.answered) == 2)
        world.gateways.late[G1] = answering = asyncio.Event()
        for number in range(1, 10):
            await world.publish(row("ben", f"e-{number}"))
            await world.until_purged()
        await until(lambda: len(world.gateways.positions(G2)) == 10)
        assert len([each for each in world.gateways.attempts if each.gateway == G1]) == 2
        answering.set()
        await until(lambda: len(world.gateways.positions(G1)) == 10)
    calls = [each for each in world.gateways.answered if each.gateway == G1]
    assert [each.resync for each in calls] == [True] + [False] * (len(calls) - 1)
    assert len([each for each in world.gateways.attempts if each.gateway == G1]) == len(calls)
    rows = [row for call in calls for row in call.rows]
    assert [row.previous for row in rows[1:]] == [row.position for row in rows[:-1]]


async def test_a_drain_waits_for_no_gateway_that_is_late(world: Surroundings) -> None:
    world.settings = SETTINGS.model_copy(
        update={"deliver_timeout_s": 0.01, "deliver_patience_s": 600.0}
    )
    world.gateways.late[G1] = asyncio.Event()
    async with world.owned():
        await world.publish(row("anna", "e-1"))
        await world.until_purged()
    assert not world.gateways.in_flight


async def test_what_nobody_could_locate_is_handed_over_when_presence_answers_again(
    world: Surroundings,
) -> None:
    """And a gateway that was known before need not make all its sessions read for it."""
    async with world.owned():
        await world.publish(row("anna", "e-1"))
        await world.until_purged()
        world.presence.fails = True
        await world.publish(row("ben", "e-2"))
        await world.until_purged()
        await world.publish(row("ben", "e-3"))
        await world.until_purged()
        before = len(world.gateways.answered)
        world.presence.fails = False
        await until(lambda: len(world.gateways.answered) == before + 2)
    stored = [each.position for each in await world.inbox.rows("ben")]
    later = world.gateways.answered[before:]
    assert {each.gateway: each.resync for each in later} == {G1: False, G2: True}
    assert [[each.position for each in call.rows] for call in later] == [stored, stored]


async def test_another_epoch_is_forgotten_until_presence_knows(world: Surroundings) -> None:
    world.gateways.fenced.add(G1)
    async with world.owned():
        await world.publish(row("anna", "e-1"))
        await world.until_purged()
        newer = type(G1)("g1", 2, "g1:1")
        world.presence.places["anna"] = [newer]
        await world.publish(row("anna", "e-2"))
        await world.until_purged()
    assert world.gateways.positions(newer) == [position_of(0, 2, 0)]


async def test_what_cannot_be_read_is_buried_before_the_journal_says_so(
    world: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.publish(row("anna", "e-1"), UNREADABLE_ROW)
    await world.log.append(SHARD, b"\x09rubbish", "rubbish", 1.0)
    bury = world.log.bury
    refusals = 3

    async def refusing(shard: Shard, record: LogRecord, why: str, rows: Sequence[int] = ()) -> None:
        nonlocal refusals
        assert record.sequence not in {each.sequence for each in await world.inbox.entries()}
        assert list(rows) == ([1] if record.sequence == 1 else [])
        if refusals:
            refusals -= 1
            raise LogUnconfirmed("told not to answer")
        await bury(shard, record, why, rows)

    monkeypatch.setattr(world.log, "bury", refusing)
    async with world.owned():
        await world.until_purged()
    assert {sequence for _, sequence in world.log.dead} == {1, 2}
    first, second = await world.inbox.entries()
    assert first.verdicts == bytes((Outcome.STORED, Outcome.DEAD))
    assert (second.verdicts, second.envelope_id) == (b"", b"")


async def test_isolated_poison_holds_no_neighbour_though_nobody_keeps_it(
    world: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full dead-letter stream is said, and the shard goes on."""
    asked = 0

    async def full(*_letter: object) -> None:
        nonlocal asked
        asked += 1
        raise LogFull("told to be full")

    monkeypatch.setattr(world.log, "bury", full)
    async with world.owned():
        await world.publish(row("anna", "e-1"), UNREADABLE_ROW, row("anna", "e-2"))
        await world.log.append(SHARD, b"\x09rubbish", "rubbish", 1.0)
        await world.publish(row("anna", "e-3"))
        await world.until_purged()
    assert asked == 2, "once a letter"
    expected = [position_of(0, 1, 0), position_of(0, 1, 2), position_of(0, 3, 0)]
    assert world.gateways.positions(G1) == expected


async def test_a_log_shorter_than_the_journal_is_refused(
    world: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_sequence = world.log.last_sequence
    asked = 0

    async def counting(priority: Priority) -> int:
        nonlocal asked
        asked += 1
        return await last_sequence(priority)

    monkeypatch.setattr(world.log, "last_sequence", counting)
    await world.log.open_lane(SHARD.priority)
    entry = JournalEntry(0, 5, 1, bytes(16), b"", b"")
    await world.inbox.append(SHARD, [EnvelopeWrite(entry, ())])
    await world.publish(row("anna", "e-1"))
    async with world.owned() as owner:
        await until(lambda: asked >= 3)
        assert not owner.ready.is_set()
        assert not world.gateways.attempts
    assert await world.lag() == 1


async def test_draining_delivers_and_purges_what_was_stored(world: Surroundings) -> None:
    world.presence.holds = holds = asyncio.Event()
    stopping = Stopping()
    owner = await world.owner(stopping)
    running = asyncio.create_task(owner.run())
    await world.publish(row("anna", "e-1"))
    await until(lambda: world.presence.lookups == 1)
    stopping.say()
    holds.set()
    await asyncio.wait_for(running, 10)
    assert len(world.gateways.positions(G1)) == 1
    assert await world.lag() == 0


async def test_an_unexpected_failure_ends_the_owner(
    world: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(shard: Shard, writes: Sequence[EnvelopeWrite]) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(world.inbox, "append", broken)
    owner: Owner = await world.owner(Stopping())
    await world.publish(row("anna", "e-1"))
    with pytest.raises(ExceptionGroup):
        await asyncio.wait_for(owner.run(), 10)
    assert await world.lag() == 1


async def test_bounded_a_batch_is_no_larger_than_the_limit(world: Surroundings) -> None:
    world.settings = SETTINGS.model_copy(update={"max_batch_events": 3})
    for number in range(10):
        await world.publish(row("anna", f"e-{number}"))
    async with world.owned():
        await world.until_purged()
    assert max(len(writes) for writes in world.inbox.appends) == 3
    positions = world.gateways.positions(G1)
    assert positions == sorted(positions)
    assert len(positions) == 10


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=4), min_size=1, max_size=12),
    st.lists(st.integers(0, 40), max_size=4),
    st.integers(1, 8),
)
async def test_crashes_anywhere_change_nothing_that_can_be_seen(
    envelopes: list[list[int]], crashes: list[int], max_events: int
) -> None:
    world, calm = Surroundings(), Surroundings()
    for each in (world, calm):
        each.presence.places = {"anna": [G1]}
        each.settings = SETTINGS.model_copy(update={"max_batch_events": max_events})
        for numbers in envelopes:
            await each.publish(*(row("anna", f"e-{number}") for number in numbers))
    async with calm.owned():
        await calm.until_purged()
    for turns in crashes:
        async with world.crashing():
            for _ in range(turns):
                await asyncio.sleep(0)
    async with world.owned():
        await world.until_purged()

    stored = [each.position for each in await world.inbox.rows("anna")]
    assert await world.inbox.rows("anna") == await calm.inbox.rows("anna")
    assert set(world.gateways.positions(G1)) == set(stored), "delivered, perhaps again"
    written: dict[int, RowWrite] = {}
    for writes in world.inbox.appends:
        for each_row in (each_row for write in writes for each_row in write.rows):
            assert written.setdefault(each_row.position, each_row) == each_row
    for said in (each for call in world.gateways.attempts for each in call.rows):
        at = stored.index(said.position)
        assert said.previous in (None, stored[at - 1] if at else None)
