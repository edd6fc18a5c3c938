"""Both inboxes while the number of a lane's shards changes: Ordered, Resumable; readers show what is stored, whichever number they knew."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from processor.inheriting import first_entry
from reno.adapters.cassandra_inbox import CassandraInbox
from reno.adapters.cassandra_resharded_inbox import CassandraReshardedInbox
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.cassandra_statements import RESHARDING, STORING
from reno.adapters.memory_inbox import MemoryInbox
from reno.domain.member import member_key, shard_of
from reno.domain.position import mark_of
from reno.domain.priority import Priority
from reno.errors import Unavailable, WrongState
from reno.ports import Acknowledged, Inbox, ReshardedInbox, Shard, shards_of_lane
from tests.reno.adapters.inbox_worlds import (
    LANE,
    SHARDS,
    World,
    envelope,
    open_cassandra,
    rows_of,
)
from tests.servers.cassandra import SHARED

MORE = 6
MEMBERS = [f"m{number}" for number in range(12)]


def home_of(member: str, shards: int) -> Shard:
    return Shard(LANE, shard_of(member_key("", member), shards), shards)


@pytest.fixture(params=["memory", "cassandra"])
async def worlds(request: pytest.FixtureRequest) -> AsyncIterator[tuple[World, ReshardedInbox]]:
    if request.param == "memory":
        inbox = MemoryInbox(SHARDS)
        yield World(inbox), inbox
        return
    settings = SHARED.emptied()
    async with open_cassandra(settings) as world:
        resharded = CassandraReshardedInbox(CassandraSession(settings, RESHARDING))
        yield world, resharded
        await resharded.close()


@asynccontextmanager
async def owners_inbox(world: World, shards: int) -> AsyncIterator[Inbox]:
    """A processor's that begins now."""
    if isinstance(world.inbox, MemoryInbox):
        yield world.inbox
        return
    session = CassandraSession(SHARED.node().settings(), STORING)
    inbox = CassandraInbox(session, LANE, shards, read_timeout_s=30.0)
    try:
        yield inbox
    finally:
        await inbox.close()


async def store(inbox: Inbox, shards: int, first: int, word: bytes) -> None:
    for sequence, member in enumerate(MEMBERS, first):
        await inbox.append(home_of(member, shards), [envelope(sequence, (member, word))])


async def change(resharded: ReshardedInbox, before: int, shards: int, sequence: int) -> None:
    newest = [await resharded.last_entry(shard) for shard in shards_of_lane(LANE, before)]
    first = first_entry(0, sequence, [entry for entry in newest if entry is not None])
    for shard in shards_of_lane(LANE, shards):
        await resharded.begin(shard, first)
    await resharded.go_over(LANE, shards, mark_of(0, sequence))


async def test_rows_are_shown_through_every_change(worlds: tuple[World, ReshardedInbox]) -> None:
    world, resharded = worlds
    assert await resharded.shards(LANE) == SHARDS
    await store(world.inbox, SHARDS, 1, b"a")
    for shards, begins_at, word in ((MORE, 20, b"b"), (3, 40, b"c"), (SHARDS, 60, b"d")):
        before = await resharded.shards(LANE)
        pages = {member: await world.read(member) for member in MEMBERS}
        for _ in range(2):
            await change(resharded, before, shards, begins_at)
        assert await resharded.shards(LANE) == shards
        for member in MEMBERS:
            page = await world.read(member)
            assert page.rows == pages[member].rows
            assert page.mark == page.through == mark_of(0, begins_at) >= pages[member].mark
        async with owners_inbox(world, shards) as inbox:
            await store(inbox, shards, begins_at + 1, word)
        for member in MEMBERS:
            rows = rows_of([await world.read(member)])
            assert rows == [*(row.row for row in pages[member].rows), word]
            position = (await world.read(member)).rows[-1].position
            await world.reader.keep_acknowledged(LANE, [Acknowledged("", member, "tv", position)])
            assert (await world.read(member, device="tv")).acknowledged == position


async def test_nothing_of_the_new_shards_is_shown_before_they_have_begun(
    worlds: tuple[World, ReshardedInbox],
) -> None:
    world, resharded = worlds
    await store(world.inbox, SHARDS, 1, b"a")
    pages = {member: await world.read(member) for member in MEMBERS}
    for shard in shards_of_lane(LANE, MORE):
        await resharded.begin(shard, first_entry(0, 20, []))
    assert {member: await world.read(member) for member in MEMBERS} == pages
    assert await resharded.shards(LANE) == SHARDS


async def test_an_heir_has_what_it_was_given_below_its_first_entry(
    worlds: tuple[World, ReshardedInbox],
) -> None:
    world, resharded = worlds
    await store(world.inbox, SHARDS, 1, b"a")
    heir = Shard(LANE, 5, MORE)
    given = [
        entry
        for shard in shards_of_lane(LANE, SHARDS)[1::2]
        async for entry in resharded.journal(shard, 0)
    ]
    assert given
    for _ in range(2):
        await resharded.remember(heir, given)
    first = first_entry(0, 20, given)
    await resharded.begin(heir, first)
    assert await resharded.last_entry(heir) == first
    found = [entry async for entry in resharded.journal(heir, 0)]
    assert found == [*sorted(given, key=lambda entry: entry.sequence), first]


async def test_who_stores_late_in_a_shard_that_was_left_changes_nothing(
    worlds: tuple[World, ReshardedInbox],
) -> None:
    """An owner that was frozen, and writes again what another one had stored."""
    world, resharded = worlds
    await store(world.inbox, SHARDS, 1, b"a")
    await change(resharded, SHARDS, MORE, 20)
    async with owners_inbox(world, MORE) as inbox:
        await store(inbox, MORE, 21, b"b")
    pages = {member: await world.read(member) for member in MEMBERS}
    await store(world.inbox, SHARDS, 1, b"a")
    assert {member: await world.read(member) for member in MEMBERS} == pages


async def test_an_owner_that_comes_late_waits(worlds: tuple[World, ReshardedInbox]) -> None:
    """Between the change here and the log's: it would find the lane with the shards that it had."""
    world, resharded = worlds
    if isinstance(world.inbox, MemoryInbox):
        return
    await store(world.inbox, SHARDS, 1, b"a")
    await change(resharded, SHARDS, MORE, 20)
    async with owners_inbox(world, SHARDS) as inbox:
        with pytest.raises(Unavailable, match="reno lane reshard"):
            await inbox.last_entry(Shard(LANE, 0, SHARDS))
    with pytest.raises(WrongState, match="has nothing of lane low"):
        await resharded.shards(Priority.LOW)
